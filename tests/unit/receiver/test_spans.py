"""Spans and log records within their limits."""

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.unit.receiver.otlp import NOW_NS, any_value, attributes, logs_request, traces_request

from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoded import Decoded
from flashmm_receiver._decoder import Decoder, Signal
from flashmm_receiver.errors import Malformed


def span(**fields) -> Span:
    whole = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "name": "order",
        "start_time_unix_nano": NOW_NS - 5,
        "end_time_unix_nano": NOW_NS,
    }
    return Span(**{**whole, **fields})


def decode(*spans: Span) -> Decoded:
    body = traces_request(*spans).SerializeToString()
    return Decoder(ReceiverSettings(attributes_max=8), {}).decode(Signal.TRACES, body, NOW_NS)


def test_a_span() -> None:
    """Nanoseconds, ids, kind and status as they came; the resource under its id."""
    status = Status(code=Status.STATUS_CODE_ERROR, message="rejected")
    batch = decode(span(parent_span_id=b"p" * 8, kind=3, status=status, attributes=attributes({"x": b"y"}))).batch
    assert batch is not None
    [found] = batch.spans
    assert (found.start_ns, found.end_ns, found.parent_span_id, found.kind) == (NOW_NS - 5, NOW_NS, b"p" * 8, 3)
    assert (found.status, found.status_message, found.attributes) == (2, "rejected", {"x": b"y"})
    assert [resource.id for resource in batch.resources] == [found.resource_id]


MANY = attributes({f"a{k}": k for k in range(10_000)})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b""}, "identity"),
        ({"trace_id": b"\0" * 16}, "identity"),
        ({"span_id": b"s" * 9}, "identity"),
        ({"parent_span_id": b"p"}, "identity"),
        ({"start_time_unix_nano": 0}, "time_zero"),
        ({"end_time_unix_nano": 0}, "time_zero"),
        ({"end_time_unix_nano": NOW_NS + 601 * 10**9}, "time_future"),
        ({"attributes": MANY}, "attributes"),
        ({"events": [Span.Event(attributes=MANY)]}, "attributes"),
        ({"links": [Span.Link(attributes=MANY)]}, "attributes"),
    ],
)
def test_refused_spans(fields: dict[str, object], reason: str) -> None:
    """One that has no identity, no time or too many attributes is refused alone, by name."""
    decoded = decode(span(**fields), span(span_id=b"o" * 8))
    assert (decoded.refusals.by_reason, decoded.accepted) == ({reason: 1}, {"spans": 1})
    assert "span 'order'" in decoded.refusals.message


@pytest.mark.parametrize("signal", [Signal.TRACES, Signal.LOGS])
def test_a_resource_is_limited(signal: Signal) -> None:
    """Too many resource attributes refuse all that the resource brought."""
    request = traces_request(span()) if signal is Signal.TRACES else logs_request(LogRecord())
    message = request.resource_spans[0] if signal is Signal.TRACES else request.resource_logs[0]
    message.resource.attributes.extend(MANY)
    decoded = Decoder(ReceiverSettings(), {}).decode(signal, request.SerializeToString(), NOW_NS)
    assert (decoded.batch, decoded.refusals.by_reason) == (None, {"attributes": 1})


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (LogRecord(time_unix_nano=NOW_NS + 601 * 10**9), "time_future"),
        (LogRecord(attributes=MANY), "attributes"),
    ],
)
def test_refused_logs(record: LogRecord, reason: str) -> None:
    """Log records have the same limits."""
    body = logs_request(record, LogRecord(body=any_value("ok"))).SerializeToString()
    decoded = Decoder(ReceiverSettings(), {}).decode(Signal.LOGS, body, NOW_NS)
    assert (decoded.refusals.by_reason, decoded.accepted["logs"]) == ({reason: 1}, 1)


@pytest.mark.parametrize("signal", Signal)
def test_what_is_no_request(signal: Signal) -> None:
    """Bytes that are none of the signal's requests."""
    with pytest.raises(Malformed, match="is not an OTLP Export"):
        Decoder(ReceiverSettings(), {}).decode(signal, b"\xff\xff", NOW_NS)


def test_resources_are_bounded() -> None:
    """Ever new resources don't grow memory."""
    decoder = Decoder(ReceiverSettings(), {})
    for k in range(3000):
        body = logs_request(LogRecord(body=any_value("x")), resource={"k": k}).SerializeToString()
        decoder.decode(Signal.LOGS, body, NOW_NS)
    assert len(decoder._resources._known) <= 1024
