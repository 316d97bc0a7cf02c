"""Drift of the model's inputs: the population stability index of a recent window against a reference one."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Final

_BINS: Final = 10
_SMOOTHING: Final = 0.5
"""Added to each bin's count, so that an empty bin doesn't make the index infinite."""


def population_stability_index(reference: Sequence[float], recent: Sequence[float]) -> float:
    """Σ (r - q) ln(r / q) over the bins that the reference's deciles make; 0 when equal, above 0.25 a marked drift.

    Both windows need at least one value. Symmetric in the shares; equals their Jeffreys divergence.
    """
    edges = decile_edges(reference)
    return index_of_shares(_shares(reference, edges), _shares(recent, edges))


def index_of_shares(reference: Sequence[float], recent: Sequence[float]) -> float:
    """The index of two lists of shares, all above 0."""
    return sum((r - q) * math.log(r / q) for r, q in zip(reference, recent, strict=True))


def decile_edges(values: Sequence[float]) -> list[float]:
    """The inner edges of ten bins of equal count; fewer where values repeat."""
    ordered = sorted(values)
    return sorted({ordered[len(ordered) * i // _BINS] for i in range(1, _BINS)})


def _shares(values: Sequence[float], edges: list[float]) -> list[float]:
    counts = [_SMOOTHING] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    total = sum(counts)
    return [count / total for count in counts]


class DriftMonitor:
    """Keeps a feature's reference window (the first values) and its recent one."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._reference: list[float] = []
        self._recent: deque[float] = deque(maxlen=window)

    def update(self, value: float) -> None:
        """Take in a value: to the reference until that is full."""
        if len(self._reference) < self._window:
            self._reference.append(value)
        else:
            self._recent.append(value)

    @property
    def index(self) -> float | None:
        """The recent window's index against the reference; None until both are full."""
        if len(self._recent) < self._window:
            return None
        return population_stability_index(self._reference, self._recent)
