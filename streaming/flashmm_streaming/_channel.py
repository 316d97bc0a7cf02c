"""One stream's items: offsets, a bounded history to resume from, and the latest state of each key."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile

from flashmm_backends.ranges import Count, MemoryBytes
from flashmm_streaming import _frames
from flashmm_streaming._frames import Position
from flashmm_streaming.streams import MARKET, StreamKind

Symbols = frozenset[str] | None
"""What a subscription lets through; None is everything."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One published item. symbol is empty where the item concerns no single instrument.

    market: of a lossless stream, whose it is, and where.
    """

    offset: int
    symbol: str
    market: tuple[object, ...]
    key: tuple[object, ...]
    json: bytes

    def wanted(self, symbols: Symbols) -> bool:
        return symbols is None or not self.symbol or self.symbol in symbols


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How much of a stream is kept to resume from; the first limit reached counts."""

    items: Count = 5_000
    """Items kept of each stream."""
    bytes: MemoryBytes = 1_000_000
    """Bytes kept of each stream."""
    keys: Count = 2_000
    """Latest states kept of each conflating stream."""


class Channel:
    """The items of one stream, numbered from 1 within one epoch."""

    def __init__(self, kind: StreamKind, epoch: str, limits: HistoryLimits) -> None:
        self.kind = kind
        self._epoch = epoch
        self._limits = limits
        self._offset = 0
        self._floor = 0
        self._bytes = 0
        self._history: deque[Entry] = deque()
        self._latest: dict[tuple[object, ...], Entry] = {}

    @property
    def position(self) -> Position:
        """Where the stream stands: the last item's offset, 0 before the first."""
        return Position(self._epoch, self._offset)

    def at(self, offset: int) -> Position:
        """An offset of this epoch."""
        return Position(self._epoch, offset)

    def append(self, bodies: Sequence[Mapping[str, object]]) -> Sequence[Entry]:
        """Number and keep the items."""
        entries = [self._entry(offset, body) for offset, body in enumerate(bodies, self._offset + 1)]
        self._offset += len(entries)
        for entry in entries:
            self._keep(entry)
        return entries

    def skip(self, count: int) -> None:
        """Give out numbers to items that never came; from before them nobody can resume."""
        self._offset += count
        self._floor = self._offset
        self._history.clear()
        self._bytes = 0

    def covers(self, point: Position) -> bool:
        """Whether every item after `point` is still here."""
        return point.epoch == self._epoch and self._floor <= point.offset <= self._offset

    def since(self, offset: int, symbols: Symbols) -> Iterator[Entry]:
        """The kept items after `offset`, in order."""
        later = dropwhile(lambda entry: entry.offset <= offset, self._history)
        return (entry for entry in later if entry.wanted(symbols))

    def recent(self, count: int, symbols: Symbols) -> Sequence[Entry]:
        """The last `count` kept items in order, of a lossless stream those of each market: none hides another's."""
        left: dict[tuple[object, ...], int] = {}
        found: list[Entry] = []
        for entry in reversed(self._history):
            if entry.wanted(symbols) and (rest := left.get(entry.market, count)):
                left[entry.market] = rest - 1
                found.append(entry)
        return found[::-1]

    def latest(self, symbols: Symbols, after: int = 0) -> Sequence[Entry]:
        """The latest item of each key, of those after an offset, in order of offset."""
        wanted = (entry for entry in self._latest.values() if entry.offset > after and entry.wanted(symbols))
        return sorted(wanted, key=lambda entry: entry.offset)

    def known(self, recent: int, symbols: Symbols) -> Sequence[Entry]:
        """What a new subscriber begins with: the last `recent` items, and the latest of each key that has state."""
        begin = {entry.offset: entry for entry in (*self.latest(symbols), *self.recent(recent, symbols))}
        return [begin[offset] for offset in sorted(begin)]

    def _entry(self, offset: int, body: Mapping[str, object]) -> Entry:
        key = tuple(body.get(name) for name in self.kind.key)
        market = tuple(body.get(name) for name in MARKET) if self.kind.lossless else ()
        return Entry(offset, str(body.get("symbol") or ""), market, key, _frames.item(body))

    def _keep(self, entry: Entry) -> None:
        self._history.append(entry)
        self._bytes += len(entry.json)
        while len(self._history) > self._limits.items or self._bytes > self._limits.bytes:
            self._forget()
        if not self.kind.lossless:
            self._remember(entry)

    def _forget(self) -> None:
        oldest = self._history.popleft()
        self._bytes -= len(oldest.json)
        self._floor = oldest.offset

    def _remember(self, entry: Entry) -> None:
        self._latest.pop(entry.key, None)
        self._latest[entry.key] = entry
        if len(self._latest) > self._limits.keys:
            del self._latest[next(iter(self._latest))]
