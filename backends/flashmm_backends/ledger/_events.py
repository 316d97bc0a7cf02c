"""Events of one kind as a columnar table, exact to the last digit, with its completeness."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Event, EventValue
from flashmm_backends.ledger._completeness import completeness
from flashmm_backends.ledger._database import fetched
from flashmm_backends.ledger._reading import Query, View
from flashmm_backends.ledger._sql import quoted
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._tables import ENVELOPE, EVENT_TABLES, Column, ColumnType, RowTable
from flashmm_backends.ports import EventTable, Page, QueryRefused, Window

_IDS = ("trace_id", "span_id")
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
    found = fetched(
        view.run(events_query(table, window, where, [_text_of(column) for column in table.columns], page))
    )
    columns = {column.name: column_of(column, found[column.name]) for column in table.columns}
    whole = page is None and not where
    received = len(columns["time_ns"]) if whole else None
    return EventTable(kind, window, columns, completeness(view, streams, kind, window, received))


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


def where_sql(table: RowTable, where: Mapping[str, str] | None) -> tuple[str, list[str]]:
    """Equality with each value, cast to the column's type. Raises QueryRefused for an unknown column."""
    types = {column.name: column.type.value for column in table.columns}
    if unknown := sorted(set(where or {}) - set(types)):
        raise QueryRefused("bad_data", f"{table.name} has no column {', '.join(unknown)}")
    conditions = [f"AND {quoted(name)} = TRY_CAST(? AS {types[name]})" for name in where or {}]
    return " ".join(conditions), list((where or {}).values())


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
