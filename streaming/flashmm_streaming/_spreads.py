"""Spread samples → items: one second's spreads and shares, and the same over the last minutes."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from prometheus_client import Counter

from flashmm_backends.batch import Event, EventValue
from flashmm_streaming import _text
from flashmm_streaming._events import Body, bps, market_head
from flashmm_streaming._recent import Recent

WINDOW_NS: Final = 300 * 10**9
"""Length of the sliding window, up to the end of its newest sample."""
MARKETS_MAX: Final = 2_000
SHARE_PLACES: Final = 6
_INTEGRALS: Final = (
    "own_spread_integral",
    "market_spread_integral",
    "total_spread_integral",
    "mid_integral",
    "market_spread_integral_valid",
    "mid_integral_known",
)
_TIMES: Final = ("duration_ns", "valid_ns", "two_sided_ns", "at_best_ns", "one_tick_ns")
_Sums = dict[str, Decimal]


@dataclass(slots=True)
class _Window:
    """Samples by the time of their end, and the exact sum of each field; an absent integral adds nothing.

    One stamped later than what follows it goes too: it would hold all others back.
    """

    samples: deque[tuple[int, _Sums]] = field(default_factory=deque[tuple[int, _Sums]])
    sums: _Sums = field(default_factory=dict[str, Decimal])

    def add(self, end_ns: int, sample: _Sums) -> None:
        self.samples.append((end_ns, sample))
        self._sum(sample, 1)
        while not end_ns - WINDOW_NS < self.samples[0][0] <= end_ns:
            self._sum(self.samples.popleft()[1], -1)

    def _sum(self, sample: _Sums, sign: int) -> None:
        for name, value in sample.items():
            self.sums[name] = _text.EXACT.add(self.sums.get(name, Decimal(0)), value * sign)


class Spreads:
    """One window for each market."""

    def __init__(self, forgotten: Counter) -> None:
        self._windows: Recent[tuple[object, ...], _Window] = Recent(MARKETS_MAX, forgotten.labels("spreads"))

    def add(self, event: Event) -> Body:
        """The item of one sample. `mean` holds the same figures over the window, and its `seconds`."""
        sample = _sample(event.fields)
        head = market_head(event)
        market = tuple(head[name] for name in ("bot", "account", "venue", "symbol"))
        window = self._windows.renew(market, _Window)
        window.add(event.time_ns, sample)
        seconds = _text.rounded(window.sums["duration_ns"] / 10**9, 0)
        return head | _figures(sample) | {"mean": _figures(window.sums) | {"seconds": seconds}}


def _sample(fields: Mapping[str, EventValue]) -> _Sums:
    integrals = {name: value for name in _INTEGRALS if isinstance(value := fields.get(name), Decimal)}
    times = {name: Decimal(value) for name in _TIMES if isinstance(value := fields.get(name), int)}
    return integrals | times


def _figures(sums: _Sums) -> Body:
    """Time-weighted spreads over the mid, all over the same nanoseconds; None where they could not be derived.

    difference_bps: the market's without us less ours, positive where we are tighter. market_always_bps: the market's
    without us also while we did not quote. uptime: the share of the time in which we quoted both sides. tick_bound:
    the share of the valid time in which the spread was one tick.
    """
    own = _ratio(sums, "own_spread_integral", "mid_integral")
    market = _ratio(sums, "market_spread_integral", "mid_integral")
    return {
        "own_bps": bps(own),
        "market_bps": bps(market),
        "total_bps": bps(_ratio(sums, "total_spread_integral", "mid_integral")),
        "market_always_bps": bps(_ratio(sums, "market_spread_integral_valid", "mid_integral_known")),
        "difference_bps": bps(None if own is None or market is None else market - own),
        "tick_bound": _share(sums, "one_tick_ns", "valid_ns"),
        "uptime": _share(sums, "two_sided_ns", "duration_ns"),
        "at_best": _share(sums, "at_best_ns", "two_sided_ns"),
        "valid": _share(sums, "valid_ns", "duration_ns"),
    }


def _ratio(sums: _Sums, part: str, whole: str) -> Decimal | None:
    above, below = sums.get(part), sums.get(whole)
    return above / below if above is not None and below is not None and below > 0 else None


def _share(sums: _Sums, part: str, whole: str) -> str | None:
    ratio = _ratio(sums, part, whole)
    return None if ratio is None else _text.rounded(ratio, SHARE_PLACES)
