"""Event records: the typed body that the names registry describes, read strictly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as WireRecord

from flashmm_backends.batch import Event, EventValue
from flashmm_instrumentation.semconv import EVENT_KINDS, EventKind, Field, FieldType
from flashmm_instrumentation.semconv import attributes as attr

_DECIMAL_TEXT_MAX: Final = 64
_INTEGER_DIGITS_MAX: Final = 20
_FRACTION_DIGITS_MAX: Final = 18
_EXACT: Final = Context(prec=_DECIMAL_TEXT_MAX)
_SEQ_MAX: Final = (1 << 63) - 1


@dataclass
class EventRefused(Exception):
    """An event record does not follow its kind's schema."""

    reason: str
    kind: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"


@dataclass(frozen=True, slots=True)
class EventSource:
    """Who emits: resource attributes."""

    bot: str
    account: str
    run: str

    @classmethod
    def of(cls, resource: Mapping[str, object]) -> "EventSource":
        """Read from a resource; empty where absent."""
        return cls(*(_text(resource.get(name)) for name in (attr.BOT, attr.ACCOUNT, attr.RUN)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event, and how many fields of its body its schema doesn't know."""

    event: Event
    unknown_fields: int


def event_kind(record: WireRecord) -> EventKind | None:
    """The registry's kind of a record, by its event name or else its attribute `event.name`; None for any other."""
    if record.event_name:
        return EVENT_KINDS.get(record.event_name)
    for item in record.attributes:
        if item.key == attr.EVENT_NAME:
            return EVENT_KINDS.get(item.value.string_value)
    return None


def read_event(kind: EventKind, record: WireRecord, source: EventSource) -> ReadEvent:
    """One event. The record's time must be set. Raises EventRefused, naming the kind, the field and the mend."""
    if not source.run:
        raise EventRefused(
            "event_identity", kind.name, f"resource attribute {attr.RUN} is missing: set a UUID per process"
        )
    fields, unknown = _fields(kind, record.body)
    event = Event(
        kind=kind.name,
        time_ns=record.time_unix_nano,
        run=source.run,
        seq=_seq(kind, record),
        bot=source.bot,
        account=source.account,
        trace_id=record.trace_id,
        span_id=record.span_id,
        fields=fields,
    )
    return ReadEvent(event, unknown)


def _seq(kind: EventKind, record: WireRecord) -> int:
    for item in record.attributes:
        if item.key == attr.SEQ:
            if item.value.WhichOneof("value") == "int_value" and 0 < item.value.int_value <= _SEQ_MAX:
                return item.value.int_value
            break
    raise EventRefused(
        "event_identity",
        kind.name,
        f"attribute {attr.SEQ} must be an integer from 1: number the events of each kind without a gap",
    )


def _fields(kind: EventKind, body: AnyValue) -> tuple[dict[str, EventValue], int]:
    if body.WhichOneof("value") != "kvlist_value":
        raise EventRefused("event_schema", kind.name, "the body must be a map of the kind's fields")
    sent = {item.key: item.value for item in body.kvlist_value.values}
    fields = {field.name: _field(kind, field, sent.pop(field.name, None)) for field in kind.fields}
    return fields, len(sent)


def _field(kind: EventKind, field: Field, value: AnyValue | None) -> EventValue:
    sent_as = value.WhichOneof("value") if value is not None else None
    if value is None or sent_as is None:
        if field.required:
            raise EventRefused("event_schema", kind.name, f"field {field.name} is required ({field.type}): send it")
        return None
    reader = _READERS[field.type].get(sent_as)
    if reader is None:
        expected = " or ".join(sorted(_READERS[field.type]))
        raise EventRefused("event_schema", kind.name, f"field {field.name} came as {sent_as}: send it as {expected}")
    try:
        return reader(getattr(value, sent_as))
    except (InvalidOperation, ValueError) as error:
        raise EventRefused("event_schema", kind.name, f"field {field.name}: {error}") from None


def _decimal(text: str) -> Decimal:
    if len(text) > _DECIMAL_TEXT_MAX:
        raise ValueError(f"more than {_DECIMAL_TEXT_MAX} characters: send a shorter number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number such as '0.10'") from None
    return _fitting(value)


def _decimal_of(number: int) -> Decimal:
    return _fitting(Decimal(number))


def _fitting(value: Decimal) -> Decimal:
    """The same value, if 20 digits before the point and 18 after it hold it."""
    if not value.is_finite():
        raise ValueError(f"{value} is not finite: leave the field out")
    exponent = value.as_tuple().exponent
    if value and value.adjusted() >= _INTEGER_DIGITS_MAX:
        raise ValueError(f"{value} has more than {_INTEGER_DIGITS_MAX} digits before the point")
    if not isinstance(exponent, int) or exponent > 0:
        return value.quantize(Decimal(1), context=_EXACT)
    return _without_zeros(value) if exponent < -_FRACTION_DIGITS_MAX else value


def _without_zeros(value: Decimal) -> Decimal:
    shorter = value.normalize(_EXACT)
    exponent = shorter.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_FRACTION_DIGITS_MAX:
        raise ValueError(f"{value} has more than {_FRACTION_DIGITS_MAX} digits after the point")
    return shorter


_Reader = Callable[..., EventValue]
_READERS: Final[dict[FieldType, dict[str, _Reader]]] = {
    FieldType.STRING: {"string_value": str},
    FieldType.INT: {"int_value": int},
    FieldType.TIME: {"int_value": int},
    FieldType.DECIMAL: {"string_value": _decimal, "int_value": _decimal_of},
    FieldType.FLOAT: {"double_value": float, "int_value": float},
    FieldType.BOOL: {"bool_value": bool},
}
"""By type and by the wire's name for what was sent."""
