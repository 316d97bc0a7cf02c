"""How many messages a request may nest, checked before a parser makes an object of each.

Two bytes are an empty message, which costs a parser a hundred bytes and the reader some microseconds: without this, a
few megabytes of them take gigabytes and seconds. Source of the nesting: opentelemetry-proto's *_service.proto.
"""

import contextlib
from typing import Final

from flashmm_receiver._wire import LENGTH_DELIMITED, Unusual, value_at, varint_at
from flashmm_receiver.errors import TooLarge

_SMALLEST: Final = 2
_FIELD_SHARE: Final = 16
"""A field inside a span, log record or data point counts as a sixteenth of a message."""
_DEPTH_OF_RECORDS: Final = 3
_DEPTH_OF_POINTS: Final = 5
_DATA_FIELDS: Final = frozenset({5, 7, 9, 10, 11})
"""Those of Metric that hold data points."""


def check_messages(data: bytes, messages_max: int, *, metrics: bool) -> None:
    """Raise TooLarge where a request has more resources, scopes, records and data points than that.

    metrics: whether it is one of metrics, whose records nest data points. Bytes that are no protobuf are left to the
    parser.
    """
    if len(data) > messages_max * _SMALLEST:
        _Count(data, messages_max, _DEPTH_OF_POINTS if metrics else _DEPTH_OF_RECORDS).run()


def check_json(body: bytes, messages_max: int) -> None:
    """The same for JSON, by its brackets: an object there costs several times as much, a value a sixteenth of it."""
    objects_max = messages_max // 4
    objects = max(body.count(b"{"), body.count(b"["))
    if objects > objects_max or body.count(b",") > objects_max * _FIELD_SHARE:
        raise TooLarge("messages_max", messages_max // 4)


class _Count:
    """One pass over a request, down to the records, and to the data points of a metric."""

    def __init__(self, data: bytes, messages_max: int, depth_max: int) -> None:
        self._data = data
        self._depth_max = depth_max
        self._messages_max = messages_max
        self._left = messages_max * _FIELD_SHARE
        self._waiting: list[tuple[int, int, int]] = []

    def run(self) -> None:
        """Raises TooLarge."""
        self._waiting.append((0, len(self._data), 0))
        while self._waiting:
            with contextlib.suppress(Unusual):  # what follows a broken field is the parser's to judge
                self._message(*self._waiting.pop())

    def _message(self, pos: int, end: int, depth: int) -> None:
        while pos < end:
            key, pos = varint_at(self._data, pos)
            start, pos = value_at(self._data, key & 7, pos)
            if key & 7 == LENGTH_DELIMITED and self._holds_messages(key >> 3, depth):
                self._spend(_FIELD_SHARE)
                self._waiting.append((start, pos, depth + 1))
            else:
                self._spend(1)

    def _holds_messages(self, number: int, depth: int) -> bool:
        if depth >= self._depth_max:
            return False
        if depth == _DEPTH_OF_RECORDS:
            return number in _DATA_FIELDS
        return number in (1, 2)

    def _spend(self, share: int) -> None:
        self._left -= share
        if self._left < 0:
            raise TooLarge("messages_max", self._messages_max)
