"""Prometheus native histograms as values."""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SCHEMA_MIN: Final = -4
SCHEMA_MAX: Final = 8
ZERO_THRESHOLD: Final = 1e-128
"""Half the width of the zero bucket of every histogram that came by OTLP, as in Prometheus."""
_STEPS_MAX: Final = 62
"""Past it all buckets of a sign are one; numpy shifts no integer by 64 or more."""

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


def is_stale(value: float) -> bool:
    """Whether a sample's value (a histogram's sum) is the staleness marker."""
    return value != value and struct.pack("<d", value) == _STALE_BYTES


_STALE_BYTES: Final = struct.pack("<Q", STALE_NAN_BITS)


def trimmed(buckets: Buckets) -> Buckets:
    """The same without empty buckets at the ends."""
    populated = np.flatnonzero(buckets.counts)
    if len(populated):
        first, last = int(populated[0]), int(populated[-1])
        if first == 0 and last == len(buckets.counts) - 1:
            return buckets
        return Buckets(buckets.offset + first, buckets.counts[first : last + 1])
    return NO_BUCKETS


def reduced(buckets: Buckets, steps: int) -> Buckets:
    """The same buckets at a schema lower by `steps`: 2**steps of them merge into one."""
    if steps == 0 or not len(buckets.counts):
        return buckets
    steps = min(steps, _STEPS_MAX)
    first = ((buckets.offset - 1) >> steps) + 1
    index = ((np.arange(len(buckets.counts)) + (buckets.offset - 1)) >> steps) + 1 - first
    return Buckets(first, np.bincount(index, weights=buckets.counts).astype(np.float64, copy=False))
