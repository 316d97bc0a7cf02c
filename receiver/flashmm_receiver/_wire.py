"""The protobuf wire format by hand.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from typing import Final

LENGTH_DELIMITED: Final = 2
_LENGTH_BYTES_MAX: Final = 4
_FIXED_BYTES: Final = {1: 8, 5: 4}


class Unusual(Exception):
    """Not what is read by hand: the complete parser decides whether it is valid."""


def varint(number: int) -> bytes:
    """A number as it is written."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def varint_at(data: bytes, pos: int) -> tuple[int, int]:
    """Read a number. Returns it, and where it stops. Raises Unusual past the end or over ten bytes."""
    value = 0
    try:
        for shift in range(0, 70, 7):
            byte = data[pos]
            pos += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, pos
    except IndexError:
        raise Unusual("cut off") from None
    raise Unusual("a number of more than ten bytes")


def value_at(data: bytes, wire_type: int, pos: int) -> tuple[int, int]:
    """Where the content of a value begins and stops. Raises Unusual past the end, and on a group."""
    if wire_type == 0:
        return pos, varint_at(data, pos)[1]
    if wire_type == LENGTH_DELIMITED:
        length, pos = varint_at(data, pos)
    elif wire_type in _FIXED_BYTES:
        length = _FIXED_BYTES[wire_type]
    else:
        raise Unusual(f"wire type {wire_type}")
    if pos + length > len(data):
        raise Unusual("cut off")
    return pos, pos + length


def length_at(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Read a length. Returns where the content starts and stops. Raises Unusual past the end or over 2**28."""
    length = 0
    for i in range(_LENGTH_BYTES_MAX):
        if pos >= end:
            raise Unusual("cut off")
        byte = data[pos]
        pos += 1
        length |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            break
    else:
        raise Unusual("a length of more than four bytes")
    if pos + length > end:
        raise Unusual("cut off")
    return pos, pos + length


def fields(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The length-delimited fields of a message in [pos, end), as (tag byte, begin, content's start, content's stop).

    Raises Unusual on a field of another type, or one numbered over 15.
    """
    while pos < end:
        tag = data[pos]
        if tag & 7 != LENGTH_DELIMITED or tag >= 0x80:
            raise Unusual(f"tag {tag:#x}")
        start, stop = length_at(data, pos + 1, end)
        yield tag, pos, start, stop
        pos = stop
