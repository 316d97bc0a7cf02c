"""Smoothed market measures that the quotes and the risk figures depend on."""

import math
from typing import Final

_MIN_GAP_S: Final = 0.05
"""Shorter moves are mostly bounce between bid and ask."""


class EwmaVolatility:
    """Standard deviation of a price over one second, exponentially weighted by time.

    Source of the form: RiskMetrics technical document (1996), with weights by elapsed time.
    """

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._last: tuple[int, float] | None = None
        self._variance = 0.0
        self._weight = 0.0

    def update(self, now_ns: int, price: float) -> None:
        """Take in a price; those within 50 ms of the last are passed over."""
        if self._last is None:
            self._last = (now_ns, price)
            return
        elapsed_s = (now_ns - self._last[0]) / 1e9
        if elapsed_s < _MIN_GAP_S:
            return
        keep = math.exp(-elapsed_s / self._memory_s)
        self._variance = keep * self._variance + (1 - keep) * (price - self._last[1]) ** 2 / elapsed_s
        self._weight = keep * self._weight + (1 - keep)
        self._last = (now_ns, price)

    @property
    def per_root_second(self) -> float:
        """In the price's unit; 0 before two prices."""
        return math.sqrt(self._variance / self._weight) if self._weight else 0.0


class Ewma:
    """A mean with exponentially falling weights by count; None before the first value."""

    def __init__(self, share: float) -> None:
        self._share = share
        self.value: float | None = None

    def update(self, value: float) -> None:
        """Take in a value."""
        self.value = value if self.value is None else self.value + self._share * (value - self.value)
