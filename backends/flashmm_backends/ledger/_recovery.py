"""What is known again after opening: series, resources, streams, and the journal's points and rows."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from flashmm_backends.batch import SeriesMeta
from flashmm_backends.ledger import _journal
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import Catalog
from flashmm_backends.ledger._database import Connection, Database, unavailable
from flashmm_backends.ledger._head import Head
from flashmm_backends.ledger._hours import SeriesHours, unused
from flashmm_backends.ledger._labels import Ids
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._runs import mark_of_run
from flashmm_backends.ledger._sql import queries, quoted
from flashmm_backends.ledger._staging import RESOURCES, SERIES, Known, Recall, mark_of, series_of
from flashmm_backends.ledger._tables import EVENT_TABLES, RowTable
from flashmm_backends.ledger._telemetry import LedgerMetrics
from flashmm_instrumentation.semconv import events as kinds

_MARK_COLUMNS = ("run", "time_ns", "mark", "kind", "previous_run")
_log = logging.getLogger("flashmm.ledger")


@dataclass(slots=True)
class Recovery:
    """Fills empty parts of a ledger from its directory."""

    directory: Path
    database: Database
    catalog: Catalog
    head: Head
    hours: SeriesHours
    known: Known
    applier: Applier
    metrics: LedgerMetrics
    clock: Callable[[], int]

    def run(self) -> tuple[int, int]:
        """Recover all; returns the number of the last record and of the next generation."""
        connection = self.database.connection
        self.catalog.load(connection, self.clock())
        self.hours.load(connection)
        self._load_streams(connection)
        self._load_known(connection)
        ((applied, sealed),) = connection.execute(queries("store")["progress"]).fetchall()
        journal = self.directory / "journal"
        last, generations = applied, _journal.generations(journal)
        for generation in generations:
            if generation <= sealed:
                _journal.remove(journal, generation)
            else:
                last = max(last, self._replay(journal, generation, applied))
        self.known.streams.hear_unheard()
        self._forget_unused_series()
        return last, max([sealed, *generations]) + 1

    def _load_streams(self, connection: Connection) -> None:
        streams, sql = self.known.streams, queries("rows")
        streams.load(connection)
        for kind, table in EVENT_TABLES.items():
            for recent in self.catalog.snapshot.tables.get(table.name, ()):
                islands = sql["islands"].format(table=quoted(recent.name))
                for run, first, last in connection.execute(islands).fetchall():
                    streams.add_range((run, kind), first, last)
                    streams.hear([run])
        for recent in self.catalog.snapshot.tables.get(EVENT_TABLES[kinds.STREAM.name].name, ()):
            marks = sql["high_water"].format(table=quoted(recent.name))
            for run, kind, high_water in connection.execute(marks).fetchall():
                streams.mark((run, kind), high_water)
            ends = sql["run_marks"].format(table=quoted(recent.name))
            for row in connection.execute(ends).fetchall():
                streams.runs.note(mark_of_run(dict(zip(_MARK_COLUMNS, row, strict=True))))

    def _load_known(self, connection: Connection) -> None:
        sql = queries("store")
        for row in connection.execute(sql["series"]).fetchall():
            self._restore_series(row)
        self.known.resources.update(name for (name,) in connection.execute(sql["resource_ids"]).fetchall())

    def _restore_series(self, row: Sequence[Any]) -> None:
        number, meta = series_of(row)
        if number >= self.known.index.next_number:
            self.known.index.restore(number, meta)

    def _replay(self, journal: Path, generation: int, applied: int) -> int:
        found = _journal.replay(journal, generation)
        if found.lost_bytes:
            self.metrics.lost_bytes.inc(found.lost_bytes)
            _log.warning("journal %d ends in %d bytes that were never acknowledged", generation, found.lost_bytes)
        entries = [(number, _journal.decode(payload)) for number, payload in found.records]
        self.head.open(generation, self.clock())
        self.head.add(
            _journal.joined([entry.points for _, entry in entries]),
            _journal.joined([entry.histograms for _, entry in entries], histograms=True),
        )
        for number, entry in entries:
            if number > applied:
                self._recover_rows(number, entry.rows)
        return max((number for number, _ in entries), default=0)

    def _recover_rows(self, number: int, rows: dict[str, list[Row]]) -> None:
        for row in rows.get(SERIES, ()):
            self._restore_series(row)
        self.known.resources.update(str(row[0]) for row in rows.get(RESOURCES, ()))
        for kind, table in EVENT_TABLES.items():
            for fields in _named(table, rows.get(table.name, ())):
                run, seq = str(fields["run"]), fields["seq"]
                self.known.streams.add((run, kind), seq if isinstance(seq, int) else 0)
                self.known.streams.hear([run])
                if kind == kinds.STREAM.name:
                    self._restore_mark(run, fields)
        self.applier.add(number, rows)

    def _restore_mark(self, run: str, fields: Mapping[str, object]) -> None:
        self.known.streams.runs.note(mark_of_run(fields))
        if mark := mark_of(run, fields):
            self.known.streams.mark(*mark)

    def _forget_unused_series(self) -> None:
        """Series of which retention has left no sample, for good: no receiver remembers what it described."""
        gone = unused(self.known.index, self.head, self.hours)
        if len(gone):
            self.database.transact(lambda c: c.execute(queries("store")["remove_series"], [gone.tolist()]))
            self.known.index.remove(gone)


def recalling(database: Database) -> Recall:
    """Stored series by number, for any thread."""

    def recall(numbers: Ids) -> Sequence[tuple[int, SeriesMeta]]:
        try:
            rows = database.reader().execute(queries("store")["series_by_id"], [numbers.tolist()]).fetchall()
        except duckdb.Error as error:
            raise unavailable(error) from error
        return [series_of(row) for row in rows]

    return recall


def _named(table: RowTable, rows: "list[Row] | tuple[()]") -> Iterator[dict[str, object]]:
    names = [column.name for column in table.columns]
    for row in rows:
        yield dict(zip(names, row, strict=True))
