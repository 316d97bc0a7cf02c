"""Stored things as JSON: the only place where dataclasses of the ports become maps.

Nanoseconds of orders, spans and log lines are strings, as in OTLP's own JSON: JavaScript's numbers are too coarse
for them.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

import numpy as np

from flashmm_backends.batch import Event, Span, SpanEvent
from flashmm_backends.ports import Completeness, EventTable, LogLine, OrderSummary, OrderTrace, Window

JsonValue = str | int | float | bool | None | Mapping[str, "JsonValue"] | Sequence["JsonValue"]
Json = dict[str, JsonValue]


def event_table(table: EventTable, *, rows: int) -> Json:
    """The first so many rows, columns as lists; decimals as strings, ids as hex."""
    columns: Json = {name: plain(column[:rows].tolist()) for name, column in table.columns.items()}
    return {**completeness_alone(table.kind, table.window, table.completeness), "columns": columns}


def completeness_alone(kind: str, window: Window, value: Completeness) -> Json:
    """The same without rows."""
    return {
        "kind": kind,
        "start_ns": window.start_ns,
        "end_ns": window.end_ns,
        "completeness": completeness(value),
        "columns": {},
    }


def completeness(value: Completeness) -> Json:
    """How many arrived, of how many; and how many runs ended in the window without closing their streams."""
    return {
        "received": value.received,
        "expected": value.expected,
        "ratio": value.ratio,
        "unclosed_runs": value.unclosed_runs,
    }


def order_trace(order: OrderTrace) -> Json:
    """An order with its placement, what happened later, and its events."""
    return {
        "order_id": order.order_id,
        "placement": [span(item) for item in order.placement],
        "later": [span(item) for item in order.later],
        "events": [event(item) for item in order.events],
    }


def order_summary(order: OrderSummary) -> Json:
    """One line of the list of orders; price and quantity null where they were not told."""
    return {
        "order_id": order.order_id,
        "trace_id": order.trace_id.hex(),
        "bot": order.bot,
        "account": order.account,
        "venue": order.venue,
        "symbol": order.symbol,
        "side": order.side,
        "price": order.price or None,
        "quantity": order.quantity or None,
        "outcome": order.outcome,
        "start_ns": str(order.start_ns),
        "duration_ns": order.duration_ns,
    }


def span(item: Span) -> Json:
    """One span with its events and links."""
    return {
        "trace_id": item.trace_id.hex(),
        "span_id": item.span_id.hex(),
        "parent_span_id": item.parent_span_id.hex(),
        "name": item.name,
        "service": item.service,
        "kind": item.kind,
        "scope": item.scope,
        "start_ns": str(item.start_ns),
        "end_ns": str(item.end_ns),
        "duration_ns": item.end_ns - item.start_ns,
        "status": ("unset", "ok", "error")[item.status],
        "status_message": item.status_message,
        "attributes": plain(item.attributes),
        "events": [_span_event(each) for each in item.events],
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in item.links],
    }


def _span_event(item: SpanEvent) -> Json:
    return {"name": item.name, "time_ns": str(item.time_ns), "attributes": plain(item.attributes)}


def log_line(line: LogLine) -> Json:
    """One log record, and which service wrote it."""
    item = line.record
    return {
        "time_ns": str(item.time_ns),
        "observed_ns": str(item.observed_ns),
        "service": line.service,
        "severity": item.severity,
        "severity_text": item.severity_text,
        "body": plain(item.body),
        "scope": item.scope,
        "event_name": item.event_name,
        "attributes": plain(item.attributes),
        "trace_id": item.trace_id.hex(),
        "span_id": item.span_id.hex(),
    }


def event(item: Event) -> Json:
    """One event: envelope and fields side by side."""
    return {
        "kind": item.kind,
        "time_ns": str(item.time_ns),
        "run": item.run,
        "seq": item.seq,
        "bot": item.bot,
        "account": item.account,
        "trace_id": item.trace_id.hex(),
        "span_id": item.span_id.hex(),
        "fields": plain(item.fields),
    }


def plain(value: object) -> JsonValue:
    """A value as JSON has it: decimals as strings, bytes as hex, NaN and infinities as null."""
    match value:
        case Decimal():
            return format(value, "f")
        case bytes():
            return value.hex()
        case float():
            return value if math.isfinite(value) else None
        case np.generic():
            return plain(cast("object", value.item()))
        case str() | int() | None:
            return value
        case Mapping():
            return {str(name): plain(each) for name, each in cast("Mapping[object, object]", value).items()}
        case Sequence():
            return [plain(each) for each in cast("Sequence[object]", value)]
        case _:
            return str(value)
