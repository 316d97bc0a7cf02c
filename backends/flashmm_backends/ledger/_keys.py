"""Which sealed files may hold an id: beside a file lies a sorted list of hashes of the ids in it.

A lookup by id (a trace, an order) has no window; a binary search in each list leaves the one or two files that DuckDB
then reads. A file without a list, as an earlier version wrote it, may hold anything.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
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
_MAPPED_MAX: Final = 4_096

Hashes = npt.NDArray[np.uint64]


def write_keys(connection: Connection, table: RecentTable, path: Path) -> None:
    """Write the list for the sealed file at `path`, which the table's rows go into. Raises duckdb.Error, OSError."""
    found = [_hashes(connection, table.name, column) for column in ROW_TABLES[table.kind].keys]
    if found:
        put_aside(keys_path(path), lambda aside: aside.write_bytes(np.unique(np.concatenate(found)).tobytes()))


def _hashes(connection: Connection, table: str, column: str) -> Hashes:
    sql = queries("rows")["key_hashes"].format(table=quoted(table), column=quoted(column))
    return np.asarray(fetch(connection, sql)["hash"], _DTYPE)


class KeyLists:
    """The lists of the sealed files in a directory, mapped into memory when first asked."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mapped = lru_cache(_MAPPED_MAX)(self._map)

    def holding(self, files: Sequence[SealedFile], ids: Sequence[str]) -> list[SealedFile]:
        """The files that may have a row of one of the ids; none of the others has."""
        wanted = np.unique(np.array([_hash(each) for each in ids], _DTYPE))
        return [file for file in files if _has_any(self._mapped(file.path), wanted)]

    def _map(self, path: str) -> Hashes | None:
        keys = keys_path(self._directory / path)
        try:
            return np.memmap(keys, _DTYPE, "r") if keys.stat().st_size else np.empty(0, _DTYPE)
        except (OSError, ValueError):
            # There is none, or its length is not that of a list.
            return None


def _has_any(hashes: Hashes | None, wanted: Hashes) -> bool:
    if hashes is None:
        return True
    at = np.searchsorted(hashes, wanted)
    return any(i < len(hashes) and hashes[i] == each for i, each in zip(at.tolist(), wanted, strict=True))


def _hash(text: str) -> int:
    # What DuckDB calls md5_number_lower.
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little")
