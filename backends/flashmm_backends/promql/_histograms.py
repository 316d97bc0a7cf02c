"""Arithmetic on native histograms, with Prometheus's results.

Histograms of different resolution meet at the coarser schema and the wider zero bucket.
Source: https://prometheus.io/docs/specs/native_histograms/, and the functions' pages of the PromQL manual.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flashmm_backends.histogram import NO_BUCKETS, Buckets, FloatArray, NativeHistogram, reduced, trimmed
from flashmm_backends.promql._buckets import BucketTable, at_schema, compact, joined, reconciled, table, widened
from flashmm_backends.promql._histogram_stats import (
    average,
    deviation,
    fraction,
    json_buckets,
    quantile,
    variance,
)
from flashmm_backends.promql._rates import Spans, extrapolation

__all__ = [
    "BucketTable",
    "add",
    "at_schema",
    "average",
    "compact",
    "deviation",
    "divide",
    "equal",
    "fraction",
    "is_reset",
    "json_buckets",
    "mean",
    "quantile",
    "rate",
    "resets",
    "scale",
    "subtract",
    "table",
    "total",
    "variance",
]


def scale(histogram: NativeHistogram, factor: float) -> NativeHistogram:
    """Every count and the sum times a factor. The layout stays; `compact` drops what became empty."""
    with np.errstate(all="ignore"):
        return _mapped(histogram, lambda values: values * factor)


def divide(histogram: NativeHistogram, divisor: float) -> NativeHistogram:
    """Every count and the sum over a divisor. Over 0 all are infinite or NaN, and no bucket is left."""
    with np.errstate(all="ignore"):
        quotient = _mapped(histogram, lambda values: values / divisor)
    return quotient if divisor else replace(quotient, positive=NO_BUCKETS, negative=NO_BUCKETS)


def _mapped(histogram: NativeHistogram, function: Callable[[FloatArray], FloatArray]) -> NativeHistogram:
    scalars = function(np.array([histogram.zero_count, histogram.count, histogram.sum]))
    zero_count, count, total_sum = scalars.tolist()
    return NativeHistogram(
        histogram.schema,
        histogram.zero_threshold,
        zero_count,
        count,
        total_sum,
        _mapped_buckets(histogram.positive, function),
        _mapped_buckets(histogram.negative, function),
    )


def _mapped_buckets(buckets: Buckets, function: Callable[[FloatArray], FloatArray]) -> Buckets:
    # An empty bucket within the row is no bucket: it stays empty even times infinity.
    return Buckets(buckets.offset, np.where(buckets.counts == 0, 0.0, function(buckets.counts)))


def add(left: NativeHistogram, right: NativeHistogram) -> NativeHistogram:
    """left + right."""
    return _combined(left, right, 1.0)


def subtract(left: NativeHistogram, right: NativeHistogram) -> NativeHistogram:
    """left - right; counts may come out negative."""
    return _combined(left, right, -1.0)


def _combined(left: NativeHistogram, right: NativeHistogram, sign: float) -> NativeHistogram:
    left, right = reconciled(left, right)
    return NativeHistogram(
        left.schema,
        left.zero_threshold,
        left.zero_count + sign * right.zero_count,
        left.count + sign * right.count,
        left.sum + sign * right.sum,
        joined(left.positive, right.positive, sign),
        joined(left.negative, right.negative, sign),
    )


def equal(left: NativeHistogram, right: NativeHistogram) -> bool:
    """Same schema, zero bucket, count, sum and populated buckets; NaN equals NaN."""
    if (left.schema, left.zero_threshold) != (right.schema, right.zero_threshold):
        return False
    scalars = [(h.count, h.sum, h.zero_count) for h in (left, right)]
    return np.array_equal(*scalars, equal_nan=True) and all(
        a.offset == b.offset and np.array_equal(a.counts, b.counts)
        for a, b in (
            (trimmed(left.positive), trimmed(right.positive)),
            (trimmed(left.negative), trimmed(right.negative)),
        )
    )


def is_reset(current: NativeHistogram, previous: NativeHistogram) -> bool:
    """Whether a counter histogram began anew: any of its counts fell, or its layout became finer."""
    if current.count < previous.count or current.schema > previous.schema:
        return True
    if current.zero_threshold < previous.zero_threshold:
        return True
    previous = widened(previous, current.zero_threshold)
    if previous.zero_threshold != current.zero_threshold or current.zero_count < previous.zero_count:
        return True
    steps = previous.schema - current.schema
    return _fell(current.positive, reduced(previous.positive, steps)) or _fell(
        current.negative, reduced(previous.negative, steps)
    )


def _fell(current: Buckets, previous: Buckets) -> bool:
    if current.offset == previous.offset and len(current.counts) == len(previous.counts):
        return bool((current.counts < previous.counts).any())
    return bool((joined(current, previous, -1.0).counts < 0).any())


def resets(histograms: Sequence[NativeHistogram]) -> npt.NDArray[np.bool_]:
    """For each sample whether it began anew since the one before it; shape (n,), the first is False."""
    pairs = zip(histograms[1:], histograms[:-1], strict=True)
    return np.array([False, *(is_reset(current, previous) for current, previous in pairs)], np.bool_)


def rate(
    times_ms: npt.NDArray[np.int64],
    histograms: Sequence[NativeHistogram],
    start_ms: int,
    end_ms: int,
    *,
    is_counter: bool,
    is_rate: bool,
    reset: npt.NDArray[np.bool_] | None = None,
) -> NativeHistogram | None:
    """`rate` (is_counter, is_rate), `increase` (is_counter) or `delta` over the samples within (start_ms, end_ms].

    times_ms, histograms: the samples of the window, without staleness markers. reset: from `resets`, of the same
    samples, so that overlapping windows need not look again. None when there are fewer than two samples.
    """
    if len(histograms) < 2:
        return None
    increase = _increase(histograms, reset) if is_counter else compact(subtract(histograms[-1], histograms[0]))
    spans = Spans(times_ms[:1], times_ms[-1:], np.array([len(times_ms)]), np.array([start_ms]), np.array([end_ms]))
    first, change = np.array([histograms[0].count]), np.array([increase.count])
    with np.errstate(all="ignore"):
        factor = float(extrapolation(spans, first, change, is_counter=is_counter)[0])
    return scale(increase, factor / ((end_ms - start_ms) / 1000) if is_rate else factor)


def _increase(histograms: Sequence[NativeHistogram], reset: npt.NDArray[np.bool_] | None) -> NativeHistogram:
    """The last sample less the first, plus what was reached before each reset."""
    began_anew = resets(histograms) if reset is None else reset
    # A first sample that is followed by a reset has no part in the result, nor has its resolution.
    base = _empty_like(histograms[1]) if began_anew[1] else histograms[0]
    schema = min(base.schema, *(histogram.schema for histogram in histograms[1:]))
    increase = subtract(at_schema(histograms[-1], schema), base)
    for position in np.flatnonzero(began_anew[2:]).tolist():
        increase = add(increase, histograms[position + 1])
    return compact(increase)


def _empty_like(histogram: NativeHistogram) -> NativeHistogram:
    return NativeHistogram(histogram.schema, 0.0, 0.0, 0.0, 0.0, NO_BUCKETS, NO_BUCKETS)


def total(histograms: Sequence[NativeHistogram]) -> NativeHistogram:
    """The sum of one or more histograms, with compensated summation."""
    with np.errstate(all="ignore"):
        return _compensated(histograms, 1.0)


def mean(histograms: Sequence[NativeHistogram]) -> NativeHistogram:
    """The arithmetic mean of one or more histograms; it does not overflow where their sum would."""
    with np.errstate(all="ignore"):
        summed = _compensated(histograms, 1.0)
        if _overflows(summed):
            return _compensated(histograms, float(len(histograms)))
        return compact(divide(summed, float(len(histograms))))


def _overflows(histogram: NativeHistogram) -> bool:
    scalars = np.isinf([histogram.zero_count, histogram.count, histogram.sum])
    return bool(scalars.any() or any(np.isinf(s.counts).any() for s in (histogram.positive, histogram.negative)))


def _compensated(histograms: Sequence[NativeHistogram], divisor: float) -> NativeHistogram:
    """The sum of histograms, each over a divisor first."""
    if len({histogram.zero_threshold for histogram in histograms}) > 1:
        histograms = _with_one_zero_bucket(histograms)
    schema = min(histogram.schema for histogram in histograms)
    parts = [at_schema(histogram, schema) for histogram in histograms]
    scalars = np.array([(part.zero_count, part.count, part.sum) for part in parts])
    zero_count, count, total_sum = _column_sums(scalars / divisor).tolist()
    return compact(
        NativeHistogram(
            schema,
            parts[0].zero_threshold,
            zero_count,
            count,
            total_sum,
            _bucket_sums([part.positive for part in parts], divisor),
            _bucket_sums([part.negative for part in parts], divisor),
        )
    )


def _with_one_zero_bucket(histograms: Sequence[NativeHistogram]) -> list[NativeHistogram]:
    threshold = max(histogram.zero_threshold for histogram in histograms)
    while True:
        wide = [widened(histogram, threshold) for histogram in histograms]
        reached = max(histogram.zero_threshold for histogram in wide)
        if reached == threshold:
            return wide
        threshold = reached


def _bucket_sums(sides: Sequence[Buckets], divisor: float) -> Buckets:
    populated = [side for side in sides if len(side.counts)]
    if not populated:
        return NO_BUCKETS
    offset = min(side.offset for side in populated)
    end = max(side.offset + len(side.counts) for side in populated)
    rows = np.zeros((len(populated), end - offset))
    for row, side in zip(rows, populated, strict=True):
        row[side.offset - offset :][: len(side.counts)] = side.counts
    return Buckets(offset, _column_sums(rows / divisor))


def _column_sums(rows: FloatArray) -> FloatArray:
    """Neumaier's compensated sum of each column."""
    summed, lost = rows[0], np.zeros_like(rows[0])
    for row in rows[1:]:
        summed, lost = _with_lost_digits(summed, lost, row)
    return summed + lost


def _with_lost_digits(summed: FloatArray, lost: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray]:
    grown = summed + row
    error = np.where(np.abs(summed) >= np.abs(row), (summed - grown) + row, (row - grown) + summed)
    return grown, np.where(np.isinf(grown), 0.0, lost + error)
