"""A window cut into pieces of few events: a long answer, sorted piece by piece, needs little memory."""

from collections.abc import Iterator, Mapping
from typing import Final

from flashmm_backends.ledger._reading import Query, View
from flashmm_backends.ledger._rows_source import where_sql
from flashmm_backends.ledger._tables import RowTable
from flashmm_backends.ports import Window

ROWS_MAX: Final = 16_384
"""Of twenty columns these take DuckDB about 10 MB, reading and sorting."""
_PARTS: Final = 1_024


def slices(
    view: View, table: RowTable, window: Window, where: Mapping[str, str] | None, rows_max: int = ROWS_MAX
) -> Iterator[Window]:
    """Windows that follow each other and hold all matching events, `rows_max` each at most.

    More are in one of them only where they have one time. Raises QueryRefused for an unknown column.
    """
    n, first, last = _extent(view, table, window, where)
    if n <= rows_max or first == last:
        if n:
            yield Window(first, last + 1)
        return
    width = -(-(last + 1 - first) // _PARTS)
    begin, held = first, 0
    for part, rows in _densities(view, table, Window(first, last + 1), width, where):
        edge = first + part * width
        if held and held + rows > rows_max:
            yield Window(begin, edge)
            begin, held = edge, 0
        held += rows
        if held > rows_max:
            yield from slices(view, table, Window(begin, edge + width), where, rows_max)
            begin, held = edge + width, 0
    if held:
        yield Window(begin, last + 1)


def _extent(view: View, table: RowTable, window: Window, where: Mapping[str, str] | None) -> tuple[int, int, int]:
    found = view.run(_query("extent", table, window, where)).fetchall()
    return found[0]


def _densities(
    view: View, table: RowTable, window: Window, width_ns: int, where: Mapping[str, str] | None
) -> list[tuple[int, int]]:
    """How many events are in each part of this width, where there are any."""
    query = _query("densities", table, window, where, window.start_ns, width_ns)
    return view.run(query).fetchall()


def _query(name: str, table: RowTable, window: Window, where: Mapping[str, str] | None, *leading: int) -> Query:
    conditions, values = where_sql(table, where)
    span = (window.start_ns, window.end_ns)
    return Query(
        name, table, [*leading, *span, *values], span, only=("time_ns", *(where or {})), parts={"where": conditions}
    )
