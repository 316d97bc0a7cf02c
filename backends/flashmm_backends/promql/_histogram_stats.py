"""What native histograms are asked: quantiles, fractions, moments, and their JSON form.

Interpolation is exponential within a bucket, linear within the zero bucket, as
https://prometheus.io/docs/specs/native_histograms/ has it.
"""

import math

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql._buckets import BucketTable, table

BucketRow = tuple[int, float, float, float]


def quantile(q: float, histogram: NativeHistogram) -> float:
    """The q-quantile; -inf below 0, +inf above 1, NaN without observations or where NaN observations reach it."""
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    if histogram.count == 0 or q != q:
        return math.nan
    return _quantile_within(q, histogram)


def _quantile_within(q: float, histogram: NativeHistogram) -> float:
    buckets = table(histogram)
    ascending = histogram.sum != histogram.sum or q < 0.5
    rank = (q if ascending else 1 - q) * histogram.count
    order = 1 if ascending else -1
    counts = buckets.count[::order]
    cumulative = np.cumsum(counts)
    reached = np.flatnonzero((counts != 0) & (cumulative >= rank))
    if not len(reached):
        return _beyond_all(histogram, buckets, order, rank)
    position = int(reached[0])
    total = min(float(cumulative[position]), histogram.count)
    count = float(counts[position])
    within = rank - (total - count) if ascending else total - rank
    lower, upper = float(buckets.lower[::order][position]), float(buckets.upper[::order][position])
    ends = _zero_sided(histogram, lower, upper)
    if total < rank:
        return math.nan if histogram.sum != histogram.sum else ends[1]
    return _interpolated(ends, within / count)


def _beyond_all(histogram: NativeHistogram, buckets: BucketTable, order: int, rank: float) -> float:
    """The buckets hold fewer observations than the rank asks for: NaN observations, or a malformed sample."""
    if histogram.sum != histogram.sum or rank == 0:
        return math.nan
    return float(buckets.upper[::order][-1]) if len(buckets.upper) else 0.0


def _zero_sided(histogram: NativeHistogram, lower: float, upper: float) -> tuple[float, float]:
    """The zero bucket ends at 0 where the histogram has buckets on the other side only."""
    if lower < 0 < upper:
        return one_sided(histogram, lower, upper)
    return lower, upper


def one_sided(histogram: NativeHistogram, lower: float, upper: float) -> tuple[float, float]:
    """The bounds of the zero bucket, which ends at 0 where the histogram has buckets on the other side only."""
    has_negative, has_positive = len(histogram.negative.counts) > 0, len(histogram.positive.counts) > 0
    if has_positive and not has_negative:
        return 0.0, upper
    if has_negative and not has_positive:
        return lower, 0.0
    return lower, upper


def _interpolated(ends: tuple[float, float], fraction: float) -> float:
    lower, upper = ends
    if lower <= 0 <= upper:
        return lower + (upper - lower) * fraction
    log_lower, log_upper = math.log2(abs(lower)), _log2(abs(upper))
    if lower > 0:
        return _exp2(log_lower + (log_upper - log_lower) * fraction)
    return -_exp2(log_upper + (log_lower - log_upper) * (1 - fraction))


def _log2(value: float) -> float:
    return math.log2(value) if value else -math.inf


def _exp2(value: float) -> float:
    return float(np.exp2(value))


def fraction(lower: float, upper: float, histogram: NativeHistogram) -> float:
    """The share of the observations between lower and upper, by interpolation; NaN without observations."""
    if histogram.count == 0 or lower != lower or upper != upper:
        return math.nan
    if lower >= upper:
        return 0.0
    buckets = table(histogram)
    total = histogram.count
    if histogram.sum != histogram.sum:
        total = float(np.cumsum(buckets.count)[-1]) if len(buckets.count) else 0.0
    ranks = [min(_rank(bound, histogram, buckets, total), total) for bound in (lower, upper)]
    return (ranks[1] - ranks[0]) / histogram.count


def _rank(value: float, histogram: NativeHistogram, buckets: BucketTable, total: float) -> float:
    """How many observations lie below a value."""
    rank = 0.0
    for lower, upper, count in zip(
        buckets.lower.tolist(), buckets.upper.tolist(), buckets.count.tolist(), strict=True
    ):
        is_zero = lower <= 0 <= upper
        ends = one_sided(histogram, lower, upper) if is_zero else (lower, upper)
        if ends[0] >= value:
            return rank
        if ends[1] > value:
            return rank + count * _share_below(value, ends, is_zero=is_zero)
        rank += count
    return total


def _share_below(value: float, ends: tuple[float, float], *, is_zero: bool) -> float:
    lower, upper = ends
    if is_zero:
        return (value - lower) / (upper - lower)
    logs = [_log2(abs(x)) for x in (lower, upper, value)]
    if value > 0:
        return (logs[2] - logs[0]) / (logs[1] - logs[0])
    return 1 - (logs[2] - logs[1]) / (logs[0] - logs[1])


def average(histogram: NativeHistogram) -> float:
    """Sum over count; NaN without observations."""
    with np.errstate(all="ignore"):
        return float(np.float64(histogram.sum) / np.float64(histogram.count))


def variance(histogram: NativeHistogram) -> float:
    """Estimated population variance: each bucket at its geometric mean, the zero bucket at 0."""
    buckets = table(histogram)
    with np.errstate(all="ignore"):
        middle = np.sign(buckets.upper) * np.sqrt(buckets.upper * buckets.lower)
        middle[(buckets.lower <= 0) & (buckets.upper >= 0)] = 0.0
        populated = buckets.count != 0
        deviation = middle[populated] - average(histogram)
        squares = buckets.count[populated] * deviation * deviation
        return float(np.float64(squares.sum()) / np.float64(histogram.count))


def deviation(histogram: NativeHistogram) -> float:
    """Estimated population standard deviation."""
    return float(np.sqrt(variance(histogram)))


def json_buckets(histogram: NativeHistogram) -> list[BucketRow]:
    """Populated buckets as (boundary rule, lower, upper, count), ascending.

    Boundary rule: 0 open left, 1 open right, 2 open on both sides, 3 closed on both.
    """
    buckets = table(histogram)
    populated = buckets.count != 0
    lower, upper, count = buckets.lower[populated], buckets.upper[populated], buckets.count[populated]
    # Rows are 0 (lower excluded, upper included) above zero, 1 below, 3 across.
    rule = _RULES[(lower < 0).astype(int), (upper > 0).astype(int)]
    return list(zip(rule.tolist(), lower.tolist(), upper.tolist(), count.tolist(), strict=True))


_RULES = np.array([[2, 0], [1, 3]])
