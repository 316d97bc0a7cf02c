"""Prometheus native histograms as values: what they hold, how OTLP's become them, how they are kept as bytes.

`encode` writes, little-endian: a header (schema, flags, offset and number of positive buckets, sum), the offset and
number of negative buckets where there are any, the zero threshold unless it is Prometheus's for OTLP, the zero count
unless it is 0, the count unless it is the sum of the buckets, then all bucket counts: as differences in the smallest
integer type that holds them where they are whole, as float64 otherwise. It is exact in both cases.
"""

import math
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


# Flags: what follows the header. The two lowest bits are the width of whole counts: 1, 2, 4, 8 bytes.
_WIDTH: Final = 0b11
_FLOATS: Final = 1 << 2
_NEGATIVE: Final = 1 << 3
_THRESHOLD: Final = 1 << 4
_ZERO_COUNT: Final = 1 << 5
_COUNT: Final = 1 << 6

_HEADER: Final = struct.Struct("<bBiId")
_SIDE: Final = struct.Struct("<iI")
_DOUBLE: Final = struct.Struct("<d")
_WHOLE_TYPES: Final = tuple(np.dtype(name) for name in ("<i1", "<i2", "<i4", "<i8"))
_FLOAT_TYPE: Final = np.dtype("<f8")
_EXACT_MAX: Final = 2.0**53


def encode(histogram: NativeHistogram) -> bytes:
    """The histogram in as few bytes as is cheap; `decode` gives back exactly the same."""
    positive, negative = histogram.positive, histogram.negative
    counts = np.concatenate((positive.counts, negative.counts)) if len(negative.counts) else positive.counts
    flags, payload = _encode_counts(counts)
    derived = math.nan if flags & _FLOATS else _whole(counts, histogram.zero_count)
    if derived >= _EXACT_MAX:
        derived = math.nan
    extras: list[bytes] = []
    if len(negative.counts):
        flags |= _NEGATIVE
        extras.append(_SIDE.pack(negative.offset, len(negative.counts)))
    for flag, value, usual in _scalars(histogram, derived):
        if value != usual:
            flags |= flag
            extras.append(_DOUBLE.pack(value))
    header = _HEADER.pack(histogram.schema, flags, positive.offset, len(positive.counts), histogram.sum)
    return b"".join((header, *extras, payload))


def _scalars(histogram: NativeHistogram, derived_count: float) -> tuple[tuple[int, float, float], ...]:
    """Each scalar with its flag and the value that needs no bytes, in the order in which they are written."""
    return (
        (_THRESHOLD, histogram.zero_threshold, ZERO_THRESHOLD),
        (_ZERO_COUNT, histogram.zero_count, 0.0),
        (_COUNT, histogram.count, derived_count),
    )


def _whole(counts: FloatArray, zero_count: float) -> float:
    # Of exact sums only: others depend on the order in which a machine adds.
    return float(counts.sum()) + zero_count


def _encode_counts(counts: FloatArray) -> tuple[int, bytes]:
    if not len(counts):
        return 0, b""
    peak = float(np.abs(counts).max())
    if not peak < _EXACT_MAX or np.any(counts != np.floor(counts)):
        return _FLOATS, counts.astype(_FLOAT_TYPE).tobytes()
    deltas = np.diff(counts, prepend=0.0)
    width = _width(max(float(deltas.max()), -float(deltas.min())))
    return width, deltas.astype(_WHOLE_TYPES[width]).tobytes()


def _width(peak: float) -> int:
    return (peak > 127) + (peak > 32_767) + (peak > 2_147_483_647)


def decode(data: bytes | bytearray) -> NativeHistogram:
    """What `encode` was given. Raises ValueError or struct.error when the bytes are not its."""
    return decode_many([data])[0]


def decode_many(data: Sequence[bytes | bytearray]) -> list[NativeHistogram]:
    """`decode` of each. Neighbours in a series mostly have one layout, and those are read in columns.

    The counts of such histograms share one array. Raises ValueError or struct.error.
    """
    alike: dict[tuple[int, bytes, bytes], list[int]] = {}
    for position, one in enumerate(data):
        negative = bytes(one[_HEADER.size : _HEADER.size + _SIDE.size]) if one[1] & _NEGATIVE else b""
        alike.setdefault((len(one), bytes(one[:_LAYOUT_BYTES]), negative), []).append(position)
    decoded: dict[int, NativeHistogram] = {}
    for positions in alike.values():
        decoded.update(zip(positions, _decode_alike([data[i] for i in positions]), strict=True))
    return [decoded[position] for position in range(len(data))]


_LAYOUT_BYTES: Final = _HEADER.size - _DOUBLE.size


def _decode_alike(data: Sequence[bytes | bytearray]) -> list[NativeHistogram]:
    schema, flags, offset, n_positive, _ = _HEADER.unpack_from(data[0])
    rows = np.frombuffer(b"".join(data), np.uint8).reshape(len(data), -1)
    sums = _doubles(rows, _LAYOUT_BYTES)
    at, negative_offset, n_negative = _HEADER.size, 0, 0
    if flags & _NEGATIVE:
        negative_offset, n_negative = _SIDE.unpack_from(data[0], at)
        at += _SIDE.size
    scalars: dict[int, FloatArray] = {}
    for flag in (_THRESHOLD, _ZERO_COUNT, _COUNT):
        if flags & flag:
            scalars[flag] = _doubles(rows, at)
            at += _DOUBLE.size
    counts = _decode_counts(rows[:, at:], flags, n_positive + n_negative)
    zero_counts = scalars.get(_ZERO_COUNT, np.zeros(len(data)))
    thresholds = scalars.get(_THRESHOLD, np.full(len(data), ZERO_THRESHOLD))
    totals = scalars[_COUNT] if _COUNT in scalars else counts.sum(axis=1) + zero_counts
    columns = zip(thresholds.tolist(), zero_counts.tolist(), totals.tolist(), sums, counts, strict=True)
    return [
        NativeHistogram(
            schema,
            threshold,
            zero_count,
            total,
            float(sum_),
            Buckets(offset, row[:n_positive]),
            Buckets(negative_offset, row[n_positive:]) if n_negative else NO_BUCKETS,
        )
        for threshold, zero_count, total, sum_, row in columns
    ]


def _doubles(rows: npt.NDArray[np.uint8], at: int) -> FloatArray:
    return np.ascontiguousarray(rows[:, at : at + _DOUBLE.size]).view(_FLOAT_TYPE)[:, 0]


def _decode_counts(rows: npt.NDArray[np.uint8], flags: int, n: int) -> FloatArray:
    kind = _FLOAT_TYPE if flags & _FLOATS else _WHOLE_TYPES[flags & _WIDTH]
    if rows.shape[1] != n * kind.itemsize:
        raise ValueError(f"{rows.shape[1]} bytes do not hold {n} counts of {kind.itemsize}")
    if n == 0:
        return np.empty((len(rows), 0))
    if flags & _FLOATS:
        return np.ascontiguousarray(rows).view(_FLOAT_TYPE)
    return np.cumsum(np.ascontiguousarray(rows).view(kind), axis=1, dtype=np.float64)
