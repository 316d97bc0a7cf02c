"""Events of one kind as a columnar table, exact to the last digit, with its completeness."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Event, EventValue
from flashmm_backends.ledger._completeness import completeness
from flashmm_backends.ledger._database import fetch
from flashmm_backends.ledger._reading import View
from flashmm_backends.ledger._sql import queries, quoted
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
    columns = [_text_of(column) for column in table.columns]
    if page is None:
        sql, parameters = events_sql(view, table, window, where, columns)
    else:
        sql, parameters = _page_sql(view, table, window, where, columns, page)
    found = fetch(view.connection, sql, parameters)
    values = {column.name: column_of(column, found[column.name]) for column in table.columns}
    return EventTable(kind, window, values, completeness(view, streams, kind, window))


def events_sql(
    view: View, table: RowTable, window: Window, where: Mapping[str, str] | None, columns: Sequence[str]
) -> tuple[str, list[object]]:
    """The query for events of a window and its parameters. Raises QueryRefused for an unknown column."""
    conditions, values = where_sql(table, where)
    source = view.source(table, (window.start_ns, window.end_ns))
    sql = queries("rows")["events"].format(columns=", ".join(columns), source=source, where=conditions)
    return sql, [window.start_ns, window.end_ns, *values]


def _page_sql(
    view: View, table: RowTable, window: Window, where: Mapping[str, str] | None, columns: Sequence[str], page: Page
) -> tuple[str, list[object]]:
    conditions, values = where_sql(table, where)
    after = page.after
    start_ns = window.start_ns if after is None else max(window.start_ns, after.time_ns)
    if after is not None:
        conditions += " AND (time_ns, run, seq) > (?, ?, ?)"
        values = [*values, after.time_ns, after.run, after.seq]
    source = view.source(table, (start_ns, window.end_ns))
    sql = queries("rows")["events_page"].format(columns=", ".join(columns), source=source, where=conditions)
    return sql, [start_ns, window.end_ns, *values, page.limit]


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
            [None if gone else _value(column, value) for gone, value in zip(absent, data.tolist(), strict=True)]
        )
    if column.type in _DTYPES:
        return np.asarray(data, _DTYPES[column.type])
    return objects([_value(column, value) for value in data.tolist()])


def _value(column: Column, value: object) -> EventValue | bytes:
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
    sql = queries("rows")["order_events"].format(columns=columns, source=view.source(table))
    rows = view.connection.execute(sql, [order_id]).fetchall()
    return [_event(kind, table, row) for row in rows]


def _event(kind: str, table: RowTable, row: Sequence[object]) -> Event:
    pairs = zip(table.columns, row, strict=True)
    values = {column.name: None if value is None else _value(column, value) for column, value in pairs}
    envelope = {column.name: values.pop(column.name) for column in ENVELOPE}
    return Event(kind=kind, fields=cast("Mapping[str, EventValue]", values), **cast("dict[str, Any]", envelope))
