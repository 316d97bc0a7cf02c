"""The bound on nested messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flashmm_receiver._bounds import check_json, check_messages
from flashmm_receiver.errors import TooLarge


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def nested(content: bytes, *tags: int) -> bytes:
    """The content inside messages, the innermost tag last."""
    for tag in reversed(tags):
        content = bytes([tag]) + varint(len(content)) + content
    return content


MANY = 4_000
BOMBS = {
    "resources": b"\x0a\x00" * MANY,
    "scopes": nested(b"\x12\x00" * MANY, 0x0A),
    "metrics": nested(b"\x12\x00" * MANY, 0x0A, 0x12),
    "points": nested(b"\x0a\x00" * MANY, 0x0A, 0x12, 0x12, 0x2A),
    "attributes of a span": nested(b"\x4a\x00" * MANY * 16, 0x0A, 0x12, 0x12),
    "before garbage": nested(b"\x12\x00" * MANY, 0x0A, 0x12) + nested(b"\xff" * 20, 0x0A, 0x12),
}


@pytest.mark.parametrize(("name", "bomb"), BOMBS.items(), ids=BOMBS.keys())
def test_more_messages_than_allowed_are_refused(name: str, bomb: bytes) -> None:
    """At every level, whatever follows them."""
    with pytest.raises(TooLarge, match="1000 messages"):
        check_messages(bomb, 1000, metrics="span" not in name)


def test_a_request_of_the_size_that_is_allowed_passes() -> None:
    """The parser agrees with what was counted."""
    request = ExportMetricsServiceRequest()
    points = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points
    for number in range(900):
        points.add(time_unix_nano=number, as_double=1.0).attributes.add(key="slot").value.string_value = str(number)
    check_messages(request.SerializeToString(), 1200, metrics=True)
    with pytest.raises(TooLarge):
        check_messages(request.SerializeToString(), 800, metrics=True)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_protobuf_are_left_to_the_parser(data: bytes) -> None:
    """Nothing but TooLarge is raised."""
    try:
        check_messages(data, 1, metrics=True)
    except TooLarge as error:
        assert error.setting == "messages_max"


def test_spans_are_counted_too() -> None:
    """One each, and their fields a sixteenth."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(500):
        spans.add(name="order", start_time_unix_nano=number)
    check_messages(request.SerializeToString(), 600, metrics=False)
    with pytest.raises(TooLarge):
        check_messages(request.SerializeToString(), 400, metrics=False)


def test_objects_of_json_are_counted() -> None:
    """A quarter of what protobuf may hold."""
    check_json(b"{" * 250, 1000)
    with pytest.raises(TooLarge):
        check_json(b"{" * 251, 1000)
