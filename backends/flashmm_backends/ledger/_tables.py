"""The tables of events, spans, logs and exemplars: their columns, order and how long they are kept."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from flashmm_instrumentation.semconv import EVENT_KINDS, EventKind, FieldType


class ColumnType(Enum):
    """How a column is stored: the SQL type."""

    TEXT = "VARCHAR"
    INT = "BIGINT"
    FLOAT = "DOUBLE"
    BOOL = "BOOLEAN"
    DECIMAL = "DECIMAL(38,18)"


class Kept(StrEnum):
    """Which limit of age a table falls under."""

    TELEMETRY = "telemetry"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Ids of traces and spans are lower-case hexadecimal text."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class RowTable:
    """One kind of rows. Recent rows are in DuckDB tables `<name>_<generation>`, older ones in Parquet files.

    keys: columns by whose value rows are looked up whatever their time; sealed files have a list of those values.
    """

    name: str
    columns: tuple[Column, ...]
    order_by: tuple[str, ...]
    kept: Kept
    time_column: str = "time_ns"
    time_unit_ns: int = 1
    keys: tuple[str, ...] = ()


_TYPES: Final = {
    FieldType.STRING: ColumnType.TEXT,
    FieldType.INT: ColumnType.INT,
    FieldType.TIME: ColumnType.INT,
    FieldType.FLOAT: ColumnType.FLOAT,
    FieldType.BOOL: ColumnType.BOOL,
    FieldType.DECIMAL: ColumnType.DECIMAL,
}


def _text(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType.TEXT) for name in names)


def _int(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType.INT) for name in names)


ENVELOPE: Final = (
    *_int("time_ns"),
    *_text("run"),
    *_int("seq"),
    *_text("bot", "account", "trace_id", "span_id"),
)
"""What every event has before the fields of its kind."""


def _event_table(kind: EventKind) -> RowTable:
    fields = tuple(Column(field.name, _TYPES[field.type]) for field in kind.fields)
    name = f"event_{kind.table}"
    keys = tuple(column.name for column in fields if column.name == "order_id")
    return RowTable(name, ENVELOPE + fields, ("time_ns", "seq"), Kept.EVENTS, keys=keys)


EVENT_TABLES: Final = {kind.name: _event_table(kind) for kind in EVENT_KINDS.values()}
"""By event kind."""

SPANS: Final = RowTable(
    "spans",
    (
        *_text("trace_id", "span_id", "parent_span_id", "name"),
        *_int("kind", "start_ns", "end_ns", "status"),
        *_text("status_message", "resource", "scope", "attributes", "events", "links"),
        *_text("order_id", "venue", "symbol", "side", "outcome"),
    ),
    ("start_ns",),
    Kept.TELEMETRY,
    time_column="start_ns",
    keys=("trace_id", "order_id"),
)
"""Attributes, events and links are JSON; the last five columns are attributes promoted for `order` and `orders`."""

LOGS: Final = RowTable(
    "logs",
    (
        *_int("time_ns", "observed_ns", "severity"),
        *_text("severity_text", "body", "resource", "scope", "event_name", "attributes", "trace_id", "span_id"),
    ),
    ("time_ns",),
    Kept.TELEMETRY,
)

EXEMPLARS: Final = RowTable(
    "exemplars",
    (
        *_int("series", "time_ms"),
        Column("value", ColumnType.FLOAT),
        *_text("trace_id", "span_id", "labels"),
    ),
    ("series", "time_ms"),
    Kept.TELEMETRY,
    time_column="time_ms",
    time_unit_ns=1_000_000,
)

ROW_TABLES: Final = {table.name: table for table in (*EVENT_TABLES.values(), SPANS, LOGS, EXEMPLARS)}
"""By name: everything that is kept as rows."""

SERIES_COLUMNS: Final = (*_int("id"), *_text("hash", "labels", "type", "unit", "help"))
RESOURCE_COLUMNS: Final = _text("id", "attributes")
