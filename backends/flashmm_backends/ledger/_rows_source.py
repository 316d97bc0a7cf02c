"""Rows as a relation: tables of recent rows and the sealed files that may hold any of a span of time."""

from collections.abc import Sequence

from flashmm_backends.ledger._catalog import Catalog, Snapshot, paths_sql
from flashmm_backends.ledger._sql import quoted
from flashmm_backends.ledger._tables import RowTable

EVER = (-(2**63), 2**63 - 1)


def relation(catalog: Catalog, snapshot: Snapshot, table: RowTable, span: tuple[int, int] = EVER) -> str:
    """A subquery over all rows of a table with, at least, those whose time is in span (inclusive, its unit).

    Columns that an older table or file lacks are NULL.
    """
    files = [file for file in snapshot.of(table.name) if file.time_min <= span[1] and file.time_max >= span[0]]
    parts = [_empty(table)]
    parts += [f"SELECT * FROM {quoted(recent.name)}" for recent in snapshot.tables.get(table.name, ())]  # noqa: S608
    if files:
        paths = paths_sql(catalog.directory, files)
        parts.append(f"SELECT * FROM read_parquet({paths}, union_by_name = true, hive_partitioning = false)")  # noqa: S608
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _empty(table: RowTable) -> str:
    columns = ", ".join(f"NULL::{column.type.value} AS {quoted(column.name)}" for column in table.columns)
    return f"SELECT {columns} WHERE false"


def column_list(names: Sequence[str]) -> str:
    """Names for a SELECT."""
    return ", ".join(quoted(name) for name in names)
