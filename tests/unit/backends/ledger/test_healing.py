"""A DuckDB instance that is no use any more is opened anew, whoever reads meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from flashmm_backends.ledger._database import Database
from flashmm_backends.ledger._reading import OUT_OF_ORDER
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ports import Unavailable

GONE = duckdb.FatalException("database has been invalidated because of a previous fatal error")


def _reads(database: Database) -> bool:
    return database.reader().execute("SELECT 1").fetchall() == [(1,)]


def _reading(database: Database, stopped: Callable[[], bool]) -> int:
    n = 0
    while not stopped():
        try:
            n += _reads(database)
        except (Unavailable, *OUT_OF_ORDER):
            continue
    return n


def test_readers_go_on_after_each_healing(tmp_path: Path) -> None:
    """None fails but with what is told as 503, and none keeps a cursor of an instance that is gone."""
    database, stop = Database(tmp_path, LedgerSettings()), threading.Event()
    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(_reading, database, stop.is_set) for _ in range(4)]
        try:
            for _ in range(20):
                database.heal(GONE)
        finally:
            stop.set()
        assert all(reader.result() >= 0 for reader in readers)
        database.heal(GONE)  # refused until now, where a reader was at work at each time
        assert all(threads.map(_reads, [database] * 16))
    database.close()


def test_what_cannot_be_opened_again_yet_is_tried_again(tmp_path: Path) -> None:
    """Readers are told meanwhile, and whoever heals goes on."""
    folder, away = tmp_path / "ledger", tmp_path / "away"
    folder.mkdir()
    database = Database(folder, LedgerSettings())
    folder.rename(away)
    database.heal(GONE)
    with pytest.raises(Unavailable):
        database.reader()
    with pytest.raises(duckdb.ConnectionException) as closed:
        database.transact(lambda connection: connection.execute("SELECT 1"))
    away.rename(folder)
    database.heal(closed.value)
    assert _reads(database)
    database.close()


def test_other_errors_leave_it_alone(tmp_path: Path) -> None:
    """A statement that fails says nothing of the instance."""
    database = Database(tmp_path, LedgerSettings())
    connection = database.connection
    database.heal(duckdb.OutOfMemoryException("no memory"))
    assert database.connection is connection
    database.close()
