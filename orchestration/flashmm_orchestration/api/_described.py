"""The forms of answers as the OpenAPI document describes them. Nothing is checked by them on its way out: `_wire`
makes what they say, and a test compares the two.
"""

from dataclasses import dataclass
from typing import Any

Value = Any
"""Whatever JSON holds."""


@dataclass(frozen=True)
class CompletenessForm:
    """How many events arrived, of how many."""

    received: int
    expected: int
    ratio: float
    unclosed_runs: int


@dataclass(frozen=True)
class EventsForm:
    """A page of events in columns of equal length. Decimals are strings; `next` is null at the end."""

    kind: str
    start_ns: int
    end_ns: int
    completeness: CompletenessForm
    columns: dict[str, list[str | int | float | bool | None]]
    next: str | None


@dataclass(frozen=True)
class OrderSummaryForm:
    """One line of the list. Prices and quantities are decimal strings, null where they were not told."""

    order_id: str
    trace_id: str
    bot: str
    account: str
    venue: str
    symbol: str
    side: str
    price: str | None
    quantity: str | None
    outcome: str
    start_ns: str
    duration_ns: int


@dataclass(frozen=True)
class OrdersForm:
    """A page of orders, latest first; `next` is null at the end."""

    orders: list[OrderSummaryForm]
    next: str | None


@dataclass(frozen=True)
class SpanEventForm:
    """A moment within a span."""

    name: str
    time_ns: str
    attributes: dict[str, Value]


@dataclass(frozen=True)
class SpanLinkForm:
    """Another span that this one is about."""

    trace_id: str
    span_id: str


@dataclass(frozen=True)
class SpanForm:
    """One span. Nanoseconds of UTC are strings; status is unset, ok or error."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    service: str
    kind: int
    scope: str
    start_ns: str
    end_ns: str
    duration_ns: int
    status: str
    status_message: str
    attributes: dict[str, Value]
    events: list[SpanEventForm]
    links: list[SpanLinkForm]


@dataclass(frozen=True)
class EventForm:
    """One event. Fields are those of its kind; decimals are strings."""

    kind: str
    time_ns: str
    run: str
    seq: int
    bot: str
    account: str
    trace_id: str
    span_id: str
    fields: dict[str, Value]


@dataclass(frozen=True)
class OrderForm:
    """One order: its placement's spans, later ones, and its events, in order of time."""

    order_id: str
    placement: list[SpanForm]
    later: list[SpanForm]
    events: list[EventForm]


@dataclass(frozen=True)
class TraceForm:
    """One trace; `order_id` is empty where it is about none."""

    trace_id: str
    order_id: str
    spans: list[SpanForm]


@dataclass(frozen=True)
class LogLineForm:
    """One log record. severity is OpenTelemetry's number, 1 to 24."""

    time_ns: str
    observed_ns: str
    service: str
    severity: int
    severity_text: str
    body: Value
    scope: str
    event_name: str
    attributes: dict[str, Value]
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class LogsForm:
    """A page of log lines, latest first; `next` is null at the end."""

    logs: list[LogLineForm]
    next: str | None


@dataclass(frozen=True)
class ComponentForm:
    """One part of the program."""

    name: str
    status: str
    since_ns: int
    detail: str
    restarts: int


@dataclass(frozen=True)
class HealthForm:
    """Whether all of it is up; and, besides, the state of the data."""

    ready: bool
    components: list[ComponentForm]


Responses = dict[int | str, dict[str, Any]]


def answers(form: type) -> Responses:
    """For a route's `responses`: its answer, where it is a good one."""
    return {200: {"model": form}}
