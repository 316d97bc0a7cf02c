"""Quantiles and fractions of many native histograms of one layout at once.

The usual case of what `_histogram_stats` does for one; whatever is unusual is left open.
"""

from dataclasses import dataclass

import numpy as np

from flashmm_backends.histogram_array import COUNT, SCALARS, SUM, ZERO_COUNT, Layout, Stack
from flashmm_backends.promql._buckets import table
from flashmm_backends.promql._histogram_stats import one_sided
from flashmm_backends.promql._values import Floats, Indices, Mask


@dataclass(frozen=True, slots=True)
class Found:
    """A value for each row, shape (n,); open: where it is for another to say."""

    values: Floats
    open: Mask


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The buckets of a layout in ascending order, shape (m,) each, and the columns that they are in."""

    lower: Floats
    upper: Floats
    columns: Indices

    @property
    def ascend(self) -> bool:
        """Whether they do; not where buckets lie within the zero bucket."""
        return bool((np.diff(self.lower) >= 0).all() and (np.diff(self.upper) >= 0).all())


def _bounds(layout: Layout) -> _Bounds:
    everywhere = layout.histogram(np.ones(layout.width))
    buckets = table(everywhere)
    lower, upper = buckets.lower.copy(), buckets.upper.copy()
    zero = len(layout.negative)
    lower[zero], upper[zero] = one_sided(everywhere, float(lower[zero]), float(upper[zero]))
    split = SCALARS + len(layout.positive)
    negative = np.arange(layout.width - 1, split - 1, -1)
    return _Bounds(lower, upper, np.concatenate((negative, [ZERO_COUNT], np.arange(SCALARS, split))))


def quantiles(wanted: Floats, stack: Stack) -> Found:
    """The wanted quantile of each, shape (n,). Open: outside [0, 1], no observations or some of NaN, too few."""
    bounds = _bounds(stack.layout)
    values = np.zeros(len(stack.matrix))
    count, total = stack.matrix[:, COUNT], stack.matrix[:, SUM]
    usual = (wanted >= 0) & (wanted <= 1) & (count != 0) & (total == total)
    for ascending in (True, False):
        rows = np.flatnonzero(usual & ((wanted < 0.5) == ascending))
        if len(rows):
            values[rows], usual[rows] = _from_one_end(wanted[rows], stack.matrix[rows], bounds, ascending=ascending)
    return Found(values, ~usual)


def _from_one_end(wanted: Floats, matrix: Floats, bounds: _Bounds, *, ascending: bool) -> tuple[Floats, Mask]:
    """The quantiles, and where they could be had; the median and above are counted from the upper end."""
    columns = bounds.columns if ascending else bounds.columns[::-1]
    counts, count = matrix[:, columns], matrix[:, COUNT]
    rank = (wanted if ascending else 1 - wanted) * count
    cumulative = np.cumsum(counts, axis=1)
    reached = (counts != 0) & (cumulative >= rank[:, None])
    position = np.argmax(reached, axis=1)
    at = np.arange(len(matrix)), position
    total = np.minimum(cumulative[at], count)
    within = rank - (total - counts[at]) if ascending else total - rank
    place = position if ascending else len(columns) - 1 - position
    values = _interpolated(bounds.lower[place], bounds.upper[place], within / counts[at])
    return values, reached[at] & (total >= rank)


def _interpolated(lower: Floats, upper: Floats, share: Floats) -> Floats:
    """Linear across zero, exponential elsewhere."""
    low, high = np.log2(np.abs(lower)), np.log2(np.abs(upper))
    above, below = np.exp2(low + (high - low) * share), -np.exp2(high + (low - high) * (1 - share))
    linear = (lower <= 0) & (upper >= 0)
    return np.where(linear, lower + (upper - lower) * share, np.where(lower > 0, above, below))


def fractions(lower: Floats, upper: Floats, stack: Stack) -> Found:
    """The share of each between two values, shape (n,) each. Open: no observations or some of NaN, bounds of NaN."""
    bounds = _bounds(stack.layout)
    count, total = stack.matrix[:, COUNT], stack.matrix[:, SUM]
    usual = (lower < upper) & (count != 0) & (total == total) & bounds.ascend
    counts = stack.matrix[:, bounds.columns]
    before = np.cumsum(np.concatenate((np.zeros((len(counts), 1)), counts), axis=1), axis=1)
    low, high = (_ranks(value, counts, before, count, bounds) for value in (lower, upper))
    return Found((high - low) / count, ~usual)


def _ranks(value: Floats, counts: Floats, before: Floats, total: Floats, bounds: _Bounds) -> Floats:
    """How many observations lie below a value, in each row. before: sums of the buckets below each."""
    place = np.minimum(
        np.searchsorted(bounds.upper, value, side="right"), np.searchsorted(bounds.lower, value, side="left")
    )
    bucket = np.minimum(place, counts.shape[1] - 1)
    rows = np.arange(len(counts))
    inside = np.where(bounds.lower[bucket] < value, _share_below(value, bounds, bucket), 0.0)
    rank = before[rows, bucket] + counts[rows, bucket] * inside
    return np.minimum(np.where(place == counts.shape[1], total, rank), total)


def _share_below(value: Floats, bounds: _Bounds, bucket: Indices) -> Floats:
    lower, upper = bounds.lower[bucket], bounds.upper[bucket]
    low, high, at = (np.log2(np.abs(x)) for x in (lower, upper, value))
    exponential = np.where(value > 0, (at - low) / (high - low), 1 - (at - high) / (low - high))
    return np.where((lower <= 0) & (upper >= 0), (value - lower) / (upper - lower), exponential)
