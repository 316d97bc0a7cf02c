"""UTC nanoseconds that run at the monotonic clock's pace and follow the wall clock slowly."""

import time
from collections.abc import Callable
from typing import Final, Protocol

_REANCHOR_NS: Final = 10_000_000_000
_SLEW_PER_NS: Final = 2_000  # one part in 2,000: 500 ppm, what NTP allows itself
_STEP_NS: Final = 2_000_000_000


class Clock(Protocol):
    """Where time comes from: UTC nanoseconds."""

    def now_ns(self) -> int: ...


class AnchoredClock:
    """The wall clock, read once and carried on by the monotonic clock.

    Every 10 s it is compared with the wall clock again and slewed towards it by at most 500 ppm, so that
    differences between two readings are durations. A difference above 2 s is a step of the wall clock (a
    suspended machine, an operator): it is followed at once, backwards too.
    """

    __slots__ = ("_anchor", "_monotonic_ns", "_wall_ns")

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._anchor = (wall_ns(), monotonic_ns(), 0)

    def now_ns(self) -> int:
        """UTC nanoseconds."""
        anchor = self._anchor  # one read: another thread may anchor again
        monotonic_ns = self._monotonic_ns()
        if monotonic_ns - anchor[1] >= _REANCHOR_NS:
            return self._reanchored()
        return _carried_on(anchor, monotonic_ns)

    def _reanchored(self) -> int:
        monotonic_ns, wall_ns = self._monotonic_ns(), self._wall_ns()
        now_ns = _carried_on(self._anchor, monotonic_ns)
        if abs(wall_ns - now_ns) > _STEP_NS:
            now_ns = wall_ns
        self._anchor = (now_ns, monotonic_ns, wall_ns - now_ns)
        return now_ns


def _carried_on(anchor: tuple[int, int, int], monotonic_ns: int) -> int:
    wall_ns, since_ns, slew_ns = anchor
    elapsed_ns = monotonic_ns - since_ns
    limit_ns = elapsed_ns // _SLEW_PER_NS
    return wall_ns + elapsed_ns + max(-limit_ns, min(limit_ns, slew_ns))
