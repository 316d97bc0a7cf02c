"""The SDK's own requests, damaged within: what is taken is what protobuf reads of them, and nothing else."""

import random
import time
from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError, Message
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link
from tests.bench.stall import fills
from tests.unit.receiver.strategies import soaked

from flashmm_receiver._decoder import Decoder, Signal
from flashmm_receiver.errors import Malformed
from flashmm_receiver.settings import ReceiverSettings

STRANGE = (
    b"\x0b\x0c",  # a group
    b"\x78" + b"\xff" * 9 + b"\x01",
    b"\x78" + b"\x80" * 9 + b"\x01",
    b"\x78" + b"\xff" * 10 + b"\x01",
    b"\x12\xff\xff\xff\xff\x0f",
    b"\xfa\xff\xff\xff\x7f\x00",
    b"\x0a\x02\xff\xfe",
    b"\x00\x01",
    b"\x8a\x00\x00",
)
"""Groups, huge numbers and lengths, no UTF-8, field 0, a number written too long."""


def _spans() -> bytes:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("t")
    for number in range(10):
        with tracer.start_as_current_span("order", attributes={"n": number, "many": [1, 2], "é": "é"}) as span:
            span.record_exception(ValueError("x"))
            tracer.start_span("child", links=[Link(span.get_span_context(), {"l": True})]).end()
    return encode_spans(kept.get_finished_spans()).SerializeToString()


def _metrics() -> bytes:
    view = View(instrument_name="exp", aggregation=ExponentialBucketHistogramAggregation())
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], views=[view]).get_meter("m")
    with TracerProvider().get_tracer("t").start_as_current_span("sampled: exemplars"):
        for number in range(5):
            meter.create_counter("c").add(1, {"n": number})
            meter.create_gauge("g").set(number, {"n": number})
            meter.create_histogram("h").record(number)
            meter.create_histogram("exp").record(number + 0.5, {"n": number})
    message = encode_metrics(reader.get_metrics_data())
    summary = message.resource_metrics[0].scope_metrics[0].metrics.add(name="s").summary
    summary.data_points.add(time_unix_nano=time.time_ns(), count=3, sum=1.5).quantile_values.add(
        quantile=0.5, value=1
    )
    return message.SerializeToString()


def _logs() -> bytes:
    message = fills(10)
    for _ in range(10):
        record = message.resource_logs[0].scope_logs[0].log_records.add(observed_time_unix_nano=time.time_ns())
        record.body.string_value = "é line"
    return message.SerializeToString()


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes((low | 128,)) + _varint(rest) if rest else bytes((low,))


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Keys and raw values of length-delimited fields, whose keys take a byte. Raises what others lead to."""
    found: list[tuple[int, bytes]] = []
    while data:
        key, length, shift, at = data[0], 0, 0, 1
        while True:
            length, shift, at = length | (data[at] & 127) << shift, shift + 7, at + 1
            if data[at - 1] < 128:
                break
        if key & 7 != 2 or key > 127 or at + length > len(data):
            raise ValueError
        found.append((key, data[at : at + length]))
        data = data[at + length :]
    return found


def _restructured(data: bytes, chance: random.Random) -> bytes:
    """Fields doubled, left out, in another order, of another type, or with something strange between them."""
    try:
        fields = _fields(data)
    except (ValueError, IndexError):
        return data + chance.choice(STRANGE) if chance.random() < 0.2 else data
    at = chance.randrange(len(fields) + 1)
    if at < len(fields) and chance.random() < 0.7:
        fields[at] = (fields[at][0], _restructured(fields[at][1], chance))
    parts = [bytes((key,)) + _varint(len(value)) + value for key, value in fields]
    step = chance.randrange(8)
    if step == 0:
        chance.shuffle(parts)
    elif step == 1:
        parts[at:at] = parts[:2]
    elif step == 2:
        del parts[at : at + 1]
    elif step == 3:
        parts.insert(at, chance.choice(STRANGE))
    elif step == 4 and at < len(parts):
        parts[at] = bytes((parts[at][0] & 0xF8 | chance.randrange(8),)) + parts[at][1:]
    return b"".join(parts)


def _damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    step = chance.randrange(10)
    if step == 0:
        return data[:at]
    if step == 1:
        return data[:at] + other[chance.randrange(len(other)) :]
    if step == 2:
        return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :] if at < len(data) else data
    if step == 3:
        return data[:at] + chance.choice(STRANGE) + data[at:]
    return _restructured(_restructured(data, chance), chance)


def _spans_in(message: ExportTraceServiceRequest) -> int:
    return sum(len(scope.spans) for each in message.resource_spans for scope in each.scope_spans)


def _logs_in(message: ExportLogsServiceRequest) -> int:
    return sum(len(scope.log_records) for each in message.resource_logs for scope in each.scope_logs)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("signal", "whole", "kind", "records_in"),
    [
        (Signal.TRACES, _spans, ExportTraceServiceRequest, _spans_in),
        (Signal.LOGS, _logs, ExportLogsServiceRequest, _logs_in),
        (Signal.METRICS, _metrics, ExportMetricsServiceRequest, None),
    ],
)
def test_taken_is_what_protobuf_reads(
    signal: Signal, whole: Callable[[], bytes], kind: type[Message], records_in: Callable[[Message], int] | None
) -> None:
    """Refused as malformed if and only if protobuf cannot read it; each record is taken, a duplicate or refused.

    A third of them are over 64 KiB, and so decoded in pieces.
    """
    chance, good, other = random.Random(11), whole(), _logs() + _spans()
    for _ in range(soaked(10_000)):
        body = _damaged(good, other, chance)
        if chance.random() < 0.3:
            times = 70_000 // len(good) + 1
            body = good * chance.randrange(times) + body + good * times
        try:
            message = kind.FromString(body)
        except DecodeError:
            with pytest.raises(Malformed):
                Decoder(ReceiverSettings(), {}).decode(signal, body, time.time_ns())
            continue
        decoded = Decoder(ReceiverSettings(), {}).decode(signal, body, time.time_ns())
        if records_in:
            told = sum(decoded.accepted.values()) + sum(decoded.duplicates.values()) + decoded.refusals.total
            assert told == records_in(message)
