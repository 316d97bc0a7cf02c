"""Writing Parquet files that are whole or not there: written aside, synced, renamed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from flashmm_backends.ledger._database import Arrays, Connection, run_with
from flashmm_backends.ledger._journal import Samples, sync_folder
from flashmm_backends.ledger._sql import literal

STALE: Final = np.array([0x7FF0_0000_0000_0002], np.uint64).view(np.float64)[0]
"""Prometheus's staleness marker; NULL in files, since DuckDB does not tell one NaN from another."""


def write(
    connection: Connection, select: str, path: Path, row_group_rows: int, incoming: Arrays | None = None
) -> int:
    """Write what the query yields; returns the size in bytes. Raises duckdb.Error, OSError and leaves nothing."""
    options = f"FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, ROW_GROUP_SIZE {row_group_rows}"

    def copy(aside: Path) -> None:
        run_with(connection, f"COPY ({select}) TO {literal(str(aside))} ({options})", incoming or {})

    put_aside(path, copy)
    return path.stat().st_size


def put_aside(path: Path, make: Callable[[Path], object]) -> None:
    """Have a file made under another name, then give it its own: it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".tmp")
    try:
        make(aside)
        _sync(aside)
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_samples(connection: Connection, samples: Samples, path: Path, row_group_rows: int) -> int:
    """Write sorted samples; returns the size in bytes."""
    arrays = {"series": samples.series, "time_ms": samples.time_ms, "value": samples.value}
    if samples.value.dtype == object:
        return write(
            connection, "SELECT series, time_ms, value::BLOB AS value FROM incoming", path, row_group_rows, arrays
        )
    nan = _ordinary_nan(samples)
    if nan is None:
        return write(connection, "SELECT series, time_ms, value FROM incoming", path, row_group_rows, arrays)
    select = "SELECT series, time_ms, CASE WHEN nan THEN 'nan'::DOUBLE ELSE value END AS value FROM incoming"
    return write(connection, select, path, row_group_rows, {**arrays, "nan": nan})


def _ordinary_nan(samples: Samples) -> "np.ndarray[tuple[int], np.dtype[np.bool_]] | None":
    value = np.ascontiguousarray(samples.value, np.float64)
    nan = np.isnan(value)
    if not nan.any():
        return None
    nan &= value.view(np.uint64) != np.array(STALE).view(np.uint64)
    return nan if nan.any() else None
