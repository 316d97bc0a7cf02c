"""From the journal into tables: one thread writes to DuckDB, in a few large transactions.

A row is durable before it comes here. An INSERT of one commit's events costs DuckDB milliseconds of CPU whatever
their number, so they are put in once a second; readers see them beside the tables until then.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Final, TypeVar, cast

import duckdb
import orjson

from flashmm_backends.ledger._catalog import Catalog, RecentTable
from flashmm_backends.ledger._database import (
    Connection,
    Database,
    check_rows,
    create_row_table,
    insert_rows,
    unavailable,
)
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._staging import RESOURCES, SERIES
from flashmm_backends.ledger._tables import RESOURCE_COLUMNS, ROW_TABLES, SERIES_COLUMNS, Column
from flashmm_backends.ledger._telemetry import LedgerMetrics
from flashmm_backends.ledger._waiting import RowsByTable, Waiting, WaitingRows, rows_by_table
from flashmm_backends.ports import Unavailable

_log = logging.getLogger("flashmm.ledger")
_T = TypeVar("_T")

_RETRY_S = 1.0


class Applier:
    """Rows that wait, and the thread that owns DuckDB's writing connection."""

    def __init__(
        self,
        settings: LedgerSettings,
        database: Database,
        catalog: Catalog,
        metrics: LedgerMetrics,
        clock: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._database = database
        self._catalog = catalog
        self._metrics = metrics
        self._clock = clock
        self._waiting = WaitingRows()
        self._applied = self._last = 0
        self._hurry = False
        self._failure: Unavailable | None = None
        self._jobs: deque[tuple[Callable[[Connection], object], Future[object]]] = deque()
        self._ailments: list[Exception] = []
        self._stopping = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ledger-apply", daemon=True)

    @property
    def pending_rows(self) -> int:
        """Rows that are in the journal only."""
        return len(self._waiting)

    @property
    def waiting(self) -> Waiting:
        """Those rows. A reader takes them before its snapshot, which says up to where it holds them itself."""
        return self._waiting.entries

    def start(self) -> None:
        """Begin to apply."""
        self._thread.start()

    def stop(self) -> None:
        """Apply what waits, if that works, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, number: int, rows: RowsByTable) -> None:
        """Take the rows of a durable journal record."""
        if not rows:
            return
        self._waiting.add(number, rows)
        self._last = number

    def flush(self) -> None:
        """Return once everything added so far is in tables. Raises Unavailable."""
        with self._wake:
            target = self._last
            if self._applied >= target:
                return
            self._hurry, self._failure = True, None
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._applied >= target or self._failure or not self._thread.is_alive())
            if self._applied < target:
                raise self._failure or Unavailable("the ledger", "it is closed")

    def run(self, job: Callable[[Connection], _T]) -> _T:
        """Run a job in a transaction of its own on the writing thread; wait for its result."""
        future: Future[object] = Future()
        with self._wake:
            if self._stopping:
                raise Unavailable("the ledger", "it is shutting down")
            self._jobs.append((job, future))
            self._wake.notify_all()
        return cast("_T", future.result())

    def heal(self, error: Exception) -> None:
        """Have the writing thread, whose connection it is, heal what the error has broken."""
        with self._wake:
            self._ailments.append(error)
            self._wake.notify_all()

    def _run(self) -> None:
        while self._step():
            pass
        with self._wake:
            self._wake.notify_all()

    def _step(self) -> bool:
        with self._wake:
            self._wake.wait_for(self._is_called, self._settings.apply_interval_s)
            jobs, waiting = list(self._jobs), self._waiting.entries
            self._jobs.clear()
            ailments, self._ailments = self._ailments, []
            self._hurry = False
            stopping = self._stopping
        for ailment in ailments:
            self._database.heal(ailment)
        for job, future in jobs:
            self._do(job, future)
        healthy = not waiting or self._apply(waiting)
        if not healthy and not stopping:
            self._rest()
        return not stopping

    def _is_called(self) -> bool:
        return self._hurry or self._stopping or bool(self._jobs) or bool(self._ailments)

    def _rest(self) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._stopping, _RETRY_S)

    def _do(self, job: Callable[[Connection], object], future: "Future[object]") -> None:
        try:
            result = self._database.transact(job)
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: whoever asked for the job gets its error
            self._metrics.failures.labels("job").inc()
            _log.error("a transaction on the writing thread failed, whoever asked for it is told: %s", error)
            self._database.heal(error)
            future.set_exception(error)
        else:
            future.set_result(result)

    def _apply(self, waiting: Waiting) -> bool:
        begun, number = time.monotonic(), waiting[-1].number
        try:
            self._insert(number, rows_by_table(waiting))
        # The boundary of the thread: whatever it breaks on, the rows stay in the journal and are tried again.
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            return False
        self._waiting.drop(number)
        with self._wake:
            self._applied, self._failure = number, None
            self._wake.notify_all()
        self._metrics.apply_seconds.inc(time.monotonic() - begun)
        return True

    def _fail(self, error: Exception) -> None:
        self._metrics.failures.labels("apply").inc()
        _log.error("rows stay in the journal until DuckDB takes them: %s", error)
        self._database.heal(error)
        with self._wake:
            self._failure = unavailable(error)
            self._wake.notify_all()

    def _insert(self, number: int, rows: RowsByTable) -> None:
        tables = {name: self._target(name) for name in rows if name in ROW_TABLES}
        try:
            grown = self._database.transact(lambda connection: self._write(connection, number, rows, tables))
        except duckdb.DataError:
            self._quarantine(rows)
            grown = self._database.transact(lambda connection: self._write(connection, number, rows, tables))
        self._catalog.change_tables(grown, applied=number)

    def _target(self, kind: str) -> RecentTable:
        tables = self._catalog.snapshot.tables.get(kind, ())
        if tables and not self._is_full(tables[-1]):
            return tables[-1]
        generation = self._catalog.next_id()
        return RecentTable(kind, generation, 0, self._clock())

    def closed_tables(self) -> Sequence[RecentTable]:
        """Tables that are full or old: they take no more rows from now on. Raises Unavailable."""
        return self.run(lambda _: self._close()) if self._full_tables() else ()

    def _close(self) -> Sequence[RecentTable]:
        """On the writing thread, so that no row is on its way into one of them, whatever its clock says next."""
        closed = [replace(table, opened_ns=0) for table in self._full_tables()]
        self._catalog.change_tables(closed)
        return closed

    def _full_tables(self) -> Sequence[RecentTable]:
        return [table for each in self._catalog.snapshot.tables.values() for table in each if self._is_full(table)]

    def _is_full(self, table: RecentTable) -> bool:
        age_s = (self._clock() - table.opened_ns) / 1e9
        return table.rows >= self._settings.row_seal_rows or age_s >= self._settings.row_seal_age_s

    def _write(
        self, connection: Connection, number: int, rows: RowsByTable, tables: Mapping[str, RecentTable]
    ) -> list[RecentTable]:
        grown: list[RecentTable] = []
        for name, each in rows.items():
            if name in tables:
                grown.append(self._write_recent(connection, tables[name], each))
            elif each:
                insert_rows(connection, name, _FIXED[name], each)
        connection.execute(queries("store")["set_applied"], [number])
        return grown

    def _write_recent(self, connection: Connection, table: RecentTable, rows: Sequence[Row]) -> RecentTable:
        spec = ROW_TABLES[table.kind]
        if table.rows == 0:
            create_row_table(connection, spec, table.name)
        if rows:
            insert_rows(connection, table.name, spec.columns, rows)
        return replace(table, rows=table.rows + len(rows))

    def _quarantine(self, rows: RowsByTable) -> None:
        """Take out rows that no table would ever take, and keep them in a file for a person to look at."""
        for name, each in rows.items():
            columns = _FIXED[name] if name in _FIXED else ROW_TABLES[name].columns
            bad = list(_unfit(self._database.connection, columns, each))
            if bad:
                rows[name] = [row for row in each if row not in bad]
                self._metrics.quarantined.inc(len(bad))
                _log.error("%d rows of %s do not fit their table: see quarantine.jsonl", len(bad), name)
                with (self._catalog.directory / "quarantine.jsonl").open("ab") as file:
                    file.writelines(orjson.dumps([name, row]) + b"\n" for row in bad)


_FIXED: Final[Mapping[str, Sequence[Column]]] = {SERIES: SERIES_COLUMNS, RESOURCES: RESOURCE_COLUMNS}


def _unfit(connection: Connection, columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[Row]:
    try:
        check_rows(connection, columns, rows)
    except duckdb.DataError:
        if len(rows) == 1:
            yield rows[0]
            return
        half = len(rows) // 2
        yield from _unfit(connection, columns, rows[:half])
        yield from _unfit(connection, columns, rows[half:])
