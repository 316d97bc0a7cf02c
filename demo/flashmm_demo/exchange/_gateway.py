"""The way to the exchange: latency, rejections, reports back.

The whole round trip is spent on the way there: a report and the book update that it causes then arrive together, as
they do on an exchange's one feed, and a cancel races against fills for all of it.
"""

import math
from decimal import Decimal
from random import Random
from typing import Final, Protocol

from flashmm_demo._schedule import Schedule
from flashmm_demo.exchange._orders import Exchange, OrderRequest

_SIGMA: Final = 0.35
"""Spread of the log latency: p99 is about 2.3 times the median."""
_FAULTS: Final = ("rate_limited", "system_busy", "margin_check_failed")


class Reports(Protocol):
    """What the bot hears of its orders."""

    def acked(self, request: OrderRequest, now_ns: int) -> None:
        """The order rests in the book."""
        ...

    def rejected(self, request: OrderRequest, reason: str, now_ns: int) -> None:
        """The order was turned down."""
        ...

    def cancelled(self, order_id: str, now_ns: int) -> None:
        """The order is out of the book."""
        ...

    def cancel_failed(self, order_id: str, now_ns: int) -> None:
        """There was nothing left to cancel: it has filled."""
        ...


class Gateway:
    """Sends orders and cancels; the reports come by the schedule."""

    def __init__(
        self,
        exchange: Exchange,
        schedule: Schedule,
        random: Random,
        *,
        latency_ms: float,
        reject_probability: float,
    ) -> None:
        self._exchange = exchange
        self._schedule = schedule
        self._random = random
        self._log_latency_ns = math.log(latency_ms * 1e6)
        self._reject_probability = reject_probability

    def submit(self, request: OrderRequest, reports: Reports, now_ns: int) -> None:
        """Send an order; `acked` or `rejected` follows."""

        def arrive(arrived_ns: int) -> None:
            reason = self._fault() or self._exchange.place(request, arrived_ns)
            if reason is None:
                reports.acked(request, arrived_ns)
            else:
                reports.rejected(request, reason, arrived_ns)

        self._schedule.at(now_ns + self._latency_ns(), arrive)

    def cancel(self, order_id: str, reports: Reports, now_ns: int) -> None:
        """Send a cancel; `cancelled` or `cancel_failed` follows."""

        def arrive(arrived_ns: int) -> None:
            if self._exchange.cancel(order_id, arrived_ns):
                reports.cancelled(order_id, arrived_ns)
            else:
                reports.cancel_failed(order_id, arrived_ns)

        self._schedule.at(now_ns + self._latency_ns(), arrive)

    def funding_rate(self) -> Decimal:
        """This interval's funding rate: about 0.01 % in eight hours, scaled to a minute, either sign."""
        return Decimal(round(self._random.gauss(20.0, 60.0))).scaleb(-8)

    def _latency_ns(self) -> int:
        return int(self._random.lognormvariate(self._log_latency_ns, _SIGMA))

    def _fault(self) -> str | None:
        if self._random.random() < self._reject_probability:
            return self._random.choice(_FAULTS)
        return None
