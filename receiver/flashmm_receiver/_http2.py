"""What of HTTP/2 the door of the gRPC port must know: how a connection opens, how long a header block may get,
and how many frames come that bring nothing.

grpc-core keeps what it reads of a header block that does not end, with each of its errors, tens of megabytes a
connection; and it answers any number of pings and settings. Source: RFC 9113, sections 3.4, 4.1, 6.10 and 10.5.
"""

from math import inf
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD_BYTES: Final = 9
_DATA: Final = 0
_HEADERS: Final = 1
_RESET: Final = 3
_CONTINUATION: Final = 9
_END_HEADERS: Final = 4
_SETTINGS: Final = 4
_GOAWAY: Final = 7
_PROTOCOL_ERROR: Final = 1
_FULL_BYTES: Final = 1024
"""A frame of data of this size brings something: it costs by its bytes alone."""
_RESET_COST: Final = 8
"""In frames: what a call that is taken back has cost the server."""
_HEADERS_UNIT_BYTES: Final = 32
"""A byte of a header block may stand for kilobytes that came before (HPACK), so so many cost as much as a frame."""


def protocol_error(why: str) -> bytes:
    """What a server says to a client that does not open HTTP/2: its empty settings, and that it goes, and why."""
    text = bytes(4) + _PROTOCOL_ERROR.to_bytes(4) + why.encode()
    return _frame(_SETTINGS, b"") + _frame(_GOAWAY, text)


def _frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, 0)) + bytes(4) + payload


class HeadersTooLong(Exception):
    """A header block is longer than allowed."""


class FrameFlood(Exception):
    """Far more frames came than may."""


class FrameWatch:
    """Follows the frames that a client sends, by their heads. headers_bytes_max: of one header block, compressed."""

    def __init__(self, headers_bytes_max: int) -> None:
        self._headers_bytes_max = headers_bytes_max
        self._skip = 0
        self._begun = b""
        self._block_bytes = 0
        self.calls = 0
        """Header blocks that have come whole: each begins a call."""
        self.cost = 0
        """Frames but those full of data; long headers, and one that takes a call back, count for several."""

    def feed(self, data: bytes, cost_max: float = inf) -> None:
        """Take what comes after the preface, however it is cut. Raises HeadersTooLong, FrameFlood."""
        if self._begun:
            data = self._begun + data
        pos = self._skip
        while pos + _HEAD_BYTES <= len(data):
            if self.cost > cost_max:
                raise FrameFlood
            length = int.from_bytes(data[pos : pos + 3])
            self._frame(data[pos + 3], data[pos + 4], length)
            pos += _HEAD_BYTES + length
        self._begun = data[pos:]
        self._skip = max(0, pos - len(data))

    def _frame(self, kind: int, flags: int, length: int) -> None:
        if kind == _DATA and length >= _FULL_BYTES:
            return
        self.cost += _RESET_COST if kind == _RESET else 1
        if kind in (_HEADERS, _CONTINUATION):
            self._headers(length, flags)

    def _headers(self, length: int, flags: int) -> None:
        self._block_bytes += length + _HEAD_BYTES
        self.cost += length // _HEADERS_UNIT_BYTES
        if self._block_bytes > self._headers_bytes_max:
            raise HeadersTooLong
        if flags & _END_HEADERS:
            self._block_bytes = 0
            self.calls += 1


class FrameRate:
    """How fast one connection's frames are read: at once while they are few, then at a rate.

    per_s: frames a second. burst: how many at once; as many more, and it is a flood.
    """

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at_s = now_s

    def room(self, now_s: float) -> float:
        """How many there may be, from now on, before they are a flood."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return self._left + self._burst

    def take(self, cost: int) -> float:
        """Seconds to wait before more is read, mostly 0."""
        self._left -= cost
        return max(0.0, -self._left / self._per_s)
