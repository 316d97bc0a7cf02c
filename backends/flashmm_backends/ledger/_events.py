"""Events of one kind as a columnar table, exact to the last digit, with its completeness."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Event, EventValue
from flashmm_backends.ledger._completeness import completeness
from flashmm_backends.ledger._database import Arrays, fetched
from flashmm_backends.ledger._reading import Query, View
from flashmm_backends.ledger._rows_source import where_sql
from flashmm_backends.ledger._slices import slices
from flashmm_backends.ledger._sql import quoted
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._tables import ENVELOPE, EVENT_TABLES, Column, ColumnType, RowTable
from flashmm_backends.ports import EventTable, Page, QueryRefused, Window

_T = TypeVar("_T")
_IDS = ("trace_id", "span_id")
_SMALL_ROWS_MAX = 2_000
_DTYPES = {ColumnType.INT: np.int64, ColumnType.FLOAT: np.float64, ColumnType.BOOL: np.bool_}


def event_table_of(kind: str) -> RowTable:
    """The table of an event kind. Raises QueryRefused for an unknown kind."""
    table = EVENT_TABLES.get(kind)
    if table is None:
        raise QueryRefused("bad_data", f"{kind!r} is not an event kind; known are {', '.join(EVENT_TABLES)}")
    return table


def read_events(
    view: View,
    streams: Streams,
    kind: str,
    window: Window,
    where: Mapping[str, str] | None,
    page: Page | None = None,
) -> EventTable:
    """Events in the window, by time; `where` compares columns as text, decimals and numbers by value.

    page: which part of them, None for all. The completeness is the whole window's in any case.
    """
    table = event_table_of(kind)
    found = _found(view, table, window, where, page)
    columns = {column.name: column_of(column, found[column.name]) for column in table.columns}
    whole = page is None and not where
    received = len(columns["time_ns"]) if whole else None
    return EventTable(kind, window, columns, completeness(view, streams, kind, window, received))


def is_large(page: Page | None) -> bool:
    """Whether DuckDB may need much memory for it: then it is read in slices, and nothing like it beside it."""
    return page is None or page.limit > _SMALL_ROWS_MAX


def pieces(
    view: View,
    table: RowTable,
    window: Window,
    where: Mapping[str, str] | None,
    page: Page | None,
    read: Callable[[Window, Page | None], tuple[_T, int]],
) -> Iterator[_T]:
    """What `read` makes of the parts of a window, one after the other, until a page is full.

    read: of the events in a part of the window, the page of them; tells how many it found. A small page is one part.
    """
    if page is not None and not is_large(page):
        yield read(window, page)[0]
        return
    left, after = (page.limit, page.after) if page else (sys.maxsize, None)
    start_ns = max(window.start_ns, after.time_ns) if after else window.start_ns
    for part in slices(view, table, Window(start_ns, window.end_ns), where):
        piece, found = read(part, Page(left, after))
        yield piece
        left -= found
        if left <= 0:
            return


def _found(view: View, table: RowTable, window: Window, where: Mapping[str, str] | None, page: Page | None) -> Arrays:
    columns = [_text_of(column) for column in table.columns]

    def read(part: Window, page: Page | None) -> tuple[Arrays, int]:
        piece = fetched(view.run(events_query(table, part, where, columns, page)))
        return piece, len(piece["time_ns"])

    found = list(pieces(view, table, window, where, page, read)) or [read(window, Page(0))[0]]
    if len(found) == 1:
        return found[0]
    return {name: _joined([piece[name] for piece in found]) for name in found[0]}


def _joined(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    joined = np.ma.concatenate(columns)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - its stub is partial
    return cast("npt.NDArray[Any]", joined)


def events_query(
    table: RowTable,
    window: Window,
    where: Mapping[str, str] | None,
    columns: Sequence[str],
    page: Page | None = None,
) -> Query:
    """The query for events of a window, or a page of them. Raises QueryRefused for an unknown column."""
    conditions, values = where_sql(table, where)
    start_ns = window.start_ns
    if page is not None and (after := page.after):
        start_ns = max(start_ns, after.time_ns)
        conditions += " AND (time_ns, run, seq) > (?, ?, ?)"
        values = [*values, after.time_ns, after.run, after.seq]
    span, parts = (start_ns, window.end_ns), {"columns": ", ".join(columns), "where": conditions}
    if page is None:
        return Query("events", table, [*span, *values], span, parts=parts)
    return Query("events_page", table, [*span, *values, page.limit], span, parts=parts)


def _text_of(column: Column) -> str:
    # DuckDB hands decimals to numpy as floats; as text they stay exact.
    name = quoted(column.name)
    return f"{name}::VARCHAR AS {name}" if column.type is ColumnType.DECIMAL else name


def column_of(column: Column, found: npt.NDArray[Any]) -> npt.NDArray[np.generic]:
    """A column as EventTable has it, from stored values; masked where absent."""
    absent = np.ma.getmaskarray(found) if isinstance(found, np.ma.MaskedArray) else None
    data = np.ma.getdata(found) if absent is not None else found
    if absent is not None and absent.any():
        return objects(
            [None if gone else value_of(column, value) for gone, value in zip(absent, data.tolist(), strict=True)]
        )
    if column.type in _DTYPES:
        return np.asarray(data, _DTYPES[column.type])
    return objects([value_of(column, value) for value in data.tolist()])


def value_of(column: Column, value: object) -> EventValue | bytes:
    """A stored value as an event has it."""
    if column.type is ColumnType.DECIMAL:
        return Decimal(str(value))
    if column.name in _IDS:
        return bytes.fromhex(str(value))
    return cast("EventValue", value)


def objects(values: Sequence[object]) -> npt.NDArray[np.object_]:
    """A column of objects."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def read_order_events(view: View, kind: str, order_id: str) -> list[Event]:
    """Events of one order, in order of time."""
    table = event_table_of(kind)
    columns = ", ".join(_text_of(column) for column in table.columns)
    rows = view.run(Query("order_events", table, [order_id], ids=[order_id], parts={"columns": columns})).fetchall()
    return [_event(kind, table, row) for row in rows]


def _event(kind: str, table: RowTable, row: Sequence[object]) -> Event:
    pairs = zip(table.columns, row, strict=True)
    values = {column.name: None if value is None else value_of(column, value) for column, value in pairs}
    envelope = {column.name: values.pop(column.name) for column in ENVELOPE}
    return Event(kind=kind, fields=cast("Mapping[str, EventValue]", values), **cast("dict[str, Any]", envelope))
