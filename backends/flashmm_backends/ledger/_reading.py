"""Reads of rows on the ledger's own threads: everything acknowledged is seen, nothing torn."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import duckdb

from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import Catalog, Snapshot
from flashmm_backends.ledger._database import Connection, Database, unavailable
from flashmm_backends.ledger._rows_source import EVER, relation
from flashmm_backends.ledger._tables import RowTable

_T = TypeVar("_T")
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class View:
    """One consistent view of all rows, for the time of one read."""

    connection: Connection
    catalog: Catalog
    snapshot: Snapshot

    def source(self, table: RowTable, span: tuple[int, int] = EVER) -> str:
        """The rows of a table as a subquery."""
        return relation(self.catalog, self.snapshot, table, span)


@dataclass(slots=True)
class Reading:
    """Runs reads: puts waiting rows into their tables first, pins files, tries again when a table was sealed."""

    applier: Applier
    catalog: Catalog
    database: Database
    threads: ThreadPoolExecutor

    async def read(self, work: Callable[[View], _T]) -> _T:
        """Run a read on one of the ledger's threads. Raises Unavailable."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.read_here, work)

    def read_here(self, work: Callable[[View], _T]) -> _T:
        """The same on this thread."""
        self.applier.flush()
        for attempt in range(_ATTEMPTS):
            with self.catalog.reading() as snapshot:
                try:
                    return work(View(self.database.reader(), self.catalog, snapshot))
                except duckdb.CatalogException as error:
                    # The table was sealed between the snapshot and the query.
                    if attempt == _ATTEMPTS - 1:
                        raise unavailable(error) from error
                except (duckdb.IOException, duckdb.FatalException, duckdb.OutOfMemoryException) as error:
                    raise unavailable(error) from error
        raise AssertionError("unreachable")

    async def stream(self, make: Callable[[View], Iterator[bytes]]) -> AsyncGenerator[bytes]:
        """Pieces of a long answer, each made on one of the ledger's threads; files stay while it lasts.

        Raises Unavailable, and before the first piece what `make` raises.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.threads, self.applier.flush)
        with self.catalog.reading() as snapshot, self.database.connection.cursor() as cursor:
            pieces = make(View(cursor, self.catalog, snapshot))
            try:
                while (piece := await loop.run_in_executor(self.threads, next, pieces, None)) is not None:
                    yield piece
            except duckdb.Error as error:
                raise unavailable(error) from error
