"""Reads of rows on the ledger's own threads: everything acknowledged is seen, nothing torn."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar, cast

import duckdb

from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import Catalog, SealedFile, Snapshot
from flashmm_backends.ledger._database import (
    NO_ARRAYS,
    Arrays,
    Connection,
    Database,
    arrays_of,
    arrow_reader,
    run_with,
    unavailable,
)
from flashmm_backends.ledger._keys import KeyLists
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._rows_source import EVER, relation
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._tables import RowTable
from flashmm_backends.ledger._waiting import Waiting, rows_after

_T = TypeVar("_T")
_ATTEMPTS = 50
_PUBLISH_S = 1.0
_INTERRUPT_S = 0.05
_WAITING_ROWS_MAX = 20_000
OUT_OF_ORDER = (
    *(duckdb.IOException, duckdb.FatalException, duckdb.InternalException),
    *(duckdb.OutOfMemoryException, duckdb.ConnectionException),
    duckdb.InvalidInputException,  # closed between a statement and its answer
)
"""DuckDB cannot answer anybody now, or not yet again."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement of `rows.sql` over the rows of a table.

    span: of the table's time, inclusive: no other rows matter. only: the columns that it uses, where those are few.
    ids: values of the table's `keys` columns: rows without one of them do not matter; empty for all.
    parts: what else its text leaves open.
    """

    name: str
    table: RowTable
    parameters: Sequence[object]
    span: tuple[int, int] = EVER
    only: Collection[str] = ()
    ids: Sequence[str] = ()
    parts: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class View:
    """One consistent view of all rows, for the time of one read."""

    connection: Connection
    catalog: Catalog
    lists: KeyLists
    snapshot: Snapshot
    waiting: Waiting

    def run(self, query: Query) -> Connection:
        """Execute the query; what it found is to be fetched from the result."""
        sql, incoming = self._bound(query)
        return run_with(self.connection, sql, incoming, query.parameters)

    def arrow_reader(self, query: Query, batch_rows: int) -> object:
        """The answer as pyarrow's RecordBatchReader, piece by piece."""
        sql, incoming = self._bound(query)
        return arrow_reader(self.connection, sql, incoming, query.parameters, batch_rows)

    def _bound(self, query: Query) -> tuple[str, Arrays]:
        table = query.table
        at = [i for i, column in enumerate(table.columns) if not query.only or column.name in query.only]
        columns = [table.columns[i] for i in at]
        rows = [[row[i] for i in at] for row in self._waiting_rows(table, query.span)]
        recent = self.snapshot.tables.get(table.name, ())
        source = relation(self.catalog, self.snapshot, recent, self._files(query), columns, waiting=bool(rows))
        sql = queries("rows")[query.name].format(source=source, **query.parts)
        return sql, arrays_of(columns, rows) if rows else NO_ARRAYS

    def _files(self, query: Query) -> Sequence[SealedFile]:
        first, last = query.span
        files = [
            each for each in self.snapshot.of(query.table.name) if each.time_min <= last and each.time_max >= first
        ]
        return self.lists.holding(files, query.ids) if query.ids else files

    def _waiting_rows(self, table: RowTable, span: tuple[int, int]) -> list[Row]:
        time = [column.name for column in table.columns].index(table.time_column)
        rows = rows_after(self.waiting, self.snapshot.applied, table.name)
        return [row for row in rows if span[0] <= cast("int", row[time]) <= span[1]]


@dataclass(slots=True)
class Reading:
    """Runs reads: pins files, adds the rows that are in no table yet, tries again when a table was sealed."""

    applier: Applier
    catalog: Catalog
    lists: KeyLists
    database: Database
    threads: ThreadPoolExecutor
    _large: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever needs much of DuckDB's memory: two at a time would leave none to anybody else."""

    async def read(self, work: Callable[[View], _T]) -> _T:
        """Run a read on one of the ledger's threads. Raises Unavailable."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.read_here, work)

    async def read_large(self, work: Callable[[View], _T]) -> _T:
        """The same for a read that may need much memory: one at a time. Raises Unavailable."""
        async with self._large:
            return await self.read(work)

    def read_here(self, work: Callable[[View], _T]) -> _T:
        """The same on this thread."""
        self._relieve()
        for attempt in range(_ATTEMPTS):
            with self._view(self.database.reader()) as view:
                try:
                    return work(view)
                except (duckdb.CatalogException, duckdb.DataError) as error:
                    if attempt == _ATTEMPTS - 1:
                        raise unavailable(error) from error
                    self._settle(view, error)
                except OUT_OF_ORDER as error:
                    raise unavailable(error) from error
        raise AssertionError("unreachable")

    @contextmanager
    def _view(self, connection: Connection) -> Generator[View]:
        # What waits before the snapshot: what leaves the one in between is in the other then.
        waiting = self.applier.waiting
        with self.catalog.reading() as snapshot:
            yield View(connection, self.catalog, self.lists, snapshot, waiting)

    def _settle(self, view: View, error: duckdb.Error) -> None:
        if isinstance(error, duckdb.CatalogException):
            # A table of the snapshot was sealed and dropped; what is there instead is about to be published.
            self.catalog.wait_beyond(view.snapshot.version, _PUBLISH_S)
        else:
            # A row waits that no table will take: applying puts it aside.
            self.applier.flush()

    def _relieve(self) -> None:
        if self.applier.pending_rows > _WAITING_ROWS_MAX:
            self.applier.flush()

    async def stream(self, make: Callable[[View], Iterator[bytes]]) -> AsyncGenerator[bytes]:
        """Pieces of a long answer, each made on one of the ledger's threads; files stay while it lasts.

        Raises Unavailable, and before the first piece what `make` raises. Cancelled, it interrupts the query, and
        ends once the thread is done with it.
        """
        await asyncio.get_running_loop().run_in_executor(self.threads, self._relieve)
        with self.database.cursor() as cursor, self._view(cursor) as view:
            cursor.begin()  # its statements see one state, whatever is sealed meanwhile
            pieces = make(view)
            try:
                while (piece := await self._next(pieces, cursor)) is not None:
                    yield piece
            except (duckdb.Error, OSError) as error:  # Arrow tells DuckDB's errors as OSError
                raise unavailable(error) from error

    async def _next(self, pieces: Iterator[bytes], cursor: Connection) -> bytes | None:
        async with self._large:
            return await self._made(pieces, cursor)

    async def _made(self, pieces: Iterator[bytes], cursor: Connection) -> bytes | None:
        making = asyncio.get_running_loop().run_in_executor(self.threads, next, pieces, None)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            # An interrupt before the statement begins is lost, so again and again; so may be the cancellation.
            while not making.done():
                cursor.interrupt()
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([making], timeout=_INTERRUPT_S)
            making.exception()
            raise
