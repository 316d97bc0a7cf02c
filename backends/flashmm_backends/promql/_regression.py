"""Least-squares lines through the samples of each window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flashmm_backends.promql._kahan import window_sums
from flashmm_backends.promql._over_time import Cells, pair_counts
from flashmm_backends.promql._values import Floats, Indices, Times
from flashmm_backends.promql._windows import Windows


@dataclass(frozen=True, slots=True)
class _Lines:
    slope: Floats
    intercept: Floats


def slope(windows: Windows, _: Sequence[Floats]) -> Cells:
    """deriv: change per second."""
    origin = windows.times_ms[windows.first()]
    return Cells(_fitted(windows, origin).slope, windows.counts > 1)


def prediction(windows: Windows, parameters: Sequence[Floats]) -> Cells:
    """predict_linear: value so many seconds after the evaluation time; parameters: (the seconds at each step,)."""
    lines = _fitted(windows, np.broadcast_to(windows.steps_ms, windows.low.shape))
    return Cells(lines.slope * parameters[0] + lines.intercept, windows.counts > 1)


def _fitted(windows: Windows, origin_ms: Times) -> _Lines:
    """Lines whose intercept is their value at the origin, shape (rows, steps)."""
    origin = origin_ms.ravel()
    number = np.maximum(windows.counts, 1).astype(np.float64)

    def summed(power: int, *, by_value: bool) -> Floats:
        def terms(index: Indices, cell: Indices) -> Floats:
            factor = ((windows.times_ms[index] - origin[cell]) / 1000) ** power
            return factor * windows.values[index] if by_value else factor

        return window_sums(windows.low, windows.high, terms, windows.budget).value()

    x, y = summed(1, by_value=False), summed(0, by_value=True)
    covariance = summed(1, by_value=True) - x * y / number
    slopes = covariance / (summed(2, by_value=False) - x * x / number)
    return _exact_where_constant(windows, _Lines(slopes, y / number - slopes * x / number))


def _exact_where_constant(windows: Windows, lines: _Lines) -> _Lines:
    constant = pair_counts(windows, lambda before, after: after != before) == 0
    level = windows.values[windows.first()]
    level = np.where(np.isinf(level), np.nan, level)
    flat = np.where(np.isnan(level), np.nan, 0.0)
    return _Lines(np.where(constant, flat, lines.slope), np.where(constant, level, lines.intercept))
