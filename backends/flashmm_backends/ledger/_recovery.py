"""What is known again after opening: series, resources, streams, and the journal's points and rows."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import orjson

from flashmm_backends.batch import SeriesMeta
from flashmm_backends.ledger import _journal
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import Catalog
from flashmm_backends.ledger._database import Connection, Database
from flashmm_backends.ledger._head import Head
from flashmm_backends.ledger._hours import SeriesHours
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._runs import mark_of_run
from flashmm_backends.ledger._sql import queries, quoted
from flashmm_backends.ledger._staging import RESOURCES, SERIES, Known, mark_of
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
            self._restore_series(list(row))
        self.known.resources.update(name for (name,) in connection.execute(sql["resource_ids"]).fetchall())

    def _restore_series(self, row: Row) -> None:
        number, hash_, labels, type_, unit, help_ = row
        if isinstance(number, int) and number >= self.known.index.next_number:
            self.known.index.restore(number, _meta(str(hash_), str(labels), str(type_), str(unit), str(help_)))

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
                if kind == kinds.STREAM.name:
                    self._restore_mark(run, fields)
        self.applier.add(number, rows)

    def _restore_mark(self, run: str, fields: Mapping[str, object]) -> None:
        self.known.streams.runs.note(mark_of_run(fields))
        if mark := mark_of(run, fields):
            self.known.streams.mark(*mark)

    def _forget_unused_series(self) -> None:
        """Series of which retention has left no sample. Only now: receivers remember what they described."""
        index = self.known.index
        used = [self.hours.ever_seen()]
        used += [each.series for gen in self.head.generations for each in (*gen.points, *gen.histograms)]
        unused = np.setdiff1d(index.match(()), np.concatenate(used)).tolist()
        if unused:
            self.database.transact(lambda c: c.execute(queries("store")["remove_series"], [unused]))
            index.remove(unused)


def _meta(hash_: str, labels: str, type_: str, unit: str, help_: str) -> SeriesMeta:
    pairs = cast("list[tuple[str, str]]", orjson.loads(labels))
    return SeriesMeta(int(hash_, 16), tuple((name, value) for name, value in pairs), type_, unit, help_)


def _named(table: RowTable, rows: "list[Row] | tuple[()]") -> Iterator[dict[str, object]]:
    names = [column.name for column in table.columns]
    for row in rows:
        yield dict(zip(names, row, strict=True))
