"""Float points on their way from wire bytes to columns."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from flashmm_receiver._series import Slots, Times
from flashmm_receiver._wire import Unusual

STALE_BITS: Final = struct.pack("<Q", 0x7FF0000000000002)
"""Prometheus's staleness marker, a NaN, as the wire's eight bytes."""

START: Final = 0x11
TIME: Final = 0x19
DOUBLE: Final = 0x21
INT: Final = 0x31
HEAD_BYTES: Final = 27
"""Three fixed 64-bit fields with their tags: start time, time and value, in one of three orders."""
NO_START: Final = b"\x11" + bytes(8)
"""Put before the two fields of a point without a start time."""

_HEAD: Final = np.dtype(
    [("tag_0", "u1"), ("bits_0", "<u8"), ("tag_1", "u1"), ("bits_1", "<u8"), ("tag_2", "u1"), ("bits_2", "<u8")]
)
_SLOT: Final = struct.Struct("<i")
_FIELD: Final = struct.Struct("<BQ")
_DOUBLE_BITS: Final = struct.Struct("<d")

UintArray = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class PointColumns:
    """Points, shape (n,) each. Times in nanoseconds, unsigned as on the wire."""

    slots: Slots
    times_ns: UintArray
    values: npt.NDArray[np.float64]

    def where(self, mask: npt.NDArray[np.bool_]) -> "PointColumns":
        """Those under the mask."""
        return PointColumns(self.slots[mask], self.times_ns[mask], self.values[mask])

    @property
    def times_ms(self) -> Times:
        """Times in milliseconds, rounded down."""
        return (self.times_ns // np.uint64(1_000_000)).astype(np.int64)


NO_POINTS: Final = PointColumns(np.empty(0, np.int32), np.empty(0, np.uint64), np.empty(0, np.float64))


def packed_slot(slot: int) -> bytes:
    """A slot as points carry it."""
    return _SLOT.pack(slot)


class PointSink:
    """Collects points of one request in the order of arrival.

    heads: the first 27 bytes of each point, not yet looked at. slots: the packed slot of each.
    """

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.slots: list[bytes] = []

    def add(self, slot: int, time_ns: int, value: float) -> None:
        """One point whose value is a float."""
        self.add_bits(slot, time_ns, _DOUBLE_BITS.pack(value))

    def add_bits(self, slot: int, time_ns: int, value_bits: bytes) -> None:
        """One point whose value is eight bytes of a double."""
        self.heads.append(NO_START + _FIELD.pack(TIME, time_ns) + b"\x21" + value_bits)
        self.slots.append(packed_slot(slot))

    def columns(self) -> PointColumns:
        """All points. Raises Unusual where a head is not in a known order."""
        if not self.slots:
            return NO_POINTS
        heads = np.frombuffer(b"".join(self.heads), _HEAD)
        slots = np.frombuffer(b"".join(self.slots), "<i4")
        if (heads["tag_0"] == START).all() and (heads["tag_1"] == TIME).all():
            return PointColumns(slots, heads["bits_1"], number_values(heads["bits_2"], _are_ints(heads["tag_2"])))
        places = head_places(heads)
        bits = np.stack([heads["bits_0"], heads["bits_1"], heads["bits_2"]])
        each = np.arange(len(heads))
        return PointColumns(slots, bits[places.time, each], number_values(bits[places.value, each], places.is_int))

    def places(self) -> "HeadPlaces":
        """Where the fields are in each head. Raises Unusual."""
        return head_places(np.frombuffer(b"".join(self.heads), _HEAD))


@dataclass(frozen=True, slots=True)
class HeadPlaces:
    """Which of a head's three fields is what, shape (n,) each."""

    time: npt.NDArray[np.int64]
    value: npt.NDArray[np.int64]
    is_int: npt.NDArray[np.bool_]


_ORDERS: Final = (
    ((START, TIME, None), 1, 2),
    ((None, TIME, START), 1, 0),
    ((START, None, TIME), 2, 1),
)
"""Tags in order (None is the value's), then where the time and the value are: as written by field number, backwards
as the Collector writes, and the latter without a start time."""


def head_places(heads: npt.NDArray[np.void]) -> HeadPlaces:
    """Find the fields. Raises Unusual where a head is in none of the known orders."""
    time, value = np.full(len(heads), -1), np.full(len(heads), -1)
    for tags, time_place, value_place in _ORDERS:
        here = _matching(heads, tags)
        time[here], value[here] = time_place, value_place
    if (time < 0).any():
        raise Unusual("fields of a data point in an order of their own")
    tags = np.stack([heads["tag_0"], heads["tag_1"], heads["tag_2"]])
    return HeadPlaces(time, value, _are_ints(tags[value, np.arange(len(heads))]))


def _matching(heads: npt.NDArray[np.void], tags: Sequence[int | None]) -> npt.NDArray[np.bool_]:
    matching = np.ones(len(heads), np.bool_)
    for i, tag in enumerate(tags):
        found = heads[f"tag_{i}"]
        matching &= (found == tag) if tag is not None else (found == DOUBLE) | (found == INT)
    return matching


def _are_ints(tags: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    is_int = tags == INT
    if not (is_int | (tags == DOUBLE)).all():
        raise Unusual("a data point without its value where it is expected")
    return is_int


def number_values(bits: UintArray, is_int: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Doubles, or signed integers where is_int, from their 64 bits."""
    contiguous = np.ascontiguousarray(bits)
    doubles = contiguous.view(np.float64)
    if not is_int.any():
        return doubles
    return np.where(is_int, contiguous.view(np.int64).astype(np.float64), doubles)
