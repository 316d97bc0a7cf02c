"""Placement spans → one item for each order, and latency quantiles over the last orders of each market."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter

from flashmm_backends.batch import Span
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_streaming._identity import Owners, Sender
from flashmm_streaming._recent import Recent

ROOT: Final = "order"
STAGES: Final = frozenset(attr.Stage)
WINDOW = 1_000
"""Orders that the quantiles are over."""
OPEN_MAX = 5_000
"""Traces whose stages are here and whose root is not yet."""
MARKETS_MAX = 1_000
"""Markets that quantiles are kept of."""
EVERY_NS = 200_000_000
"""Quantiles of a market are computed at most this often."""


@dataclass(slots=True)
class _Market:
    identity: dict[str, object]
    total_us: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    stages_us: dict[str, deque[float]] = field(default_factory=dict[str, deque[float]])
    orders: int = 0
    last_ms: int = 0
    dirty: bool = False

    def add(self, duration_us: float, stages_us: dict[str, float]) -> None:
        self.total_us.append(duration_us)
        for stage, taken_us in stages_us.items():
            self.stages_us.setdefault(stage, deque(maxlen=WINDOW)).append(taken_us)
        self.orders += 1
        self.dirty = True


class Placements:
    """Joins the stages of an order to its root, which ends last."""

    def __init__(self, owners: Owners, forgotten: Counter) -> None:
        self._owners = owners
        self._stages: Recent[bytes, dict[str, float]] = Recent(OPEN_MAX, forgotten.labels("open orders"))
        self._markets: Recent[tuple[object, ...], _Market] = Recent(MARKETS_MAX, forgotten.labels("latencies"))
        self._computed_ns = 0

    def orders(self, spans: Sequence[Span]) -> list[dict[str, object]]:
        """A placement item for each root among the spans."""
        roots = [span for span in spans if self._joined(span)]
        return [self._placement(span) for span in roots]

    def quantiles(self, now_ns: int) -> list[dict[str, object]]:
        """A `latency` item for each market with new orders, where it is time again."""
        if now_ns - self._computed_ns < EVERY_NS:
            return []
        items = [_quantiles(market) for market in self._dirty()]
        if items:
            self._computed_ns = now_ns
        return items

    def _dirty(self) -> Iterator[_Market]:
        for market in self._markets.values():
            if market.dirty:
                market.dirty = False
                yield market

    def _joined(self, span: Span) -> bool:
        """Keep what a stage took for its root; whether this is one."""
        if span.parent_span_id and span.name in STAGES:
            self._stages.renew(span.trace_id, dict)[span.name] = _micros(span)
        return span.name == ROOT and attr.ORDER_ID in span.attributes

    def _placement(self, root: Span) -> dict[str, object]:
        stages_us = self._stages.pop(root.trace_id, {})
        duration_us = _micros(root)
        sender = self._owners.of(root.resource_id)
        market = self._market(sender, root)
        market.add(duration_us, stages_us)
        market.last_ms = max(market.last_ms, root.end_ns // 1_000_000)
        return {
            **market.identity,
            "run": sender.run,
            "type": "placement",
            "time_ms": root.start_ns // 1_000_000,
            "time_ns": str(root.start_ns),
            "order_id": str(root.attributes[attr.ORDER_ID]),
            "trace_id": root.trace_id.hex(),
            "side": str(root.attributes.get(attr.SIDE, "")),
            "outcome": str(root.attributes.get(attr.ORDER_OUTCOME, "")),
            "duration_us": duration_us,
            "stages_us": stages_us,
        }

    def _market(self, sender: Sender, root: Span) -> _Market:
        venue, symbol = str(root.attributes.get(attr.VENUE, "")), str(root.attributes.get(attr.SYMBOL, ""))
        identity = {**sender.owner.body(), "venue": venue, "symbol": symbol}
        return self._markets.renew(tuple(identity.values()), lambda: _Market(identity))


def _micros(span: Span) -> float:
    return round((span.end_ns - span.start_ns) / 1_000, 3)


def _quantiles(market: _Market) -> dict[str, object]:
    return {
        **market.identity,
        "time_ms": market.last_ms,
        "orders": market.orders,
        "window": len(market.total_us),
        "total": _summary(market.total_us),
        "stages": {stage: _summary(taken) for stage, taken in market.stages_us.items()},
    }


def _summary(micros: deque[float]) -> dict[str, float]:
    ordered = np.sort(np.fromiter(micros, np.float64, len(micros)))
    return {
        "p50_us": round(_quantile(ordered, 0.5), 1),
        "p99_us": round(_quantile(ordered, 0.99), 1),
        "max_us": round(float(ordered[-1]), 1),
    }


def _quantile(ordered: npt.NDArray[np.float64], share: float) -> float:
    """numpy's linear quantile of sorted values, without the cost of its generality."""
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
