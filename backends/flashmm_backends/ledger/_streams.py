"""Which sequence numbers of each stream have arrived, and how far its marks say it went."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flashmm_backends.intervals import Intervals
from flashmm_backends.ledger._database import Connection, insert_rows
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._runs import Runs
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._tables import Column, ColumnType
from flashmm_backends.ports import Window

_RUN_KIND: Final = (Column("run", ColumnType.TEXT), Column("kind", ColumnType.TEXT))
_SEQ_COLUMNS: Final = (*_RUN_KIND, Column("first_seq", ColumnType.INT), Column("last_seq", ColumnType.INT))
_HEARD_COLUMNS: Final = (Column("run", ColumnType.TEXT), Column("heard_ns", ColumnType.INT))
_MARK_COLUMNS: Final = (*_RUN_KIND, Column("high_water", ColumnType.INT))

Stream = tuple[str, str]
"""(run, kind)."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """Gaps of a kind's streams by run, and the latest time that they may touch."""

    gaps: Mapping[str, Sequence[tuple[int, int]]]
    until_ns: int

    def is_doubted(self, run: str, high_water: int) -> bool:
        """Whether such a mark, arriving late, moves a bound of theirs."""
        return any(high_water < last for _, last in self.gaps.get(run, ()))


@dataclass(slots=True)
class _Stream:
    """What arrived of one stream, and its highest mark."""

    received: Intervals = field(default_factory=Intervals)
    high_water: int = 0

    def missing(self) -> list[tuple[int, int]]:
        return self.received.missing(self.high_water)


class Streams:
    """Received sequence numbers and high-water marks of all streams. Safe from any thread. runs: how they ended."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._kinds: dict[str, dict[str, _Stream]] = {}
        self._gappy: dict[str, set[str]] = {}
        """By kind: runs of which a number may be missing; few, so that a read need not look at all."""
        self._heard_ns: dict[str, int] = {}
        self._settled: dict[str, _Settled] = {}
        self._marks = 0
        self._lock = threading.Lock()
        self.runs = Runs(clock)

    def add(self, stream: Stream, seq: int) -> bool:
        """Note that an event arrived; False where it had before."""
        with self._lock:
            known = self._of(stream)
            new = known.received.add(seq)
            self._judge(stream, known)
            return new

    def add_range(self, stream: Stream, first: int, last: int) -> None:
        """Note that stored events arrived long ago."""
        with self._lock:
            known = self._of(stream)
            known.received.add_range(first, last)
            self._judge(stream, known)

    def discard(self, stream: Stream, seq: int) -> None:
        """The event was not stored after all."""
        run, kind = stream
        with self._lock:
            known = self._of(stream)
            known.received.discard(seq)
            self._judge(stream, known)
            if not known.received.last and not known.high_water:
                del self._kinds[kind][run]

    def mark(self, stream: Stream, high_water: int) -> None:
        """Note a mark: the stream went at least so far."""
        run, kind = stream
        with self._lock:
            known = self._of(stream)
            known.high_water = max(high_water, known.high_water)
            self._judge(stream, known)
            self._marks += 1
            if (settled := self._settled.get(kind)) and settled.is_doubted(run, high_water):
                del self._settled[kind]

    def _of(self, stream: Stream) -> _Stream:
        run, kind = stream
        runs = self._kinds.setdefault(kind, {})
        known = runs.get(run)
        if known is None:
            known = runs[run] = _Stream()
        return known

    def _judge(self, stream: Stream, known: _Stream) -> None:
        run, kind = stream
        gappy = self._gappy.setdefault(kind, set())
        if known.received.has_all(known.high_water):
            gappy.discard(run)
        else:
            gappy.add(run)

    def hear(self, runs: Iterable[str]) -> None:
        """Note that something durable came of these runs, or about them."""
        now_ns = self._clock()
        with self._lock:
            self._heard_ns |= dict.fromkeys(runs, now_ns)

    def forget(self, before_ns: int) -> None:
        """Let go of runs of which nothing has come since: what there was of them has left."""
        with self._lock:
            gone = {run for run, heard_ns in self._heard_ns.items() if heard_ns < before_ns}
            for run in gone:
                del self._heard_ns[run]
                for kind, runs in self._kinds.items():
                    if runs.pop(run, None):
                        self._gappy[kind].discard(run)
        self.runs.forget(gone)

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
            return {stream: list(known.received) for stream, known in self._all()}

    def high_water(self) -> Mapping[Stream, int]:
        """The highest mark of each stream that has any."""
        with self._lock:
            return {stream: known.high_water for stream, known in self._all() if known.high_water}

    def _all(self) -> Iterator[tuple[Stream, _Stream]]:
        return (((run, kind), known) for kind, runs in self._kinds.items() for run, known in runs.items())

    def of(self, kind: str) -> Mapping[str, tuple[list[tuple[int, int]], int]]:
        """What arrived, and the highest mark, 0 where there is none, of a kind's streams, by run."""
        with self._lock:
            known = self._kinds.get(kind, {})
            return {run: (list(each.received), each.high_water) for run, each in known.items()}

    def missing(self, kind: str) -> Mapping[str, list[tuple[int, int]]]:
        """Intervals that did not arrive, by run, of the streams of a kind that have any."""
        with self._lock:
            known = self._kinds.get(kind, {})
            found = {run: known[run].missing() for run in self._gappy.get(kind, ())}
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
        self._record_heard(connection)
        self.runs.record(connection)

    def _record_heard(self, connection: Connection) -> None:
        connection.execute(queries("store")["clear_stream_heard"])
        with self._lock:
            heard: list[Row] = [[run, heard_ns] for run, heard_ns in self._heard_ns.items()]
        if heard:
            insert_rows(connection, "stream_heard", _HEARD_COLUMNS, heard)

    def load(self, connection: Connection) -> None:
        """Read what was written down. Of a run that has come since, it is known anew that it has been heard."""
        sql = queries("store")
        for run, kind, first, last in connection.execute(sql["stream_seqs"]).fetchall():
            self.add_range((run, kind), first, last)
        for run, kind, high_water in connection.execute(sql["stream_marks"]).fetchall():
            self.mark((run, kind), high_water)
        self.runs.load(connection)
        self._heard_ns = dict(connection.execute(sql["stream_heard"]).fetchall())
        self.hear_unheard()

    def hear_unheard(self) -> None:
        """As from now where it is not known when something came last."""
        known = {run for runs in self._kinds.values() for run in runs} | self.runs.told().keys()
        self.hear(known - self._heard_ns.keys())
