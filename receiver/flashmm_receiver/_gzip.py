"""Unpacking gzip within bounds: of what comes out, of how many members it has, of what is done at once."""

import zlib
from typing import Final

from flashmm_receiver.errors import Malformed, TooLarge

_WINDOW_BITS: Final = 31
"""zlib's for a gzip stream."""
_BLOCK_BYTES: Final = 16_384
"""Fed at a time: what follows a member's end is copied, so it had better be little."""
_MEMBERS_MAX: Final = 1_000
"""A member needs 20 bytes and costs as much as a kilobyte; senders write one."""


def decompressed(body: bytes, size_max: int) -> bytes:
    """Unpack gzip, several members too. Raises TooLarge as soon as more than size_max comes out, Malformed."""
    return _Unpacking(size_max).all_of(memoryview(body))


def unpacked_if_small(body: bytes, size_max: int) -> bytes | None:
    """The same where it is one member of at most size_max bytes; None where that takes a closer look."""
    unpacker = zlib.decompressobj(_WINDOW_BITS)
    try:
        content = unpacker.decompress(body, size_max)
    except zlib.error:
        return None
    return content if unpacker.eof and not unpacker.unused_data else None


class _Unpacking:
    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._left = size_max + 1
        self._parts: list[bytes] = []
        self._members = 1
        self._member = zlib.decompressobj(_WINDOW_BITS)

    def all_of(self, body: memoryview) -> bytes:
        for start in range(0, len(body), _BLOCK_BYTES):
            self._feed(body[start : start + _BLOCK_BYTES])
        if not self._member.eof:
            raise Malformed("the gzip body is cut off")
        return b"".join(self._parts)

    def _feed(self, block: bytes | memoryview) -> None:
        while block:
            if self._member.eof:
                self._count_member()
                self._member = zlib.decompressobj(_WINDOW_BITS)
            self._unpack(block)
            block = self._member.unused_data

    def _count_member(self) -> None:
        self._members += 1
        if self._members > _MEMBERS_MAX:
            raise Malformed(f"the gzip body has more than {_MEMBERS_MAX} members")

    def _unpack(self, block: bytes | memoryview) -> None:
        try:
            part = self._member.decompress(block, self._left)
        except zlib.error as error:
            raise Malformed(f"the body is not gzip: {error}") from None
        self._parts.append(part)
        self._left -= len(part)
        if self._left <= 0:
            raise TooLarge("decompressed_bytes_max", self._size_max)
