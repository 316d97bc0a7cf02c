"""What of HTTP/2 the door of the gRPC port must know: how a connection opens, and how long a header block may get.

grpc-core keeps what it reads of a header block that does not end, with each of its errors, tens of megabytes a
connection. Source: RFC 9113, sections 3.4, 4.1 and 6.10.
"""

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD_BYTES: Final = 9
_HEADERS: Final = 1
_CONTINUATION: Final = 9
_END_HEADERS: Final = 4
_SETTINGS: Final = 4
_GOAWAY: Final = 7
_PROTOCOL_ERROR: Final = 1


def protocol_error(why: str) -> bytes:
    """What a server says to a client that does not open HTTP/2: its empty settings, and that it goes, and why."""
    text = bytes(4) + _PROTOCOL_ERROR.to_bytes(4) + why.encode()
    return _frame(_SETTINGS, b"") + _frame(_GOAWAY, text)


def _frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, 0)) + bytes(4) + payload


class HeadersTooLong(Exception):
    """A header block is longer than allowed."""


class FrameWatch:
    """Follows the frames that a client sends, by their heads. headers_bytes_max: of one header block, compressed."""

    def __init__(self, headers_bytes_max: int) -> None:
        self._headers_bytes_max = headers_bytes_max
        self._skip = 0
        self._begun = b""
        self._block_bytes = 0
        self.calls = 0
        """Header blocks that have come whole: each begins a call."""

    def feed(self, data: bytes) -> None:
        """Take what comes after the preface, however it is cut. Raises HeadersTooLong."""
        if self._begun:
            data = self._begun + data
        pos = self._skip
        while pos + _HEAD_BYTES <= len(data):
            length = int.from_bytes(data[pos : pos + 3])
            if data[pos + 3] in (_HEADERS, _CONTINUATION):
                self._headers(length, data[pos + 4])
            pos += _HEAD_BYTES + length
        self._begun = data[pos:]
        self._skip = max(0, pos - len(data))

    def _headers(self, length: int, flags: int) -> None:
        self._block_bytes += length + _HEAD_BYTES
        if self._block_bytes > self._headers_bytes_max:
            raise HeadersTooLong
        if flags & _END_HEADERS:
            self._block_bytes = 0
            self.calls += 1
