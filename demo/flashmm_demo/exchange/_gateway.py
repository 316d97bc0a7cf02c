"""The way to the exchange: latency, rejections, lost messages, reports back.

The whole round trip is spent on the way there: a report and the book update that it causes then arrive together, as
they do on an exchange's one feed, and a cancel races against fills for all of it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random
from typing import Final, Protocol

from flashmm_demo._schedule import Schedule
from flashmm_demo.exchange._orders import Amendment, Exchange, OrderRequest

_SIGMA: Final = 0.35
"""Spread of the log latency: p99 is about 2.3 times the median."""
_FAULTS: Final = ("rate_limited", "system_busy", "margin_check_failed")

Report = Callable[[int], None]
"""Tells of something at a time."""


class Reports(Protocol):
    """What the bot hears of one of its orders."""

    def acked(self, request: OrderRequest, now_ns: int) -> None:
        """The order rests in the book."""
        ...

    def rejected(self, request: OrderRequest, reason: str, now_ns: int) -> None:
        """The order was turned down."""
        ...

    def amended(self, request: OrderRequest, outcome: Amendment, now_ns: int) -> None:
        """What became of an amend."""
        ...

    def cancelled(self, order_id: str, now_ns: int) -> None:
        """The order is out of the book."""
        ...

    def cancel_failed(self, order_id: str, now_ns: int) -> None:
        """There was nothing left to cancel: it has filled."""
        ...

    def expired(self, order_id: str, now_ns: int) -> None:
        """The exchange has taken the order out: its time was up."""
        ...

    def timed_out(self, order_id: str, now_ns: int) -> None:
        """What was asked has no answer: nobody knows whether it was done."""
        ...

    def found(self, order_id: str, resting: OrderRequest | None, now_ns: int) -> None:
        """How the order rests in the book; None: it is not there, and its fills have been told."""
        ...


@dataclass(frozen=True, slots=True)
class LinkTerms:
    """How the exchange and the way to it behave. Probabilities are of each request."""

    latency_ms: float
    """Median round trip."""
    reject_probability: float = 0.0
    """Turned down for no fault of the order's."""
    loss_probability: float = 0.0
    """No answer: in one half the request is lost, in the other the answer."""
    timeout_ms: float = 500.0
    """How long an answer is waited for."""
    good_for_s: float = 60.0
    """How long an order rests before the exchange takes it out by itself."""


class Gateway:
    """Sends orders, amends and cancels, and asks after orders; the reports come by the schedule."""

    def __init__(self, exchange: Exchange, schedule: Schedule, random: Random, terms: LinkTerms) -> None:
        self._exchange = exchange
        self._schedule = schedule
        self._random = random
        self._terms = terms
        self._log_latency_ns = math.log(terms.latency_ms * 1e6)
        self._timeout_ns = int(terms.timeout_ms * 1e6)
        self._good_for_ns = int(terms.good_for_s * 1e9)

    def submit(self, request: OrderRequest, reports: Reports, now_ns: int) -> None:
        """Send an order; `acked`, `rejected` or `timed_out` follows, `expired` when it rests too long."""

        def arrive(arrived_ns: int) -> Report:
            reason = self._fault() or self._exchange.place(request, arrived_ns)
            if reason is not None:
                return partial(reports.rejected, request, reason)
            self._schedule.at(arrived_ns + self._good_for_ns, partial(self._expire, request.order_id, reports))
            return partial(reports.acked, request)

        self._send(arrive, partial(reports.timed_out, request.order_id), now_ns)

    def amend(self, request: OrderRequest, reports: Reports, now_ns: int) -> None:
        """Send an order's new terms; `amended` or `timed_out` follows."""

        def arrive(arrived_ns: int) -> Report:
            return partial(reports.amended, request, self._exchange.amend(request, arrived_ns))

        self._send(arrive, partial(reports.timed_out, request.order_id), now_ns)

    def cancel(self, order_id: str, reports: Reports, now_ns: int) -> None:
        """Send a cancel; `cancelled`, `cancel_failed` or `timed_out` follows."""

        def arrive(arrived_ns: int) -> Report:
            done = self._exchange.cancel(order_id, arrived_ns)
            return partial(reports.cancelled if done else reports.cancel_failed, order_id)

        self._send(arrive, partial(reports.timed_out, order_id), now_ns)

    def find(self, order_id: str, reports: Reports, now_ns: int) -> None:
        """Ask what has become of an order, again until there is an answer; `found` follows."""

        def arrive(arrived_ns: int) -> Report:
            del arrived_ns
            return partial(reports.found, order_id, self._exchange.resting(order_id))

        self._send(arrive, partial(self.find, order_id, reports), now_ns)

    def funding_rate(self) -> Decimal:
        """This interval's funding rate: about 0.01 % in eight hours, scaled to a minute, either sign."""
        return Decimal(round(self._random.gauss(20.0, 60.0))).scaleb(-8)

    def _expire(self, order_id: str, reports: Reports, now_ns: int) -> None:
        if self._exchange.cancel(order_id, now_ns):
            reports.expired(order_id, now_ns)

    def _send(self, arrive: Callable[[int], Report], unanswered: Report, now_ns: int) -> None:
        arrives_ns = now_ns + self._latency_ns()
        fate = self._random.random()
        if fate >= self._terms.loss_probability:
            self._schedule.at(arrives_ns, lambda at_ns: arrive(at_ns)(at_ns))
            return
        if fate >= self._terms.loss_probability / 2:
            self._schedule.at(arrives_ns, lambda at_ns: _unheard(arrive(at_ns)))
        self._schedule.at(now_ns + self._timeout_ns, unanswered)

    def _latency_ns(self) -> int:
        return int(self._random.lognormvariate(self._log_latency_ns, _SIGMA))

    def _fault(self) -> str | None:
        if self._random.random() < self._terms.reject_probability:
            return self._random.choice(_FAULTS)
        return None


def _unheard(report: Report) -> None:
    """The answer is lost on its way back."""
    del report
