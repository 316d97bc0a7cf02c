"""OTLP's values as Python's, for whoever reads OTLP: the receiver, and adapters of stores that answer in it."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from flashmm_backends.batch import Span, SpanEvent, SpanLink

_NS_MAX: Final = (1 << 63) - 1
"""What a store can keep; a span event's time is not worth refusing the span."""


def python_value(value: AnyValue) -> object:
    """str, bool, int, float, bytes, list, dict, or None where the value is unset."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "kvlist_value":
        return python_values(value.kvlist_value.values)
    if kind == "array_value":
        return [python_value(item) for item in value.array_value.values]
    return getattr(value, kind)


def python_values(attributes: Iterable[KeyValue]) -> Mapping[str, object]:
    """Attributes by name; of several with one name the last."""
    return {item.key: python_value(item.value) for item in attributes}


def resource_id(message: Resource) -> int:
    """Unsigned 64-bit hash of a resource's attributes, whatever their order."""
    parts = sorted(item.SerializeToString(deterministic=True) for item in message.attributes)
    return int.from_bytes(hashlib.blake2b(b"\xff".join(parts), digest_size=8).digest(), "big")


def span_of(span: WireSpan, resource: int, scope: str, service: str = "") -> Span:
    """A span as it is, unchecked. resource: its content hash; scope: the scope's name; service: for readers."""
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=span.status.code,
        status_message=span.status.message,
        resource_id=resource,
        scope=scope,
        attributes=python_values(span.attributes),
        events=[_span_event(event) for event in span.events],
        links=[SpanLink(link.trace_id, link.span_id, python_values(link.attributes)) for link in span.links],
        service=service,
    )


def _span_event(event: WireSpan.Event) -> SpanEvent:
    return SpanEvent(event.name, min(event.time_unix_nano, _NS_MAX), python_values(event.attributes))
