"""Rows as a relation: tables of recent rows, the sealed files that may hold any of a span of time, and what waits."""

from collections.abc import Sequence

from flashmm_backends.ledger._catalog import Catalog, Snapshot, paths_sql
from flashmm_backends.ledger._database import casts
from flashmm_backends.ledger._keys import may_hold
from flashmm_backends.ledger._sql import quoted
from flashmm_backends.ledger._tables import Column, RowTable

EVER = (-(2**63), 2**63 - 1)


def relation(
    catalog: Catalog,
    snapshot: Snapshot,
    table: RowTable,
    span: tuple[int, int],
    columns: Sequence[Column],
    *,
    ids: Sequence[str],
    waiting: bool,
) -> str:
    """A subquery over all rows of a table with, at least, those whose time is in span (inclusive, its unit).

    columns: those that the query uses; one that an older table or file lacks is NULL. ids: rows
    without one of them do not matter; empty for all. waiting: whether rows in no table yet come from `incoming`.
    """
    files = [file for file in snapshot.of(table.name) if file.time_min <= span[1] and file.time_max >= span[0]]
    files = [file for file in files if may_hold(catalog.directory, file, ids)] if ids else files
    parts = [casts(columns) if waiting else _empty(columns)]
    # A table may have grown since the snapshot, by rows that are among the waiting ones.
    parts += [
        f"SELECT * FROM {quoted(recent.name)} WHERE rowid < {recent.rows}"  # noqa: S608 - our own names
        for recent in snapshot.tables.get(table.name, ())
    ]
    if files:
        paths = paths_sql(catalog.directory, files)
        parts.append(f"SELECT * FROM read_parquet({paths}, union_by_name = true, hive_partitioning = false)")  # noqa: S608
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _empty(columns: Sequence[Column]) -> str:
    nulls = ", ".join(f"NULL::{column.type.value} AS {quoted(column.name)}" for column in columns)
    return f"SELECT {nulls} WHERE false"


def column_list(names: Sequence[str]) -> str:
    """Names for a SELECT."""
    return ", ".join(quoted(name) for name in names)
