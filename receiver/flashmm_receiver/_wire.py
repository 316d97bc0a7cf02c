"""The protobuf wire format by hand, as far as the hot path needs it.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from typing import Final

LENGTH_DELIMITED: Final = 2
_LENGTH_BYTES_MAX: Final = 4


class Unusual(Exception):
    """Not what the hot path reads: the complete parser decides whether it is valid."""


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
