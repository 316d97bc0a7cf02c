"""Functions that turn native histograms, or classic ones beside them, into floats."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.histogram_array import COUNT, SUM, HistogramArray
from flashmm_backends.promql import _classic, _histograms, _labels
from flashmm_backends.promql._histogram_columns import fractions, quantiles
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Mask, Vectors, merged, stacked


def averages(histograms: HistogramArray) -> Floats:
    """Sum over count of each; NaN without observations."""
    scalars = histograms.scalars()
    return scalars[..., SUM] / scalars[..., COUNT]


def one_by_one(function: Callable[[NativeHistogram], float]) -> Callable[[HistogramArray], Floats]:
    """A function of one histogram, of each; 0 where there is none."""

    def each(histograms: HistogramArray) -> Floats:
        values = np.zeros(histograms.cells.shape)
        values[histograms.held] = [function(histogram) for histogram in histograms.objects()]
        return values

    return each


def of_histograms(
    vectors: Vectors,
    session: Session,
    *,
    classic: Callable[[_classic.Buckets, Mask], Floats],
    native: Callable[[HistogramArray], Floats],
) -> Vectors:
    """A function of classic histograms (bucket series) and of native ones, without the metric name."""
    buckets = _classic.classic_histograms(vectors, session)
    results = _classic.evaluate(buckets, vectors, classic, session)
    if vectors.histograms is not None:
        floats = Vectors(vectors.labels, native(vectors.histograms), vectors.has_histogram)
        results = _without_conflicts(results, floats, session)
    return merged(results.relabelled(_labels.without_metadata).without_empty())


def _without_conflicts(classic: Vectors, native: Vectors, session: Session) -> Vectors:
    """Neither of a classic and a native histogram of the same name and labels at the same step."""
    rows = {labels: row for row, labels in enumerate(classic.labels)}
    classic, native = replace(classic, present=classic.present.copy()), replace(native, present=native.present.copy())
    for row, labels in enumerate(native.labels):
        other = rows.get(labels)
        if other is None:
            continue
        both = native.present[row] & classic.present[other]
        if both.any():
            session.warn("vector contains a mix of classic and native histograms")
        native.present[row, both] = False
        classic.present[other, both] = False
    return stacked([native, classic])


def native_quantiles(wanted: Floats, histograms: HistogramArray, session: Session) -> Floats:
    """The quantile of each that is wanted at its step, with a note where observations of NaN bear on one."""
    values = np.zeros(histograms.cells.shape)
    at_cells = np.broadcast_to(wanted, values.shape).ravel()
    for stack, cells in histograms.blocks():
        session.budget.check_time()
        found = quantiles(at_cells[cells], stack)
        values.ravel()[cells] = found.values
        for row in np.flatnonzero(found.open).tolist():
            histogram = stack.layout.histogram(stack.matrix[row])
            values.ravel()[cells[row]] = _quantile(float(at_cells[cells[row]]), histogram, session)
    return values


def native_fractions(lower: Floats, upper: Floats, histograms: HistogramArray, session: Session) -> Floats:
    """The fraction of each between two values, shape (steps,) each, with a note of observations of NaN."""
    values = np.zeros(histograms.cells.shape)
    low, high = (np.broadcast_to(bound, values.shape).ravel() for bound in (lower, upper))
    for stack, cells in histograms.blocks():
        session.budget.check_time()
        found = fractions(low[cells], high[cells], stack)
        values.ravel()[cells] = found.values
        for row in np.flatnonzero(found.open).tolist():
            histogram = stack.layout.histogram(stack.matrix[row])
            bounds = float(low[cells[row]]), float(high[cells[row]])
            values.ravel()[cells[row]] = _fraction(*bounds, histogram, session)
    return values


def _quantile(wanted: float, histogram: NativeHistogram, session: Session) -> float:
    value = _histograms.quantile(wanted, histogram)
    if 0 <= wanted <= 1 and _has_nan_observations(histogram):
        effect = "is NaN" if math.isnan(value) else "is skewed higher"
        session.inform(f"input to histogram_quantile has NaN observations, result {effect}")
    return value


def _fraction(lower: float, upper: float, histogram: NativeHistogram, session: Session) -> float:
    if lower < upper and _has_nan_observations(histogram):
        session.inform("input to histogram_fraction has NaN observations, which are excluded from all fractions")
    return _histograms.fraction(lower, upper, histogram)


def _has_nan_observations(histogram: NativeHistogram) -> bool:
    """An observation of NaN is counted, makes the sum NaN, and is in no bucket."""
    if not math.isnan(histogram.sum):
        return False
    return histogram.zero_count + histogram.positive.counts.sum() + histogram.negative.counts.sum() < histogram.count
