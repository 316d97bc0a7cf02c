"""Aggregations that give one series for each group."""

from collections.abc import Callable

import numpy as np

from flashmm_backends.promql._groups import Groups
from flashmm_backends.promql._histogram_aggregate import counts_histograms
from flashmm_backends.promql._kahan import member_sums
from flashmm_backends.promql._over_time import incremental_mean
from flashmm_backends.promql._quantile import interpolated
from flashmm_backends.promql._values import Floats, Mask, Vectors, cells_where

Reduction = Callable[[Groups, Vectors], Floats]
"""Values of every group at every step, from rows that hold floats; cells without any are ignored."""


def presence(operator: str, groups: Groups, vectors: Vectors) -> Mask:
    """Where a group has a sample that the aggregation sees."""
    seen = vectors.has_sample if counts_histograms(operator) else vectors.present
    return groups.reduce(np.logical_or, seen, identity=False)


def _counts(groups: Groups, vectors: Vectors) -> Floats:
    return groups.reduce(np.add, vectors.has_sample.astype(np.float64), 0.0)


def _total(groups: Groups, vectors: Vectors) -> Floats:
    if not vectors.present.any():
        return np.zeros((len(groups.labels), vectors.values.shape[1]))
    return member_sums(np.where(vectors.present, vectors.values, 0.0), groups.members).value()


def _average(groups: Groups, vectors: Vectors) -> Floats:
    sums = member_sums(np.where(vectors.present, vectors.values, 0.0), groups.members)
    means = sums.value(np.maximum(_counts(groups, vectors.floats_only()), 1.0))
    for group, step in cells_where(np.isinf(sums.total)):
        rows = np.flatnonzero((groups.group == group) & vectors.present[:, step])
        means[group, step] = incremental_mean(vectors.values[rows, step])
    return means


def _smallest(groups: Groups, vectors: Vectors) -> Floats:
    return groups.reduce(np.fmin, np.where(vectors.present, vectors.values, np.nan), np.nan)


def _largest(groups: Groups, vectors: Vectors) -> Floats:
    return groups.reduce(np.fmax, np.where(vectors.present, vectors.values, np.nan), np.nan)


def _ones(groups: Groups, vectors: Vectors) -> Floats:
    return np.ones((len(groups.labels), vectors.values.shape[1]))


def _variance(groups: Groups, vectors: Vectors) -> Floats:
    """Welford's running variance, as Prometheus computes it across series."""
    shape = (len(groups.labels), vectors.values.shape[1])
    number, mean, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for rows in groups.members.T:
        present = vectors.present[rows] & (rows >= 0)[:, None]
        value = vectors.values[rows]
        number = number + present
        delta = value - mean
        updated = mean + delta / np.maximum(number, 1.0)
        squares = np.where(present, squares + delta * (value - updated), squares)
        mean = np.where(present, updated, mean)
    return squares / np.maximum(number, 1.0)


def _deviation(groups: Groups, vectors: Vectors) -> Floats:
    return np.sqrt(_variance(groups, vectors))


REDUCTIONS: dict[str, Reduction] = {
    "sum": _total,
    "avg": _average,
    "min": _smallest,
    "max": _largest,
    "count": _counts,
    "group": _ones,
    "stddev": _deviation,
    "stdvar": _variance,
}


def quantiles(groups: Groups, vectors: Vectors, wanted: Floats) -> Floats:
    """The wanted quantile, shape (steps,), of each group at each step."""
    result = np.full((len(groups.labels), vectors.values.shape[1]), np.nan)
    for number, rows in enumerate(groups.members):
        members = rows[rows >= 0]
        present = vectors.present[members].T
        filled = present.any(axis=1)
        samples = vectors.values[members].T
        result[number, filled] = interpolated(samples[filled], present[filled], wanted[filled])
    return result
