"""Prometheus native histograms as values."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Buckets:
    """Consecutive buckets of one sign. counts[i] belongs to bucket index offset + i; shape (n,), float64.

    Bucket index k of schema s covers (2**((k-1)·2**-s), 2**(k·2**-s)], as in Prometheus (one above OTLP's index).
    """

    offset: int
    counts: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """One native histogram sample with standard exponential buckets.

    schema: -4 … 8. Counts are absolute (not deltas). sum may be NaN where OTLP gave none. A sample with a NaN
    sum of Prometheus's stale bit pattern is a staleness marker.
    """

    schema: int
    zero_threshold: float
    zero_count: float
    count: float
    sum: float
    positive: Buckets
    negative: Buckets
