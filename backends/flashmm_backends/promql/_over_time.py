"""Functions over the float samples of a range vector: one result for each window."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flashmm_backends.promql._kahan import Sums, window_sums
from flashmm_backends.promql._quantile import interpolated
from flashmm_backends.promql._values import Floats, Indices, Mask, cells_where
from flashmm_backends.promql._variance import variances
from flashmm_backends.promql._windows import Windows

_CHUNK = 4_000_000
"""Samples touched between two looks at the clock, and held at once where windows are laid out side by side."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Results at every row and step, and which of them exist."""

    values: Floats
    present: Mask


def count(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Number of samples."""
    return Cells(windows.counts.astype(np.float64), windows.counts > 0)


def present(windows: Windows, _: Sequence[Floats]) -> Cells:
    """1 where there is a sample."""
    return Cells(np.ones(windows.low.shape), windows.counts > 0)


def last(windows: Windows, _: Sequence[Floats]) -> Cells:
    """The newest sample."""
    return Cells(windows.values[windows.last()], windows.counts > 0)


def total(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Compensated sum."""
    return Cells(_sums(windows).value(), windows.counts > 0)


def average(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Arithmetic mean, also where the sum of finite samples overflows."""
    counts = np.maximum(windows.counts, 1).astype(np.float64)
    sums = _sums(windows)
    means = sums.value(counts)
    for row, step in cells_where(np.isinf(sums.total)):
        means[row, step] = incremental_mean(windows.values[windows.low[row, step] : windows.high[row, step]])
    return Cells(means, windows.counts > 0)


def incremental_mean(values: Floats) -> float:
    """Mean of samples whose sum overflows."""
    return float(np.sum(values / len(values)))


def smallest(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Minimum, NaN only where all samples are."""
    return _reduced(np.fmin, windows)


def largest(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Maximum, NaN only where all samples are."""
    return _reduced(np.fmax, windows)


def variance(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Population variance."""
    return Cells(variances(windows), windows.counts > 0)


def deviation(windows: Windows, parameters: Sequence[Floats]) -> Cells:
    """Population standard deviation."""
    cells = variance(windows, parameters)
    return Cells(np.sqrt(cells.values), cells.present)


def quantile(windows: Windows, parameters: Sequence[Floats]) -> Cells:
    """Quantile by linear interpolation between order statistics; parameters: (the quantile at each step,)."""
    counts, low = windows.counts.ravel(), windows.low.ravel()
    wanted = np.broadcast_to(parameters[0], windows.low.shape).ravel()
    values = np.full(counts.shape, np.nan)
    for cells in _chunks(windows, counts):
        position: Indices = np.arange(counts[cells].max(), dtype=np.intp)
        laid_out = low[cells][:, None] + position
        inside: Mask = position < counts[cells][:, None]
        samples = windows.values[np.minimum(laid_out, len(windows.values) - 1)]
        values[cells] = interpolated(samples, inside, wanted[cells])
    return Cells(values.reshape(windows.low.shape), windows.counts > 0)


def resets(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Number of decreases between neighbours."""
    return _pairs(windows, lambda before, after: after < before)


def changes(windows: Windows, _: Sequence[Floats]) -> Cells:
    """Number of changes between neighbours; NaN is equal to NaN."""
    return _pairs(windows, lambda before, after: (after != before) & ~(np.isnan(after) & np.isnan(before)))


def pair_counts(windows: Windows, differs: Callable[[Floats, Floats], Mask]) -> Indices:
    """How many neighbouring samples (before, after) within each window differ."""
    flags = np.zeros(len(windows.values) + 1, dtype=np.intp)
    flags[2:] = np.cumsum(differs(windows.values[:-1], windows.values[1:]))
    return np.where(windows.counts > 0, flags[windows.high] - flags[np.minimum(windows.low + 1, len(flags) - 1)], 0)


def _pairs(windows: Windows, differs: Callable[[Floats, Floats], Mask]) -> Cells:
    return Cells(pair_counts(windows, differs).astype(np.float64), windows.counts > 0)


def _sums(windows: Windows) -> Sums:
    return window_sums(windows.low, windows.high, lambda index, _: windows.values[index], windows.budget)


def _reduced(ufunc: np.ufunc, windows: Windows) -> Cells:
    padded = np.append(windows.values, 0.0)
    low, high = windows.low.ravel(), windows.high.ravel()
    values = np.full(low.shape, np.nan)
    for cells in _chunks(windows, high - low):
        bounds = np.stack([low[cells], high[cells]], axis=1).ravel()
        values[cells] = ufunc.reduceat(padded, bounds)[::2]
    return Cells(values.reshape(windows.low.shape), windows.counts > 0)


def _chunks(windows: Windows, counts: Indices) -> Iterator[Indices]:
    """Cells that hold samples, in groups that touch a bounded number of them."""
    cells = np.flatnonzero(counts > 0)
    touched = np.cumsum(counts[cells])
    start = 0
    while start < len(cells):
        windows.budget.check_time()
        taken = int(touched[start - 1]) if start else 0
        end = max(int(np.searchsorted(touched, taken + _CHUNK, side="right")), start + 1)
        yield cells[start:end]
        start = end
