"""Rows as a relation: tables of recent rows, sealed files, and what waits."""

from collections.abc import Mapping, Sequence

from flashmm_backends.ledger._catalog import Catalog, RecentTable, SealedFile, Snapshot
from flashmm_backends.ledger._database import casts
from flashmm_backends.ledger._sql import quoted
from flashmm_backends.ledger._tables import Column, RowTable
from flashmm_backends.ports import QueryRefused

EVER = (-(2**63), 2**63 - 1)


def relation(
    catalog: Catalog,
    snapshot: Snapshot,
    recent: Sequence[RecentTable],
    files: Sequence[SealedFile],
    columns: Sequence[Column],
    *,
    waiting: bool,
) -> str:
    """A subquery over all rows of these tables and files, which are the snapshot's.

    columns: those that the query uses; one that an older table or file lacks is NULL. waiting: whether rows that are
    in no table yet come from `incoming`.
    """
    parts = [casts(columns) if waiting else _empty(columns)]
    # A table may have grown since the snapshot, by rows that are among the waiting ones.
    parts += [
        f"SELECT * FROM {quoted(table.name)} WHERE rowid < {table.rows}"  # noqa: S608 - our own names
        for table in recent
    ]
    if files:
        paths = catalog.readable(snapshot, files)
        parts.append(f"SELECT * FROM read_parquet({paths}, union_by_name = true, hive_partitioning = false)")  # noqa: S608
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _empty(columns: Sequence[Column]) -> str:
    nulls = ", ".join(f"NULL::{column.type.value} AS {quoted(column.name)}" for column in columns)
    return f"SELECT {nulls} WHERE false"


def column_list(names: Sequence[str]) -> str:
    """Names for a SELECT."""
    return ", ".join(quoted(name) for name in names)


def where_sql(table: RowTable, where: Mapping[str, str] | None) -> tuple[str, list[str]]:
    """Equality with each value, cast to the column's type. Raises QueryRefused for an unknown column."""
    types = {column.name: column.type.value for column in table.columns}
    if unknown := sorted(set(where or {}) - set(types)):
        raise QueryRefused("bad_data", f"{table.name} has no column {', '.join(unknown)}")
    conditions = [f"AND {quoted(name)} = TRY_CAST(? AS {types[name]})" for name in where or {}]
    return " ".join(conditions), list((where or {}).values())
