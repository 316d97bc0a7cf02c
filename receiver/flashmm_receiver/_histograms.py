"""OTLP histograms as Prometheus 3 stores them, and their sums where they come as deltas.

Source: Prometheus, storage/remote/otlptranslator/prometheusremotewrite/histograms.go (3.13): the zero threshold is
always 1e-128, a scale over 8 is merged down to 8, one under -4 is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

from flashmm_backends.histogram import (
    NO_BUCKETS,
    SCHEMA_MAX,
    SCHEMA_MIN,
    ZERO_THRESHOLD,
    Buckets,
    NativeHistogram,
    reduced,
)

BUCKETS_MAX: Final = 4096
"""Buckets of one histogram and sign."""
_MERGED_BUCKETS_MAX: Final = 160


@dataclass
class HistogramRefused(Exception):
    """A histogram contradicts itself or cannot be represented."""

    why: str

    def __str__(self) -> str:
        return self.why


def native_histogram(point: ExponentialHistogramDataPoint) -> NativeHistogram:
    """An exponential histogram point as a native histogram. Raises HistogramRefused."""
    if point.scale < SCHEMA_MIN:
        raise HistogramRefused(f"scale {point.scale} is below {SCHEMA_MIN}")
    _check_counts(point)
    shift = max(0, point.scale - SCHEMA_MAX)
    return NativeHistogram(
        schema=point.scale - shift,
        zero_threshold=ZERO_THRESHOLD,
        zero_count=float(point.zero_count),
        count=float(point.count),
        sum=point.sum,
        positive=_buckets(point.positive.offset, point.positive.bucket_counts, shift),
        negative=_buckets(point.negative.offset, point.negative.bucket_counts, shift),
    )


def _check_counts(point: ExponentialHistogramDataPoint) -> None:
    positive, negative = point.positive.bucket_counts, point.negative.bucket_counts
    if max(len(positive), len(negative)) > BUCKETS_MAX:
        raise HistogramRefused(f"more than {BUCKETS_MAX} buckets")
    total = sum(positive) + sum(negative) + point.zero_count
    if total > point.count or (total != point.count and point.sum == point.sum):
        raise HistogramRefused(f"its buckets hold {total} and its count is {point.count}")


def _buckets(offset: int, counts: Sequence[int], shift: int) -> Buckets:
    if not counts:
        return NO_BUCKETS
    return reduced(Buckets(offset + 1, np.array(counts, np.float64)), shift)


def added(left: NativeHistogram, right: NativeHistogram) -> NativeHistogram:
    """The sum of two histograms, in as many buckets as OpenTelemetry's default. Raises HistogramRefused."""
    schema = min(left.schema, right.schema)
    while max(_span(left, right, schema, "positive"), _span(left, right, schema, "negative")) > _MERGED_BUCKETS_MAX:
        schema -= 1
        if schema < SCHEMA_MIN:
            raise HistogramRefused("its buckets lie too far apart")
    return NativeHistogram(
        schema=schema,
        zero_threshold=left.zero_threshold,
        zero_count=left.zero_count + right.zero_count,
        count=left.count + right.count,
        sum=left.sum + right.sum,
        positive=_added_buckets(_at(left, "positive", schema), _at(right, "positive", schema)),
        negative=_added_buckets(_at(left, "negative", schema), _at(right, "negative", schema)),
    )


def _at(histogram: NativeHistogram, sign: str, schema: int) -> Buckets:
    buckets = histogram.positive if sign == "positive" else histogram.negative
    return reduced(buckets, histogram.schema - schema)


def _ends(buckets: Buckets) -> tuple[int, int]:
    return buckets.offset, buckets.offset + len(buckets.counts)


def _union(left: Buckets, right: Buckets) -> tuple[int, int]:
    if not len(left.counts):
        return _ends(right)
    if not len(right.counts):
        return _ends(left)
    return min(left.offset, right.offset), max(_ends(left)[1], _ends(right)[1])


def _span(left: NativeHistogram, right: NativeHistogram, schema: int, sign: str) -> int:
    first, last = _union(_at(left, sign, schema), _at(right, sign, schema))
    return last - first


def _added_buckets(left: Buckets, right: Buckets) -> Buckets:
    first, last = _union(left, right)
    counts = np.zeros(last - first, np.float64)
    for buckets in (left, right):
        begin = buckets.offset - first
        if len(buckets.counts):
            counts[begin : begin + len(buckets.counts)] += buckets.counts
    return Buckets(first, counts)


@dataclass(frozen=True, slots=True)
class ClassicHistogram:
    """A histogram with explicit bounds. counts has one more element than bounds, or both are empty."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    count: int
    sum: float | None

    def cumulative(self) -> list[tuple[float, float]]:
        """Each bound with the observations up to it."""
        return [(bound, float(count)) for bound, count in zip(self.bounds, accumulate(self.counts), strict=False)]


def classic_histogram(point: HistogramDataPoint) -> ClassicHistogram:
    """An explicit-bucket point. Raises HistogramRefused."""
    bounds, counts = tuple(point.explicit_bounds), tuple(point.bucket_counts)
    if len(bounds) > BUCKETS_MAX:
        raise HistogramRefused(f"more than {BUCKETS_MAX} buckets")
    if counts and len(counts) != len(bounds) + 1:
        raise HistogramRefused(f"{len(bounds)} bounds ask for {len(bounds) + 1} buckets, {len(counts)} came")
    if any(not low < high for low, high in pairwise(bounds)) or any(b != b for b in bounds):
        raise HistogramRefused("its bounds do not rise")
    return ClassicHistogram(
        bounds if counts else (), counts, point.count, point.sum if point.HasField("sum") else None
    )


def added_classic(left: ClassicHistogram, right: ClassicHistogram) -> ClassicHistogram:
    """The sum of two histograms; where the bounds changed the later one stands alone."""
    if left.bounds != right.bounds:
        return right
    counts = tuple(a + b for a, b in zip(left.counts, right.counts, strict=True))
    total = None if left.sum is None or right.sum is None else left.sum + right.sum
    return ClassicHistogram(left.bounds, counts, left.count + right.count, total)
