"""Functions that turn native histograms, or classic ones beside them, into floats."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql import _classic, _histograms, _labels
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Mask, Vectors, cells_where, merged, stacked


def per_histogram(vectors: Vectors, function: Callable[[NativeHistogram, int], float]) -> tuple[Floats, Mask]:
    """A function of each histogram and its step, and where there are any; shape (rows, steps) each."""
    present = vectors.has_histogram
    values = np.zeros(present.shape)
    if vectors.histograms is not None:
        for row, step in cells_where(present):
            values[row, step] = function(vectors.histograms[row, step], step)
    return values, present


def of_histograms(
    vectors: Vectors,
    session: Session,
    *,
    classic: Callable[[_classic.Buckets, Mask], Floats],
    native: Callable[[NativeHistogram, int], float],
) -> Vectors:
    """A function of classic histograms (bucket series) and of native ones, without the metric name."""
    buckets = _classic.classic_histograms(vectors, session)
    results = _classic.evaluate(buckets, vectors, classic, session)
    if vectors.histograms is not None:
        values, present = per_histogram(vectors, native)
        results = _without_conflicts(results, Vectors(vectors.labels, values, present), session)
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


def native_quantile(wanted: float, histogram: NativeHistogram, session: Session) -> float:
    """The quantile, with a note where observations of NaN bear on it."""
    value = _histograms.quantile(wanted, histogram)
    if 0 <= wanted <= 1 and _has_nan_observations(histogram):
        effect = "is NaN" if math.isnan(value) else "is skewed higher"
        session.inform(f"input to histogram_quantile has NaN observations, result {effect}")
    return value


def native_fraction(lower: float, upper: float, histogram: NativeHistogram, session: Session) -> float:
    """The fraction, with a note where observations of NaN are in none."""
    if lower < upper and _has_nan_observations(histogram):
        session.inform("input to histogram_fraction has NaN observations, which are excluded from all fractions")
    return _histograms.fraction(lower, upper, histogram)


def _has_nan_observations(histogram: NativeHistogram) -> bool:
    """An observation of NaN is counted, makes the sum NaN, and is in no bucket."""
    if not math.isnan(histogram.sum):
        return False
    return histogram.zero_count + histogram.positive.counts.sum() + histogram.negative.counts.sum() < histogram.count
