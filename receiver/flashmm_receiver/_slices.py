"""A large request in pieces that mean the same: a parser's one call holds the interpreter until it returns.

A message is cut between the items of the field that repeats, and what else it has is written into each piece. Both
what a piece holds and what surrounds it are bounded, so one call takes some milliseconds, whatever was sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flashmm_receiver._refusals import Refusals
from flashmm_receiver._wire import LENGTH_DELIMITED, Unusual, value_at, varint, varint_at
from flashmm_receiver.errors import Malformed, TooLarge

_PIECE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Level:
    """The fields of a message, by number, whose items a piece may be cut between; one_only: if there is just one."""

    numbers: frozenset[int]
    one_only: bool = False


RECORDS: Final = (Level(frozenset({1})), Level(frozenset({2})), Level(frozenset({2})))
"""From a request down to its spans, log records or metrics."""
POINTS: Final = (Level(frozenset({5, 7, 9, 10, 11}), one_only=True), Level(frozenset({1})))
"""From a metric down to its points."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of the field that repeats. start: of its tag. content, stop: of what it holds."""

    start: int
    content: int
    stop: int
    tag: bytes


class Slicer:
    """Cuts messages. record_bytes_max: no item that cannot be cut, and nothing around items, may be larger.

    refusals: told of each item that is left out for its size.
    """

    def __init__(self, record_bytes_max: int, refusals: Refusals, piece_bytes: int = _PIECE_BYTES) -> None:
        self._record_bytes_max = record_bytes_max
        self._refusals = refusals
        self._piece_bytes = piece_bytes

    def pieces(self, data: bytes, path: tuple[Level, ...]) -> Iterator[bytes]:
        """Encoded messages that hold together what data holds, in order. Raises TooLarge, Malformed."""
        if len(data) <= self._piece_bytes:
            yield data
            return
        rest, items = self._divided(data, path[0])
        if len(rest) > self._record_bytes_max:
            raise TooLarge("record_bytes_max", self._record_bytes_max)
        yield from self._cut(data, rest, items, path[1:])

    def _divided(self, data: bytes, level: Level) -> tuple[bytes, list[_Item]]:
        try:
            rest, items = _divided(data, level.numbers)
        except Unusual:
            if len(data) > self._record_bytes_max:
                raise Malformed("the body is not a request in protobuf") from None
            return data, []
        return (data, []) if level.one_only and len(items) > 1 else (rest, items)

    def _cut(self, data: bytes, rest: bytes, items: list[_Item], below: tuple[Level, ...]) -> Iterator[bytes]:
        room = max(self._piece_bytes, 4 * len(rest))
        begin = end = items[0].start if items else 0
        for item in items:
            size = item.stop - item.content
            if item.start != end or item.stop - begin > room:
                if begin < end:
                    yield rest + data[begin:end]
                begin = end = item.start
            if size <= room:
                end = item.stop
                continue
            begin = end = item.stop
            for part in self._inside(data[item.content : item.stop], below):
                yield b"".join((rest, item.tag, varint(len(part)), part))
        if begin < end or not items:
            yield rest + data[begin:end]

    def _inside(self, item: bytes, below: tuple[Level, ...]) -> Iterator[bytes]:
        if below:
            yield from self.pieces(item, below)
        elif len(item) <= self._record_bytes_max:
            yield item
        else:
            self._refusals.add("record_size", f"a record of more than {self._record_bytes_max} bytes")


def _divided(data: bytes, numbers: frozenset[int]) -> tuple[bytes, list[_Item]]:
    """The fields that do not repeat, joined, and the items of those that do."""
    rest: list[bytes] = []
    items: list[_Item] = []
    pos = 0
    while pos < len(data):
        key, after = varint_at(data, pos)
        content, stop = value_at(data, key & 7, after)
        if key & 7 == LENGTH_DELIMITED and key >> 3 in numbers:
            items.append(_Item(pos, content, stop, data[pos:after]))
        else:
            rest.append(data[pos:stop])
        pos = stop
    return b"".join(rest), items
