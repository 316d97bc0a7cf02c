"""Compensated summation over many windows at once: the operations of Prometheus's Kahan-Neumaier sum, in columns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flashmm_backends.promql._budget import Budget
from flashmm_backends.promql._values import Floats, Indices

_BLOCK = 256
"""Windows up to this length are summed in Prometheus's order; longer ones in blocks that are summed in turn."""

_AT_ONCE = 16_384
"""Blocks that are summed side by side: their arrays stay in the second-level cache."""


@dataclass(slots=True)
class Sums:
    """Running sums and what rounding took from them, equal shapes."""

    total: Floats
    lost: Floats

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> "Sums":
        return cls(np.zeros(shape), np.zeros(shape))

    @classmethod
    def of(cls, terms: Floats) -> "Sums":
        """Sums along the first axis, which has one term at least: as `add` of each in order, in fewer operations."""
        totals = np.cumsum(terms, axis=0)
        before, after, added = totals[:-1], totals[1:], terms[1:]
        virtual = after - before
        lost = (before - (after - virtual)) + (added - virtual)
        return cls(totals[-1], np.cumsum(lost, axis=0)[-1] if len(lost) else np.zeros(terms.shape[1:]))

    def add(self, terms: Floats) -> None:
        """Add one term to each sum; the error of each addition is exact (Knuth's two-sum)."""
        total = self.total + terms
        virtual = total - self.total
        self.lost += (self.total - (total - virtual)) + (terms - virtual)
        self.total = total

    def value(self, divisor: Floats | float = 1.0) -> Floats:
        """The sums divided by a divisor; a sum that is not finite is its own value."""
        return np.where(np.isfinite(self.total), self.total / divisor + self.lost / divisor, self.total / divisor)


Terms = Callable[[Indices, Indices], Floats]
"""What is summed: from sample indices and the cells (row-major) that they are for, shape (n,) each."""


def window_sums(low: Indices, high: Indices, terms: Terms, budget: Budget) -> Sums:
    """Sum terms over the windows [low, high) of every cell, shape (rows, steps)."""
    counts = (high - low).ravel()
    blocks = -(-counts // _BLOCK)
    cells = np.repeat(np.arange(len(counts)), blocks)
    block = np.arange(len(cells)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    starts = low.ravel()[cells] + block * _BLOCK
    partial = _by_position(starts, np.minimum(high.ravel()[cells] - starts, _BLOCK), cells, terms, budget)
    sums = _over_blocks(partial, cells, block, len(counts))
    return Sums(sums.total.reshape(low.shape), sums.lost.reshape(low.shape))


def _by_position(starts: Indices, lengths: Indices, cells: Indices, terms: Terms, budget: Budget) -> Sums:
    """Sum of each block, first samples first, as many blocks at once as the processor's cache holds."""
    order = np.argsort(-lengths, kind="stable")
    sums = Sums.zeros(starts.shape)
    for first in range(0, len(order), _AT_ONCE):
        chosen = order[first : first + _AT_ONCE]
        part = _longest_first(starts[chosen], lengths[chosen], cells[chosen], terms, budget)
        sums.total[chosen], sums.lost[chosen] = part.total, part.lost
    return sums


def _longest_first(starts: Indices, lengths: Indices, cells: Indices, terms: Terms, budget: Budget) -> Sums:
    """Sum of each block; the longest lead, so that those still growing are a prefix."""
    sums = Sums.zeros(starts.shape)
    growing = np.searchsorted(-lengths, -np.arange(int(lengths.max(initial=0))), side="left")
    for position, active in enumerate(growing.tolist()):
        budget.check_time()
        part = Sums(sums.total[:active], sums.lost[:active])
        part.add(terms(starts[:active] + position, cells[:active]))
        sums.total[:active] = part.total
    return sums


def _over_blocks(partial: Sums, cells: Indices, block: Indices, number: int) -> Sums:
    """Sums of the blocks of each cell, in order."""
    sums = Sums.zeros((number,))
    for index in range(int(block.max(initial=-1)) + 1):
        chosen = block == index
        cell = cells[chosen]
        part = Sums(sums.total[cell], sums.lost[cell])
        part.add(partial.total[chosen])
        sums.total[cell], sums.lost[cell] = part.total, part.lost + partial.lost[chosen]
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
