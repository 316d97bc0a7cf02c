"""The buckets of a native histogram: their bounds, their order, and how two layouts are brought together."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.histogram import NO_BUCKETS, Buckets, FloatArray, NativeHistogram, reduced, trimmed

_FLOAT_MAX: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class BucketTable:
    """All buckets in ascending order: negative, zero, positive. Shape (n,) each; empty buckets may be among them."""

    lower: FloatArray
    upper: FloatArray
    count: FloatArray


def bounds(index: npt.NDArray[np.int64], schema: int) -> FloatArray:
    """Upper bounds of the buckets with these indexes. The last before infinity ends at the largest float."""
    if schema < 0:
        exponent = index << -schema
        upper = np.ldexp(1.0, _exponents(exponent))
        return np.where(exponent == 1024, _FLOAT_MAX, upper)
    fraction = _fractions(schema)[index & ((1 << schema) - 1)]
    exponent = (index >> schema) + 1
    upper = np.ldexp(fraction, _exponents(exponent))
    return np.where((fraction == 0.5) & (exponent == 1025), _FLOAT_MAX, upper)


def _exponents(exponent: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    return np.clip(exponent, -2000, 2000).astype(np.int32)


@lru_cache
def _fractions(schema: int) -> FloatArray:
    """The bounds within [0.5, 1): one for each bucket of a doubling."""
    return np.exp2(np.arange(1 << schema) / (1 << schema)) / 2


@lru_cache(maxsize=4096)
def _edges(offset: int, n: int, schema: int) -> FloatArray:
    """The n + 1 bounds of n consecutive buckets. Layouts repeat from sample to sample, so they are kept."""
    with np.errstate(over="ignore", under="ignore"):
        edges = bounds(np.arange(offset - 1, offset + n, dtype=np.int64), schema)
    edges.setflags(write=False)
    return edges


def table(histogram: NativeHistogram) -> BucketTable:
    """Every bucket with its bounds. Those that reach into the zero bucket begin at the zero threshold."""
    threshold = histogram.zero_threshold
    positive = _side_edges(histogram.positive, histogram.schema)
    negative = _side_edges(histogram.negative, histogram.schema)
    zero = [threshold] if histogram.zero_count > 0 else []
    counts = (histogram.negative.counts[::-1], zero and [histogram.zero_count], histogram.positive.counts)
    return BucketTable(
        np.concatenate((-negative[:0:-1], [-bound for bound in zero], _outside_zero(positive[:-1], threshold))),
        np.concatenate((-_outside_zero(negative[:-1], threshold)[::-1], zero, positive[1:])),
        np.concatenate(counts),
    )


def _outside_zero(inner: FloatArray, threshold: float) -> FloatArray:
    if not len(inner) or inner[0] >= threshold:
        return inner
    return np.where((inner > 0) & (inner < threshold), threshold, inner)


def _side_edges(buckets: Buckets, schema: int) -> FloatArray:
    n = len(buckets.counts)
    return _edges(buckets.offset, n, schema) if n else np.empty(0)


def at_schema(histogram: NativeHistogram, schema: int) -> NativeHistogram:
    """The histogram at a schema not above its own."""
    steps = histogram.schema - schema
    if steps == 0:
        return histogram
    return replace(
        histogram,
        schema=schema,
        positive=reduced(histogram.positive, steps),
        negative=reduced(histogram.negative, steps),
    )


def compact(histogram: NativeHistogram) -> NativeHistogram:
    """The same without empty buckets at the ends."""
    return replace(histogram, positive=trimmed(histogram.positive), negative=trimmed(histogram.negative))


def widened(histogram: NativeHistogram, threshold: float) -> NativeHistogram:
    """The histogram with at least this zero threshold: buckets within it join the zero bucket.

    A populated bucket that the threshold would split is taken in whole, and the threshold grows to its bound.
    """
    if threshold == histogram.zero_threshold:
        return histogram
    sides = (histogram.positive, histogram.negative)
    reach = _whole_buckets_threshold(sides, histogram.schema, threshold)
    positive, negative = (_outside(side, histogram.schema, reach) for side in sides)
    absorbed = sum(float(side.counts.sum()) for side in sides)
    absorbed -= float(positive.counts.sum()) + float(negative.counts.sum())
    return replace(
        histogram,
        zero_threshold=reach,
        zero_count=histogram.zero_count + absorbed,
        positive=positive,
        negative=negative,
    )


def _whole_buckets_threshold(sides: tuple[Buckets, Buckets], schema: int, threshold: float) -> float:
    grown = threshold
    while True:
        before = grown
        for side in sides:
            edges = _side_edges(side, schema)
            split = (edges[:-1] < grown) & (edges[1:] > grown) & (side.counts != 0)
            if split.any():
                grown = float(edges[1:][split].max())
        if grown == before:
            return grown


def _outside(buckets: Buckets, schema: int, threshold: float) -> Buckets:
    edges = _side_edges(buckets, schema)
    first = int(np.searchsorted(edges[:-1], threshold))
    if first == len(buckets.counts):
        return NO_BUCKETS
    return Buckets(buckets.offset + first, buckets.counts[first:])


def reconciled(left: NativeHistogram, right: NativeHistogram) -> tuple[NativeHistogram, NativeHistogram]:
    """Both with one zero threshold and one schema: the wider and the coarser."""
    while left.zero_threshold != right.zero_threshold:
        threshold = max(left.zero_threshold, right.zero_threshold)
        left, right = widened(left, threshold), widened(right, threshold)
    schema = min(left.schema, right.schema)
    return at_schema(left, schema), at_schema(right, schema)


def joined(left: Buckets, right: Buckets, sign: float = 1.0) -> Buckets:
    """left + sign · right, bucket by bucket."""
    if not len(right.counts):
        return left
    if not len(left.counts):
        return Buckets(right.offset, sign * right.counts)
    offset = min(left.offset, right.offset)
    end = max(left.offset + len(left.counts), right.offset + len(right.counts))
    counts = np.zeros(end - offset)
    counts[left.offset - offset :][: len(left.counts)] = left.counts
    counts[right.offset - offset :][: len(right.counts)] += sign * right.counts
    return Buckets(offset, counts)
