"""The embedded DuckDB: opening, migrating, cursors for threads, and putting rows into tables by column."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import duckdb
import numpy as np
import numpy.typing as npt

from flashmm_backends.ledger._rows import Cell, Row
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ledger._sql import migrations, quoted
from flashmm_backends.ledger._tables import Column, ColumnType, RowTable
from flashmm_backends.ports import BackendError, Unavailable

_log = logging.getLogger("flashmm.ledger")
_T = TypeVar("_T")
Connection = duckdb.DuckDBPyConnection
Arrays = Mapping[str, npt.NDArray[Any]]
NO_ARRAYS: Arrays = {}
_INSTANCE_IS_GONE = (duckdb.FatalException, duckdb.InternalException, duckdb.ConnectionException)
_ROWS_AT_ONCE = 4_096
"""DuckDB looks through the cells without letting another thread run."""


class SchemaTooNew(BackendError):
    """The directory was written by a later version of the program."""

    def __init__(self, directory: Path, found: int, known: int) -> None:
        super().__init__(directory, found, known)
        self.directory, self.found, self.known = directory, found, known

    def __str__(self) -> str:
        return (
            f"the ledger in {self.directory} has schema version {self.found}, this program knows {self.known}: "
            "upgrade the program"
        )


class Database:
    """One DuckDB file. `connection` is for the thread that writes; others take `reader()`."""

    def __init__(self, directory: Path, settings: LedgerSettings) -> None:
        self._directory = directory
        self._settings = settings
        self._local = threading.local()
        self._healing = threading.Lock()
        """Held while the connection is replaced, and while a cursor of it becomes a thread's."""
        self.connection = self._connect()
        self._migrate()

    def _connect(self) -> Connection:
        connection = duckdb.connect(
            self._directory / "ledger.duckdb",
            config={
                "memory_limit": f"{self._settings.duckdb_memory_mb}MB",
                "threads": self._settings.duckdb_threads,
                "temp_directory": str(self._directory / "spill"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        connection.execute("SET GLOBAL parquet_metadata_cache = true")
        return connection

    def heal(self, error: Exception) -> None:
        """Open the file anew where the error has invalidated DuckDB's instance, as a full disk does.

        For the thread that writes. Where that fails, the next error tries again.
        """
        if not isinstance(error, _INSTANCE_IS_GONE) and "invalidated" not in str(error):
            return
        with self._healing:
            self._local = threading.local()
            try:
                self.connection.close()  # refused while a reader is at work
                self.connection = self._connect()
            except (duckdb.Error, OSError) as still:
                _log.error("DuckDB's file cannot be opened again yet: %s", still)

    def _migrate(self) -> None:
        known = migrations()
        version = self._version()
        if version > known[-1][0]:
            raise SchemaTooNew(self._directory, version, known[-1][0])
        for number, script in known:
            if number > version:
                self.transact(lambda connection, number=number, script=script: _upgrade(connection, number, script))

    def _version(self) -> int:
        found = self.connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_version'"
        ).fetchall()
        if not found[0][0]:
            return 0
        rows: list[tuple[int]] = self.connection.execute("SELECT max(version) FROM schema_version").fetchall()
        return rows[0][0]

    def transact(self, work: Callable[[Connection], _T]) -> _T:
        """Run work in one transaction of the writing thread."""
        self.connection.begin()
        try:
            result = work(self.connection)
            self.connection.commit()
        except BaseException:
            self._roll_back()
            raise
        return result

    def _roll_back(self) -> None:
        try:
            self.connection.rollback()
        except duckdb.Error:
            # A commit that failed has ended its transaction already.
            return

    def reader(self) -> Connection:
        """This thread's cursor, in autocommit. Raises Unavailable."""
        cursor: Connection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            with self._healing:
                cursor = self._local.cursor = self._cursor()
        return cursor

    def cursor(self) -> Connection:
        """A cursor of its own, to be closed by the caller. Raises Unavailable."""
        with self._healing:
            return self._cursor()

    def _cursor(self) -> Connection:
        try:
            return self.connection.cursor()
        except duckdb.Error as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Close the file; a checkpoint makes the next opening quick."""
        self.connection.close()


def _upgrade(connection: Connection, number: int, script: str) -> None:
    connection.execute(script)
    connection.execute("INSERT INTO schema_version VALUES (?)", [number])


def unavailable(error: Exception) -> Unavailable:
    """The store's own failure in the caller's words."""
    return Unavailable("the ledger", str(error).split("\n")[0])


def fetch(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> Arrays:
    """The answer by column; a column with NULLs is a masked array."""
    return fetched(connection.execute(sql, parameters))


def fetched(executed: Connection) -> Arrays:
    """The answer of what was executed, by column; a column with NULLs is a masked array."""
    return cast("Arrays", executed.fetchnumpy())  # pyright: ignore[reportUnknownMemberType] - DuckDB's stub is partial


def create_row_table(connection: Connection, table: RowTable, name: str) -> None:
    """An empty table for one generation of rows."""
    columns = ", ".join(f"{quoted(column.name)} {column.type.value}" for column in table.columns)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({columns})")


def insert_rows(connection: Connection, name: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Append rows, whose cells are in the order of the columns; at least one."""
    names = ", ".join(quoted(column.name) for column in columns)
    sql = f"INSERT INTO {quoted(name)} ({names}) {casts(columns)}"
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        run_with(connection, sql, arrays_of(columns, rows[start : start + _ROWS_AT_ONCE]))


def check_rows(connection: Connection, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Raise duckdb.DataError when a cell does not fit its column."""
    if rows:
        run_with(connection, casts(columns), arrays_of(columns, rows)).fetchall()


def casts(columns: Sequence[Column]) -> str:
    """A query for the columns of `incoming` as they are stored."""
    cells = ", ".join(
        f"CAST({quoted(column.name)} AS {column.type.value}) AS {quoted(column.name)}" for column in columns
    )
    return f"SELECT {cells} FROM incoming"  # noqa: S608 - our own names


def arrays_of(columns: Sequence[Column], rows: Sequence[Row]) -> Arrays:
    """Rows by column, as DuckDB takes them; at least one row."""
    cells = zip(*rows, strict=True)
    return {column.name: _array(column.type, values) for column, values in zip(columns, cells, strict=True)}


def run_with(connection: Connection, sql: str, incoming: Arrays, parameters: Sequence[object] = ()) -> Connection:  # noqa: ARG001
    """Execute SQL that reads the arrays as a table named `incoming`: DuckDB looks it up in this frame."""
    return connection.execute(sql, parameters)


def arrow_reader(
    connection: Connection,
    sql: str,
    incoming: Arrays,  # noqa: ARG001 - DuckDB looks it up in this frame
    parameters: Sequence[object],
    batch_rows: int,
) -> object:
    """The same, its answer as pyarrow's RecordBatchReader, made piece by piece."""
    relation = connection.sql(sql, params=list(parameters))
    return relation.to_arrow_reader(batch_rows)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - DuckDB's stub is partial


def _array(type_: ColumnType, values: Sequence[Cell]) -> npt.NDArray[Any]:
    if type_ in (ColumnType.TEXT, ColumnType.DECIMAL):
        return _objects(values)
    if type_ is ColumnType.FLOAT and any(isinstance(value, str) for value in values):
        return _objects([None if value is None else str(value) for value in values])
    dtype = {ColumnType.INT: np.int64, ColumnType.FLOAT: np.float64, ColumnType.BOOL: np.bool_}[type_]
    if None not in values:
        return np.array(values, dtype)
    mask = [value is None for value in values]
    return np.ma.masked_array(np.array([0 if value is None else value for value in values], dtype), mask)


def _objects(values: Sequence[Cell]) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
