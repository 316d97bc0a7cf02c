"""Compensated summation over many windows at once: the operations of Prometheus's Kahan-Neumaier sum, in columns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flashmm_backends.promql._limits import Budget
from flashmm_backends.promql._values import Floats, Indices

_BLOCK = 256
"""Windows up to this length are summed in Prometheus's order; longer ones in blocks that are summed in turn."""


@dataclass(slots=True)
class Sums:
    """Running sums and what rounding took from them, equal shapes."""

    total: Floats
    lost: Floats

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> "Sums":
        return cls(np.zeros(shape), np.zeros(shape))

    def add(self, terms: Floats) -> None:
        """Add one term to each sum; the error of each addition is exact (Knuth's two-sum)."""
        total = self.total + terms
        virtual = total - self.total
        self.lost += (self.total - (total - virtual)) + (terms - virtual)
        self.total = total

    def value(self, divisor: Floats | float = 1.0) -> Floats:
        """The sums divided by a divisor; a sum that is not finite is its own value."""
        return np.where(np.isfinite(self.total), self.total / divisor + self.lost / divisor, self.total / divisor)


def window_sums(low: Indices, high: Indices, terms: Callable[[Indices], Floats], budget: Budget) -> Sums:
    """Sum terms over the windows [low, high), shape (rows, steps).

    terms maps sample indices of shape (rows, steps, blocks) to what is summed.
    """
    longest = int((high - low).max(initial=0))
    starts = np.arange(0, max(longest, 1), _BLOCK)
    lows = low[..., None] + starts
    highs = np.minimum(lows + _BLOCK, high[..., None])
    return _over_blocks(_by_position(lows, highs, min(longest, _BLOCK), terms, budget))


def _by_position(
    low: Indices, high: Indices, longest: int, terms: Callable[[Indices], Floats], budget: Budget
) -> Sums:
    sums = Sums.zeros(low.shape)
    for position in range(longest):
        budget.check_time()
        index = low + position
        inside = index < high
        sums.add(np.where(inside, terms(np.where(inside, index, 0)), 0.0))
    return sums


def _over_blocks(partial: Sums) -> Sums:
    if partial.total.shape[-1] == 1:
        return Sums(partial.total[..., 0], partial.lost[..., 0])
    sums = Sums.zeros(partial.total.shape[:-1])
    for block in range(partial.total.shape[-1]):
        sums.add(partial.total[..., block])
    sums.lost += partial.lost.sum(axis=-1)
    return sums


def member_sums(values: Floats, members: Indices) -> Sums:
    """Sum rows of values, shape (rows, steps), by group.

    members: shape (groups, largest), row indices; a negative index adds nothing. Absent cells must hold 0.
    """
    padded = np.concatenate([values, np.zeros((1, values.shape[1]))])
    sums = Sums.zeros((len(members), values.shape[1]))
    for rows in members.T:
        sums.add(padded[rows])
    return sums
