"""Objects of a batch ↔ rows as they are journalled and stored: lists of text, int, float, bool or None."""

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, cast

from flashmm_backends.batch import Event, Exemplar, LogRecord, Span, SpanEvent, SpanLink
from flashmm_backends.ledger._json import from_json, to_json
from flashmm_backends.ledger._tables import ENVELOPE, EVENT_TABLES, Column, ColumnType
from flashmm_backends.ports import BatchRefused
from flashmm_instrumentation.semconv import attributes as attr

Cell = str | int | float | bool | None
Row = list[Cell]

_DECIMAL_LIMIT: Final = Decimal(10) ** 20
_DECIMAL_PLACES: Final = 18
_INT_LIMIT: Final = 2**63


def event_row(event: Event) -> Row:
    """The event in the order of its table's columns. Raises BatchRefused when a value does not fit."""
    table = EVENT_TABLES.get(event.kind)
    if table is None:
        raise BatchRefused("event_kind", f"{event.kind!r} is not a registered event kind")
    row: Row = [event.time_ns, event.run, event.seq, event.bot, event.account]
    row += [event.trace_id.hex(), event.span_id.hex()]
    row += [_cell(event, column) for column in table.columns[len(ENVELOPE) :]]
    return row


def _cell(event: Event, column: Column) -> Cell:
    value = event.fields.get(column.name)
    if value is None:
        return None
    match column.type, value:
        case ColumnType.DECIMAL, Decimal():
            return _decimal(event, column.name, value)
        case ColumnType.FLOAT, float() | int():
            # JSON has no NaN; the column is cast from text then.
            return float(value) if math.isfinite(value) else repr(float(value))
        case ColumnType.INT, int() if -_INT_LIMIT <= value < _INT_LIMIT:
            return int(value)
        case (ColumnType.TEXT, str()) | (ColumnType.BOOL, bool()):
            return value
        case _:
            raise BatchRefused("event_field", f"{event.kind}.{column.name} cannot hold {value!r}")


def _decimal(event: Event, name: str, value: Decimal) -> str:
    if not value.is_finite() or abs(value) >= _DECIMAL_LIMIT or _places(value) > _DECIMAL_PLACES:
        raise BatchRefused("event_field", f"{event.kind}.{name} cannot hold {value}: 20 digits, a point, 18 digits")
    return format(value, "f")


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, str) or -exponent <= _DECIMAL_PLACES:
        return 0
    reduced = value.normalize().as_tuple().exponent
    return -reduced if isinstance(reduced, int) else 0


def span_row(span: Span) -> Row:
    """The span in the order of the table's columns."""
    row: Row = [span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name]
    row += [span.kind, span.start_ns, span.end_ns, span.status, span.status_message]
    row += [f"{span.resource_id:016x}", span.scope, to_json(span.attributes)]
    row += [to_json([[event.name, event.time_ns, event.attributes] for event in span.events])]
    row += [to_json([[link.trace_id, link.span_id, link.attributes] for link in span.links])]
    return row + [_promoted(span.attributes, name) for name in PROMOTED]


PROMOTED: Final = (attr.ORDER_ID, attr.VENUE, attr.SYMBOL, attr.SIDE, attr.ORDER_OUTCOME)
"""Span attributes that have a column."""


def _promoted(attributes: Mapping[str, object], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) else None


def span_of(row: Sequence[object], service: str) -> Span:
    """The span of a row that holds the columns up to `links`."""
    trace, span, parent, name, kind, start, end, status, message, resource, scope, attributes, events, links = row
    return Span(
        bytes.fromhex(str(trace)),
        bytes.fromhex(str(span)),
        bytes.fromhex(str(parent)),
        str(name),
        cast("int", kind),
        cast("int", start),
        cast("int", end),
        cast("int", status),
        str(message),
        int(str(resource), 16),
        str(scope),
        _mapping(attributes),
        tuple(SpanEvent(str(n), cast("int", t), cast("Mapping[str, object]", a)) for n, t, a in _triples(events)),
        tuple(SpanLink(cast("bytes", t), cast("bytes", s), _map(a)) for t, s, a in _triples(links)),
        service,
    )


def _mapping(text: object) -> Mapping[str, object]:
    return _map(from_json(str(text)))


def _map(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value)


def _triples(text: object) -> Iterable[tuple[object, object, object]]:
    return cast("Iterable[tuple[object, object, object]]", from_json(str(text)))


def log_row(log: LogRecord) -> Row:
    """The log record in the order of the table's columns."""
    row: Row = [log.time_ns, log.observed_ns, log.severity, log.severity_text, to_json(log.body)]
    row += [f"{log.resource_id:016x}", log.scope, log.event_name, to_json(log.attributes)]
    return [*row, log.trace_id.hex(), log.span_id.hex()]


def log_of(row: Sequence[object]) -> LogRecord:
    """The log record of a row."""
    time_ns, observed_ns, severity, text, body, resource, scope, name, attributes, trace, span = row
    return LogRecord(
        cast("int", time_ns),
        cast("int", observed_ns),
        cast("int", severity),
        str(text),
        from_json(str(body)),
        int(str(resource), 16),
        str(scope),
        str(name),
        _mapping(attributes),
        bytes.fromhex(str(trace)),
        bytes.fromhex(str(span)),
    )


def exemplar_row(exemplar: Exemplar, series: int) -> Row:
    """The exemplar in the order of the table's columns. series: the ledger's own number."""
    value = exemplar.value if math.isfinite(exemplar.value) else repr(exemplar.value)
    labels = to_json(exemplar.labels)
    return [series, exemplar.time_ms, value, exemplar.trace_id.hex(), exemplar.span_id.hex(), labels]


def exemplar_of(series_hash: int, row: Sequence[object]) -> Exemplar:
    """The exemplar of a row without its series. series_hash: content hash of the series' labels."""
    time_ms, value, trace, span, labels = row
    pairs = tuple((name, text) for name, text in cast("list[tuple[str, str]]", from_json(str(labels))))
    ids = bytes.fromhex(str(trace)), bytes.fromhex(str(span))
    return Exemplar(series_hash, cast("int", time_ms), cast("float", value), *ids, pairs)
