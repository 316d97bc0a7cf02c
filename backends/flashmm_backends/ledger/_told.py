"""Spans, events and orders as the HTTP API tells them in JSON, typed again. Raises what a wrong form raises."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from flashmm_backends.batch import Event, EventValue, Span, SpanEvent, SpanLink
from flashmm_backends.ports import OrderSummary, OrderTrace
from flashmm_instrumentation.semconv import EVENT_KINDS, FieldType

_STATUS: Final = ("unset", "ok", "error")
_NUMBERS: Final = {FieldType.DECIMAL: Decimal, FieldType.FLOAT: float}


def span_of(told: Mapping[str, Any]) -> Span:
    """A span; of its resource only the service is told, and older ledgers tell none."""
    return Span(
        trace_id=bytes.fromhex(told["trace_id"]),
        span_id=bytes.fromhex(told["span_id"]),
        parent_span_id=bytes.fromhex(told["parent_span_id"]),
        name=told["name"],
        kind=told["kind"],
        start_ns=int(told["start_ns"]),
        end_ns=int(told["end_ns"]),
        status=_STATUS.index(told["status"]),
        status_message=told["status_message"],
        resource_id=0,
        scope=told["scope"],
        attributes=told["attributes"],
        events=[SpanEvent(each["name"], int(each["time_ns"]), each["attributes"]) for each in told["events"]],
        links=[
            SpanLink(bytes.fromhex(each["trace_id"]), bytes.fromhex(each["span_id"]), {}) for each in told["links"]
        ],
        service=told.get("service", ""),
    )


def event_of(told: Mapping[str, Any]) -> Event:
    """An event, its fields of their own types."""
    types = {field.name: field.type for field in EVENT_KINDS[told["kind"]].fields}
    return Event(
        kind=told["kind"],
        time_ns=int(told["time_ns"]),
        run=told["run"],
        seq=told["seq"],
        bot=told["bot"],
        account=told["account"],
        trace_id=bytes.fromhex(told["trace_id"]),
        span_id=bytes.fromhex(told["span_id"]),
        fields={name: _value(types[name], value) for name, value in told["fields"].items()},
    )


def _value(of: FieldType, value: EventValue) -> EventValue:
    number = _NUMBERS.get(of)
    return value if number is None or value is None else number(value)  # pyright: ignore[reportArgumentType] - JSON


def order_of(told: Mapping[str, Any]) -> OrderTrace:
    """An order and what happened to it."""
    return OrderTrace(
        told["order_id"],
        [span_of(each) for each in told["placement"]],
        [span_of(each) for each in told["later"]],
        [event_of(each) for each in told["events"]],
    )


def summary_of(told: Mapping[str, Any]) -> OrderSummary:
    """A line of the list of orders; older ledgers tell less."""
    return OrderSummary(
        order_id=told["order_id"],
        trace_id=bytes.fromhex(told["trace_id"]),
        bot=told.get("bot", ""),
        account=told.get("account", ""),
        venue=told.get("venue", ""),
        symbol=told["symbol"],
        side=told["side"],
        price=told.get("price") or "",
        quantity=told.get("quantity") or "",
        outcome=told["outcome"],
        start_ns=int(told["start_ns"]),
        duration_ns=told["duration_ns"],
    )
