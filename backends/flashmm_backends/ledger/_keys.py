"""Which sealed files may hold an id: beside a file lies a sorted list of hashes of the ids in it.

A lookup by id (a trace, an order) has no window; a binary search in each list leaves the one or two files that DuckDB
then reads. A file without a list, as an earlier version wrote it, may hold anything.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.ledger._catalog import RecentTable, SealedFile, keys_path
from flashmm_backends.ledger._database import Connection, fetch
from flashmm_backends.ledger._parquet import put_aside
from flashmm_backends.ledger._sql import queries, quoted
from flashmm_backends.ledger._tables import ROW_TABLES

_DTYPE: Final = np.dtype("<u8")


def write_keys(connection: Connection, table: RecentTable, path: Path) -> None:
    """Write the list for the sealed file at `path`, which the table's rows go into. Raises duckdb.Error, OSError."""
    found = [_hashes(connection, table.name, column) for column in ROW_TABLES[table.kind].keys]
    if found:
        put_aside(keys_path(path), lambda aside: aside.write_bytes(np.unique(np.concatenate(found)).tobytes()))


def _hashes(connection: Connection, table: str, column: str) -> npt.NDArray[np.uint64]:
    sql = queries("rows")["key_hashes"].format(table=quoted(table), column=quoted(column))
    return np.asarray(fetch(connection, sql)["hash"], _DTYPE)


def may_hold(directory: Path, file: SealedFile, ids: Sequence[str]) -> bool:
    """Whether the file may have a row of one of the ids; False is certain."""
    try:
        path = keys_path(directory / file.path)
        hashes = np.memmap(path, _DTYPE, "r") if path.stat().st_size else np.empty(0, _DTYPE)
    except (OSError, ValueError):
        # There is none, or its length is not that of a list.
        return True
    wanted = np.array([_hash(each) for each in ids], np.uint64)
    return bool((np.searchsorted(hashes, wanted, "right") > np.searchsorted(hashes, wanted)).any())


def _hash(text: str) -> int:
    # What DuckDB calls md5_number_lower.
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little")
