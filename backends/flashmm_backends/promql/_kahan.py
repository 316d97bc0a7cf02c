"""Compensated summation over many windows at once: the operations of Prometheus's Kahan-Neumaier sum, in columns."""

import math
from collections.abc import Callable, Iterator
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
        self.total[...] = total

    def leading(self, number: int) -> "Sums":
        """The first so many, which share their memory with these."""
        return Sums(self.total[:number], self.lost[:number])

    def value(self, divisor: Floats | float = 1.0) -> Floats:
        """The sums divided by a divisor; a sum that is not finite is its own value."""
        return np.where(np.isfinite(self.total), self.total / divisor + self.lost / divisor, self.total / divisor)


Terms = Callable[[Indices, Indices], Floats]
"""What is summed: from sample indices and the cells (row-major) that they are for, shape (n,) each."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Windows cut into blocks: where each begins, how long it is, of which cell, and its place there; shape (n,)."""

    starts: Indices
    lengths: Indices
    cells: Indices
    place: Indices

    @classmethod
    def of(cls, low: Indices, high: Indices) -> "Blocks":
        """Of the windows [low, high) of every cell, shape (rows, steps); cells count row by row."""
        counts = (high - low).ravel()
        blocks = -(-counts // _BLOCK)
        cells = np.repeat(np.arange(len(counts)), blocks)
        place = np.arange(len(cells)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
        starts = low.ravel()[cells] + place * _BLOCK
        return cls(starts, np.minimum(high.ravel()[cells] - starts, _BLOCK), cells, place)

    def side_by_side(self) -> Iterator[Indices]:
        """All of them, the longest first, as many at once as the processor's cache holds."""
        order = np.argsort(-self.lengths, kind="stable")
        for first in range(0, len(order), _AT_ONCE):
            yield order[first : first + _AT_ONCE]

    def positions(self, chosen: Indices, budget: Budget) -> Iterator[tuple[int, Indices]]:
        """How many of the chosen, longest first, have a sample at each position, and which samples those are."""
        lengths, starts = self.lengths[chosen], self.starts[chosen]
        growing = np.searchsorted(-lengths, -np.arange(int(lengths.max(initial=0))), side="left")
        for position, active in enumerate(growing.tolist()):
            budget.check_time()
            yield active, starts[:active] + position

    def in_turn(self) -> Iterator[tuple[Indices, Indices]]:
        """First blocks, then second ones and so on: which they are, and their cells."""
        for place in range(int(self.place.max(initial=-1)) + 1):
            chosen = np.flatnonzero(self.place == place)
            yield chosen, self.cells[chosen]


def window_sums(low: Indices, high: Indices, terms: Terms, budget: Budget) -> Sums:
    """Sum terms over the windows [low, high) of every cell, shape (rows, steps)."""
    blocks = Blocks.of(low, high)
    partial = Sums.zeros(blocks.starts.shape)
    for chosen in blocks.side_by_side():
        sums, cells = Sums.zeros(chosen.shape), blocks.cells[chosen]
        for active, samples in blocks.positions(chosen, budget):
            sums.leading(active).add(terms(samples, cells[:active]))
        partial.total[chosen], partial.lost[chosen] = sums.total, sums.lost
    return _over_blocks(partial, blocks, low.shape)


def _over_blocks(partial: Sums, blocks: Blocks, shape: tuple[int, ...]) -> Sums:
    """Sums of the blocks of each cell, in order."""
    sums = Sums.zeros((math.prod(shape),))
    for chosen, cells in blocks.in_turn():
        part = Sums(sums.total[cells], sums.lost[cells])
        part.add(partial.total[chosen])
        sums.total[cells], sums.lost[cells] = part.total, part.lost + partial.lost[chosen]
    return Sums(sums.total.reshape(shape), sums.lost.reshape(shape))


def member_sums(values: Floats, members: Indices) -> Sums:
    """Sum rows of values, shape (rows, steps), by group.

    members: shape (groups, largest), row indices; a negative index adds nothing. Absent cells must hold 0.
    """
    padded = np.concatenate([values, np.zeros((1, values.shape[1]))])
    sums = Sums.zeros((len(members), values.shape[1]))
    for rows in members.T:
        sums.add(padded[rows])
    return sums
