"""Native histograms as bytes, one by one to write, many at once to read.

`encode` writes, little-endian: a header (schema, flags, offset and number of positive buckets, sum), the offset and
number of negative buckets where there are any, the zero threshold unless it is Prometheus's for OTLP, the zero count
unless it is 0, the count unless it is the sum of the buckets, then all bucket counts: as differences in the smallest
integer type that holds them where they are whole, as float64 otherwise. It is exact in both cases.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.histogram import ZERO_THRESHOLD, FloatArray, NativeHistogram
from flashmm_backends.histogram_array import (
    COUNT,
    ROWS_AT_ONCE,
    SCALARS,
    SUM,
    ZERO_COUNT,
    HistogramArray,
    Indices,
    Layout,
    Stack,
    empty_stack,
    shared_layouts,
)

Bytes = npt.NDArray[np.uint8]

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
    return decode_many([data]).objects()[0]


def decode_many(data: Sequence[bytes | bytearray]) -> HistogramArray:
    """`decode` of each, in columns, shape (n,). Empty buckets may be added at a histogram's ends.

    Neighbours in a series mostly have one layout: runs of equal headers are found in columns, and all histograms of
    one header are read at once. Raises ValueError or struct.error.
    """
    if not data:
        return HistogramArray((), np.empty(0, np.intp))
    blobs = _Blobs.joined(data)
    groups = blobs.alike()
    stacks: list[Stack] = []
    cells = np.empty(len(data), np.intp)
    rows = 0
    layouts = [blobs.layout(int(group[0])) for group in groups]
    for layout, members in shared_layouts(layouts, [len(group) for group in groups]):
        samples = np.sort(np.concatenate([groups[member] for member in members]))
        stack = empty_stack(layout, len(samples))
        for member in members:
            _decode_alike(blobs, groups[member], layouts[member], samples, stack)
        cells[samples] = np.arange(rows, rows + len(samples))
        rows += len(samples)
        stacks.append(stack)
    return HistogramArray(tuple(stacks), cells)


_LAYOUT_BYTES: Final = _HEADER.size - _DOUBLE.size
_KEY_BYTES: Final = 32
"""For header, negative side and threshold, in whole 64-bit words."""


@dataclass(frozen=True, slots=True)
class _Blobs:
    """Encoded histograms one behind the other; that of i begins at starts[i]."""

    buffer: Bytes
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def joined(cls, data: Sequence[bytes | bytearray]) -> "_Blobs":
        lengths = np.fromiter(map(len, data), np.int64, len(data))
        if int(lengths.min()) < _HEADER.size:
            raise ValueError(f"{int(lengths.min())} bytes are not a histogram")
        # Beyond the last histogram lies what its header might reach for.
        buffer = np.frombuffer(b"".join((*data, bytes(_KEY_BYTES))), np.uint8)
        return cls(buffer, np.cumsum(lengths) - lengths, lengths)

    def alike(self) -> list[Indices]:
        """Positions of the histograms whose bytes say the same of everything but numbers, group by group."""
        keys = self._keys()
        words = keys.view(np.uint64)
        differs = np.any(words[1:] != words[:-1], axis=1) | (self.lengths[1:] != self.lengths[:-1])
        begins = np.concatenate(([0], np.flatnonzero(differs) + 1))
        numbers: dict[tuple[int, bytes], int] = {}
        run_groups = [
            numbers.setdefault((int(self.lengths[first]), keys[first].tobytes()), len(numbers))
            for first in begins.tolist()
        ]
        group = np.repeat(run_groups, np.diff(begins, append=len(keys)))
        order = np.argsort(group, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)

    def _keys(self) -> Bytes:
        """Header without the sum, then what may follow it up to the zero threshold."""
        keys = np.zeros((len(self.starts), _KEY_BYTES), np.uint8)
        keys[:, :_LAYOUT_BYTES] = self._bytes(slice(None), 0, _LAYOUT_BYTES)
        for flag, size in ((_NEGATIVE, _SIDE.size), (_THRESHOLD, _SIDE.size + _DOUBLE.size)):
            rows = np.flatnonzero(keys[:, 1] & flag)
            if len(rows):
                keys[rows, _LAYOUT_BYTES : _LAYOUT_BYTES + size] = self._bytes(rows, _HEADER.size, size)
        return keys

    def _bytes(self, rows: Indices | slice, at: int, size: int) -> Bytes:
        # Rows of an overlapping view are copied whole, a byte at a time they take five times as long.
        windows = np.lib.stride_tricks.sliding_window_view(self.buffer, size)
        return windows[self.starts[rows] + at]

    def layout(self, position: int) -> Layout:
        """Of one histogram."""
        start = int(self.starts[position])
        blob = self.buffer[start : start + int(self.lengths[position])].tobytes()
        schema, flags, offset, number, _ = _HEADER.unpack_from(blob)
        at, negative = _HEADER.size, range(0)
        if flags & _NEGATIVE:
            first, n_negative = _SIDE.unpack_from(blob, at)
            at, negative = at + _SIDE.size, range(first, first + n_negative)
        threshold = _DOUBLE.unpack_from(blob, at)[0] if flags & _THRESHOLD else ZERO_THRESHOLD
        return Layout(schema, threshold, range(offset, offset + number), negative)

    def matrix(self, positions: Indices) -> Bytes:
        """The bytes of histograms of one length, shape (n, length)."""
        length = int(self.lengths[positions[0]])
        breaks = np.flatnonzero(np.diff(positions) != 1) + 1
        firsts = self.starts[positions[np.concatenate(([0], breaks))]].tolist()
        counts = np.diff(np.concatenate(([0], breaks, [len(positions)]))).tolist()
        runs = [self.buffer[first : first + n * length] for first, n in zip(firsts, counts, strict=True)]
        return (runs[0] if len(runs) == 1 else np.concatenate(runs)).reshape(len(positions), length)


def _decode_alike(blobs: _Blobs, positions: Indices, layout: Layout, samples: Indices, stack: Stack) -> None:
    """Decode histograms of one layout into their rows of a stack; samples: the positions that its rows are of."""
    rows = np.searchsorted(samples, positions)
    for first in range(0, len(positions), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        encoded, to = blobs.matrix(positions[part]), _dense(rows[part])
        if layout == stack.layout and isinstance(to, slice):
            _decode_into(stack.matrix[to], encoded)
        else:
            decoded = empty_stack(layout, len(encoded))
            _decode_into(decoded.matrix, encoded)
            stack.put(to, decoded)


def _dense(rows: Indices) -> Indices | slice:
    """Neighbouring rows as a slice, which is written without going through indices."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def _decode_into(matrix: FloatArray, rows: Bytes) -> None:
    """Decode histograms of one header into zeros, shape (n, width of their layout)."""
    flags = int(rows[0, 1])
    matrix[:, SUM] = _doubles(rows, _LAYOUT_BYTES)
    at = _HEADER.size + (_SIDE.size if flags & _NEGATIVE else 0) + (_DOUBLE.size if flags & _THRESHOLD else 0)
    for flag, column in ((_ZERO_COUNT, ZERO_COUNT), (_COUNT, COUNT)):
        if flags & flag:
            matrix[:, column] = _doubles(rows, at)
            at += _DOUBLE.size
    _decode_counts(rows[:, at:], flags, matrix[:, SCALARS:])
    if not flags & _COUNT:
        # Whole numbers below 2**53 have one sum, whatever the order; einsum has it sooner than sum does.
        matrix[:, COUNT] = np.einsum("ij->i", matrix[:, SCALARS:]) + matrix[:, ZERO_COUNT]


def _doubles(rows: Bytes, at: int) -> FloatArray:
    return np.ascontiguousarray(rows[:, at : at + _DOUBLE.size]).view(_FLOAT_TYPE)[:, 0]


def _decode_counts(rows: Bytes, flags: int, counts: FloatArray) -> None:
    kind = _FLOAT_TYPE if flags & _FLOATS else _WHOLE_TYPES[flags & _WIDTH]
    n = counts.shape[1]
    if rows.shape[1] != n * kind.itemsize:
        raise ValueError(f"{rows.shape[1]} bytes do not hold {n} counts of {kind.itemsize}")
    if n:
        numbers = np.ascontiguousarray(rows).view(kind)
        counts[:] = numbers if flags & _FLOATS else _running(numbers)


def _running(deltas: npt.NDArray[Any]) -> FloatArray:
    """Sums along each row: bucket by bucket for all rows, a half to a quarter of what `cumsum` takes row by row."""
    columns = deltas.T.astype(np.float64, order="C")
    for before, column in pairwise(columns):
        column += before
    return columns.T
