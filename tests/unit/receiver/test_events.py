"""Event records are read by their schema, strictly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from tests.unit.receiver.otlp import NOW_NS, any_value, attributes, logs_request

from flashmm_instrumentation.semconv import EVENT_KINDS, FieldType
from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoded import Decoded
from flashmm_receiver._decoder import Decoder, Signal

RUN = "0190b0d0-0000-7000-8000-000000000000"
RESOURCE: dict[str, object] = {"flashmm.bot": "maker-1", "flashmm.account": "main", "flashmm.run": RUN}
POSITION: dict[str, object] = {"venue": "binance", "symbol": "BTCUSDT", "quantity": "-0.10"}


def record(body: object, *, kind: str = "flashmm.position", seq: object = 1, at: int = NOW_NS) -> LogRecord:
    return LogRecord(
        time_unix_nano=at,
        event_name=kind,
        body=any_value(body),
        attributes=attributes({} if seq is None else {"flashmm.seq": seq}),
        trace_id=b"t" * 16,
    )


def decode(*records: LogRecord, resource: dict[str, object] | None = None) -> Decoded:
    request = logs_request(*records, resource=RESOURCE if resource is None else resource)
    return Decoder(ReceiverSettings(), {}).decode(Signal.LOGS, request.SerializeToString(), NOW_NS)


def test_an_event_is_typed() -> None:
    """Decimals are exact, absent fields are None, who and when come along."""
    batch = decode(record(POSITION)).batch
    assert batch is not None
    [event] = batch.events
    assert event.fields["quantity"] == Decimal("-0.10")
    assert event.fields["average_price"] is None
    assert (event.run, event.seq, event.bot, event.account) == (RUN, 1, "maker-1", "main")
    assert (event.time_ns, event.trace_id) == (NOW_NS, b"t" * 16)
    assert set(event.fields) == {field.name for field in EVENT_KINDS["flashmm.position"].fields}


def test_the_name_may_be_an_attribute() -> None:
    """A store or collector that drops the event name leaves the attribute."""
    sent = record(POSITION, kind="")
    sent.attributes.extend(attributes({"event.name": "flashmm.position"}))
    batch = decode(sent).batch
    assert batch is not None
    assert [event.kind for event in batch.events] == ["flashmm.position"]


def test_other_records_are_logs() -> None:
    """A name that the registry doesn't know, or none, makes a log record; a time of 0 is the observed one."""
    sent = LogRecord(observed_time_unix_nano=7, body=any_value({"a": [1, b"x"]}), event_name="other")
    batch = decode(sent, LogRecord(body=any_value("hi"))).batch
    assert batch is not None
    first, second = batch.logs
    assert (first.time_ns, first.event_name, first.body) == (7, "other", {"a": [1, b"x"]})
    assert (second.time_ns, second.body) == (NOW_NS, "hi")


def test_unknown_fields_are_counted() -> None:
    """A newer bot's field is ignored, and that is counted."""
    decoder = Decoder(ReceiverSettings(), {})
    request = logs_request(record({**POSITION, "new": 1}), resource=RESOURCE)
    decoded = decoder.decode(Signal.LOGS, request.SerializeToString(), NOW_NS)
    assert (decoder.unknown_fields, decoded.refusals.total) == (1, 0)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"venue": "b", "symbol": "S"}, "flashmm.position: field quantity is required (decimal)"),
        ({**POSITION, "quantity": 0.1}, "field quantity came as double_value: send it as int_value or string_value"),
        ({**POSITION, "quantity": "ten"}, "'ten' is not a decimal number"),
        ({**POSITION, "quantity": "NaN"}, "not finite"),
        ({**POSITION, "quantity": "1" * 21}, "20 digits before the point"),
        ({**POSITION, "quantity": "0." + "1" * 19}, "18 digits after the point"),
        ({**POSITION, "quantity": "1" * 65}, "64 characters"),
        ({**POSITION, "symbol": 5}, "field symbol came as int_value: send it as string_value"),
        ("text", "the body must be a map"),
    ],
)
def test_refusals_name_kind_field_and_mend(body: object, told: str) -> None:
    """What doesn't follow the schema is refused, and the sender is told what to change."""
    decoded = decode(record(body))
    assert decoded.batch is None
    assert decoded.refusals.by_reason == {"event_schema": 1}
    assert told in decoded.refusals.message


@pytest.mark.parametrize("seq", [None, 0, -1, "1"])
def test_a_sequence_number_is_needed(seq: object) -> None:
    """Without a number from 1, completeness could not be told."""
    decoded = decode(record(POSITION, seq=seq))
    assert decoded.refusals.by_reason == {"event_identity": 1}
    assert "flashmm.seq" in decoded.refusals.message


def test_a_run_is_needed() -> None:
    """So is the run."""
    assert "flashmm.run" in decode(record(POSITION), resource={"flashmm.bot": "b"}).refusals.message


@pytest.mark.parametrize(("at", "reason"), [(0, "time_zero"), (NOW_NS + 601 * 10**9, "time_future")])
def test_times_are_checked(at: int, reason: str) -> None:
    """An event needs its time, and not one of the far future."""
    assert decode(record(POSITION, at=at)).refusals.by_reason == {reason: 1}


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**19), max_value=10**19, places=18))
def test_decimals_are_exact(value: Decimal) -> None:
    """Every number of 20.18 digits arrives as it was sent."""
    batch = decode(record({**POSITION, "quantity": str(value)})).batch
    assert batch is not None
    assert batch.events[0].fields["quantity"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1E+3", "1000"), ("1E-18", "0.000000000000000001"), ("0.10" + "0" * 30, "0.1"), ("0E+40", "0")],
)
def test_other_ways_to_write_a_decimal(text: str, value: str) -> None:
    """Exponents and trailing zeros are accepted where the value fits, and written plainly."""
    batch = decode(record({**POSITION, "quantity": text})).batch
    assert batch is not None
    quantity = batch.events[0].fields["quantity"]
    assert isinstance(quantity, Decimal)
    assert quantity == Decimal(value)
    assert -18 <= int(quantity.as_tuple().exponent) <= 0


_SAMPLES = {
    FieldType.STRING: "x",
    FieldType.INT: 5,
    FieldType.TIME: NOW_NS,
    FieldType.DECIMAL: "1.5",
    FieldType.FLOAT: 0.5,
    FieldType.BOOL: True,
}


@pytest.mark.parametrize("kind", EVENT_KINDS.values(), ids=lambda kind: kind.table)
def test_every_kind_is_read(kind) -> None:
    """Each kind of the registry is accepted with all of its fields, and with the required ones only."""
    whole = {field.name: _SAMPLES[field.type] for field in kind.fields}
    needed = {field.name: _SAMPLES[field.type] for field in kind.fields if field.required}
    batch = decode(record(whole, kind=kind.name), record(needed, kind=kind.name, seq=2)).batch
    assert batch is not None
    assert [event.seq for event in batch.events] == [1, 2]
    expected = {name: Decimal("1.5") if value == "1.5" else value for name, value in whole.items()}
    assert batch.events[0].fields == expected
