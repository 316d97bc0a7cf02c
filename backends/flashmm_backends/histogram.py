"""Prometheus native histograms as values: what they hold, and how OTLP's become them."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SCHEMA_MIN: Final = -4
SCHEMA_MAX: Final = 8
ZERO_THRESHOLD: Final = 1e-128
"""Half the width of the zero bucket of every histogram that came by OTLP, as in Prometheus."""

STALE_NAN_BITS: Final = 0x7FF0000000000002
STALE_NAN: Final[float] = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]
"""The value that ends a series. Only its bits tell it from any other NaN."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Consecutive buckets of one sign. counts[i] belongs to bucket index offset + i; shape (n,), float64.

    Bucket index k of schema s covers (2**((k-1)·2**-s), 2**(k·2**-s)], as in Prometheus (one above OTLP's index).
    """

    offset: int
    counts: FloatArray


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """One native histogram sample with standard exponential buckets.

    schema: -4 … 8. Counts are absolute (not deltas). sum is 0 where OTLP gave none. A sample with a NaN
    sum of Prometheus's stale bit pattern is a staleness marker.
    """

    schema: int
    zero_threshold: float
    zero_count: float
    count: float
    sum: float
    positive: Buckets
    negative: Buckets


NO_BUCKETS: Final = Buckets(0, np.empty(0, np.float64))
STALE_HISTOGRAM: Final = NativeHistogram(0, ZERO_THRESHOLD, 0.0, STALE_NAN, STALE_NAN, NO_BUCKETS, NO_BUCKETS)
"""The staleness marker of a series of histograms: OTLP's "no recorded value"."""


@dataclass
class HistogramRefused(Exception):
    """An OTLP exponential histogram that Prometheus cannot hold."""

    why: str

    def __str__(self) -> str:
        return f"exponential histogram refused: {self.why}"


def is_stale(value: float) -> bool:
    """Whether a sample's value (a histogram's sum) is the staleness marker."""
    return value != value and struct.pack("<d", value) == _STALE_BYTES


_STALE_BYTES: Final = struct.pack("<Q", STALE_NAN_BITS)


def from_otlp(
    *,
    scale: int,
    count: int,
    total: float | None,
    zero_count: int,
    positive: tuple[int, Sequence[int]],
    negative: tuple[int, Sequence[int]],
) -> NativeHistogram:
    """An OTLP exponential histogram point as Prometheus stores it. positive, negative: OTLP's offset and counts.

    A scale above 8 is reduced to 8. Raises HistogramRefused when the scale is below -4, or a populated bucket lies
    beyond all float64 numbers.
    """
    if scale < SCHEMA_MIN:
        raise HistogramRefused(f"scale {scale} is below {SCHEMA_MIN}")
    excess = max(0, scale - SCHEMA_MAX)
    schema = scale - excess
    return NativeHistogram(
        schema,
        ZERO_THRESHOLD,
        float(zero_count),
        float(count),
        0.0 if total is None else total,
        _from_otlp_buckets(positive, schema, excess),
        _from_otlp_buckets(negative, schema, excess),
    )


def _from_otlp_buckets(otlp: tuple[int, Sequence[int]], schema: int, excess: int) -> Buckets:
    offset, counts = otlp
    if not len(counts):
        return NO_BUCKETS
    buckets = reduced(trimmed(Buckets(offset + 1, np.asarray(counts, np.float64)), keep_one=True), excess)
    _check_range(buckets, schema)
    return buckets


def _check_range(buckets: Buckets, schema: int) -> None:
    lowest, highest = (_index_of_exponent(exponent, schema) for exponent in (-1075, 1024))
    if buckets.offset < lowest or buckets.offset + len(buckets.counts) - 2 > highest:
        raise HistogramRefused(f"bucket {buckets.offset - 1} of scale {schema} lies beyond all numbers")


def _index_of_exponent(exponent: int, schema: int) -> int:
    return exponent << schema if schema >= 0 else exponent >> -schema


def trimmed(buckets: Buckets, *, keep_one: bool = False) -> Buckets:
    """The same without empty buckets at the ends; keep_one leaves one empty bucket of a side that had some."""
    populated = np.flatnonzero(buckets.counts)
    if len(populated):
        first, last = int(populated[0]), int(populated[-1])
        if first == 0 and last == len(buckets.counts) - 1:
            return buckets
        return Buckets(buckets.offset + first, buckets.counts[first : last + 1])
    return Buckets(0, np.zeros(1)) if keep_one and len(buckets.counts) else NO_BUCKETS


def reduced(buckets: Buckets, steps: int) -> Buckets:
    """The same buckets at a schema lower by `steps`: 2**steps of them merge into one."""
    if steps == 0 or not len(buckets.counts):
        return buckets
    first = ((buckets.offset - 1) >> steps) + 1
    index = ((np.arange(len(buckets.counts)) + (buckets.offset - 1)) >> steps) + 1 - first
    return Buckets(first, np.bincount(index, weights=buckets.counts).astype(np.float64, copy=False))
