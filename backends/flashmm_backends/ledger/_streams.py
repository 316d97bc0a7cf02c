"""Which sequence numbers of each stream have arrived, and how far its marks say it went."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flashmm_backends.ledger._database import Connection, insert_rows
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._runs import Runs
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._tables import Column, ColumnType
from flashmm_backends.ports import Window

_RUN_KIND: Final = (Column("run", ColumnType.TEXT), Column("kind", ColumnType.TEXT))
_SEQ_COLUMNS: Final = (*_RUN_KIND, Column("first_seq", ColumnType.INT), Column("last_seq", ColumnType.INT))
_MARK_COLUMNS: Final = (*_RUN_KIND, Column("high_water", ColumnType.INT))

Stream = tuple[str, str]
"""(run, kind)."""


class Intervals:
    """A set of integers as sorted, disjoint, inclusive intervals."""

    def __init__(self, intervals: Sequence[tuple[int, int]] = ()) -> None:
        self._first = [first for first, _ in intervals]
        self._last = [last for _, last in intervals]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._first, self._last, strict=True)))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]

    @property
    def last(self) -> int:
        """The greatest number; 0 where empty."""
        return self._last[-1] if self._last else 0

    def add(self, number: int) -> bool:
        """Add a number; False where it was there already."""
        at = bisect_right(self._first, number)
        if at and number <= self._last[at - 1]:
            return False
        joins_left = at > 0 and self._last[at - 1] == number - 1
        joins_right = at < len(self._first) and self._first[at] == number + 1
        if joins_left and joins_right:
            self._last[at - 1] = self._last.pop(at)
            del self._first[at]
        elif joins_left:
            self._last[at - 1] = number
        elif joins_right:
            self._first[at] = number
        else:
            self._first.insert(at, number)
            self._last.insert(at, number)
        return True

    def add_range(self, first: int, last: int) -> None:
        """Add first … last, none of which overlaps what is there only in part."""
        at = bisect_right(self._first, first)
        self._first.insert(at, first)
        self._last.insert(at, last)
        self._normalise()

    def _normalise(self) -> None:
        first: list[int] = []
        last: list[int] = []
        for a, b in zip(self._first, self._last, strict=True):
            if last and a <= last[-1] + 1:
                last[-1] = max(last[-1], b)
            else:
                first.append(a)
                last.append(b)
        self._first, self._last = first, last

    def discard(self, number: int) -> None:
        """Take a number out."""
        at = bisect_right(self._first, number) - 1
        if at < 0 or number > self._last[at]:
            return
        first, last = self._first[at], self._last[at]
        parts = [(a, b) for a, b in ((first, number - 1), (number + 1, last)) if a <= b]
        self._first[at : at + 1] = [a for a, _ in parts]
        self._last[at : at + 1] = [b for _, b in parts]

    def missing(self, upto: int) -> list[tuple[int, int]]:
        """Intervals of 1 … max(upto, last) that are not in the set."""
        gaps: list[tuple[int, int]] = []
        expected = 1
        for first, last in self:
            if first > expected:
                gaps.append((expected, first - 1))
            expected = last + 1
        if upto >= expected:
            gaps.append((expected, upto))
        return gaps


@dataclass(frozen=True, slots=True)
class _Settled:
    """Gaps of a kind's streams by run, and the latest time that they may touch."""

    gaps: Mapping[str, Sequence[tuple[int, int]]]
    until_ns: int

    def is_doubted(self, run: str, high_water: int) -> bool:
        """Whether such a mark, arriving late, moves a bound of theirs."""
        return any(high_water < last for _, last in self.gaps.get(run, ()))


class Streams:
    """Received sequence numbers and high-water marks of all streams. Safe from any thread. runs: how they ended."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._received: dict[Stream, Intervals] = {}
        self._high_water: dict[Stream, int] = {}
        self._settled: dict[str, _Settled] = {}
        self._marks = 0
        self._lock = threading.Lock()
        self.runs = Runs(clock)

    def add(self, stream: Stream, seq: int) -> bool:
        """Note that an event arrived; False where it had before."""
        with self._lock:
            return self._received.setdefault(stream, Intervals()).add(seq)

    def add_range(self, stream: Stream, first: int, last: int) -> None:
        """Note that stored events arrived long ago."""
        with self._lock:
            self._received.setdefault(stream, Intervals()).add_range(first, last)

    def discard(self, stream: Stream, seq: int) -> None:
        """The event was not stored after all."""
        with self._lock:
            self._received[stream].discard(seq)

    def mark(self, stream: Stream, high_water: int) -> None:
        """Note a mark: the stream went at least so far."""
        with self._lock:
            self._high_water[stream] = max(high_water, self._high_water.get(stream, 0))
            self._marks += 1
            run, kind = stream
            if (settled := self._settled.get(kind)) and settled.is_doubted(run, high_water):
                del self._settled[kind]

    @property
    def marks(self) -> int:
        """How many marks were noted."""
        return self._marks

    def settle(self, kind: str, gaps: Mapping[str, Sequence[tuple[int, int]]], until_ns: int, marks: int) -> None:
        """Remember up to when the gaps of a kind may reach. marks: how many were noted when that was looked up."""
        with self._lock:
            if marks == self._marks:
                self._settled[kind] = _Settled(gaps, until_ns)

    def may_miss(self, kind: str, window: Window) -> bool:
        """Whether a number that is missing may belong into the window, as far as is remembered."""
        gaps, settled = self.missing(kind), self._settled.get(kind)
        return bool(gaps) and (settled is None or settled.gaps != gaps or window.start_ns <= settled.until_ns)

    def received(self) -> Mapping[Stream, Sequence[tuple[int, int]]]:
        """All that arrived."""
        with self._lock:
            return {stream: list(intervals) for stream, intervals in self._received.items()}

    def high_water(self) -> Mapping[Stream, int]:
        """The highest mark of each stream."""
        with self._lock:
            return dict(self._high_water)

    def of(self, kind: str) -> Mapping[str, tuple[list[tuple[int, int]], int]]:
        """What arrived, and the highest mark, 0 where there is none, of a kind's streams, by run."""
        with self._lock:
            found = {stream for stream in (*self._received, *self._high_water) if stream[1] == kind}
            return {
                stream[0]: (list(self._received.get(stream, ())), self._high_water.get(stream, 0)) for stream in found
            }

    def missing(self, kind: str) -> Mapping[str, list[tuple[int, int]]]:
        """Intervals that did not arrive, by run, of the streams of a kind that have any."""
        with self._lock:
            runs = {run for run, each in (*self._received, *self._high_water) if each == kind}
            found = {run: self._missing((run, kind)) for run in runs}
            return {run: gaps for run, gaps in found.items() if gaps}

    def record(self, connection: Connection) -> None:
        """Write everything down, before the tables that could tell it are dropped."""
        sql = queries("store")
        connection.execute(sql["clear_stream_seqs"])
        connection.execute(sql["clear_stream_marks"])
        seqs: list[Row] = [[*stream, a, b] for stream, each in self.received().items() for a, b in each]
        marks: list[Row] = [[*stream, high_water] for stream, high_water in self.high_water().items()]
        if seqs:
            insert_rows(connection, "stream_seqs", _SEQ_COLUMNS, seqs)
        if marks:
            insert_rows(connection, "stream_marks", _MARK_COLUMNS, marks)
        self.runs.record(connection)

    def load(self, connection: Connection) -> None:
        """Read what was written down."""
        sql = queries("store")
        for run, kind, first, last in connection.execute(sql["stream_seqs"]).fetchall():
            self.add_range((run, kind), first, last)
        for run, kind, high_water in connection.execute(sql["stream_marks"]).fetchall():
            self.mark((run, kind), high_water)
        self.runs.load(connection)

    def _missing(self, stream: Stream) -> list[tuple[int, int]]:
        return self._received.get(stream, Intervals()).missing(self._high_water.get(stream, 0))
