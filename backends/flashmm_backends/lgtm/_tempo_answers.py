"""Tempo's JSON answers as spans and orders. Pure. Raises NotAnAnswer where the form is another.

Source: https://grafana.com/docs/tempo/latest/api_docs/.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from flashmm_backends.batch import Span
from flashmm_backends.lgtm._answers import NotAnAnswer
from flashmm_backends.lgtm._traceql import ATTRIBUTES, ROOT_NAME, TERMS
from flashmm_backends.otlp import python_values, resource_id, span_of
from flashmm_backends.ports import OrderSummary
from flashmm_instrumentation.semconv import attributes as attr

_SHAPE_ERRORS: Final = (KeyError, TypeError, ValueError, AttributeError, ParseError)


@dataclass(frozen=True, slots=True)
class Arrived:
    """What of a trace is there, by start. partial: the store says that it holds more than it could read.

    resources: attributes of who sent the spans, by the spans' resource_id.
    """

    spans: Sequence[Span] = ()
    partial: bool = False
    resources: Mapping[int, Mapping[str, object]] = field(default_factory=dict[int, Mapping[str, object]])

    @property
    def is_whole(self) -> bool:
        """There is a root, and every span's parent."""
        ids = {span.span_id for span in self.spans}
        roots = [span for span in self.spans if not span.parent_span_id]
        orphans = [span for span in self.spans if span.parent_span_id and span.parent_span_id not in ids]
        return bool(roots) and not orphans and not self.partial

    @property
    def placement(self) -> OrderSummary | None:
        """The order that this trace placed, if it is a placement's."""
        for span in self.spans:
            if span.name == ROOT_NAME and not span.parent_span_id and attr.ORDER_ID in span.attributes:
                told = {**self.resources.get(span.resource_id, {}), **span.attributes}
                return _summary(span.trace_id, span.start_ns, span.end_ns - span.start_ns, told)
        return None


def arrived(body: bytes) -> Arrived:
    """The answer to a trace's id, in the form of /api/v2/traces or of /api/traces. Raises NotAnAnswer."""
    try:
        told = orjson.loads(body)
        trace = told.get("trace", told)
        resources = trace.get("resourceSpans", trace.get("batches"))
        if resources is None and trace:
            raise NotAnAnswer
        data = ParseDict({"resourceSpans": resources or []}, TracesData(), ignore_unknown_fields=True)
        spans = {span.span_id: span for span in _spans(data)}
        return Arrived(sorted(spans.values(), key=_order), told.get("status") == "PARTIAL", _resources(data))
    except _SHAPE_ERRORS as error:
        raise NotAnAnswer from error


def _resources(data: TracesData) -> Mapping[int, Mapping[str, object]]:
    sent = (each.resource for each in data.resource_spans)
    return {resource_id(each): python_values(each.attributes) for each in sent}


def _order(span: Span) -> tuple[int, bytes]:
    return span.start_ns, span.span_id


def _spans(data: TracesData) -> Iterator[Span]:
    for resource in data.resource_spans:
        number = resource_id(resource.resource)
        service = str(python_values(resource.resource.attributes).get(attr.SERVICE_NAME, ""))
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield span_of(span, number, scope.scope.name, service)


def found_traces(body: bytes) -> list[bytes]:
    """The ids of the traces that a search found. Raises NotAnAnswer."""
    try:
        return [_trace_id(trace) for trace in _found(body)]
    except _SHAPE_ERRORS as error:
        raise NotAnAnswer from error


def found_orders(body: bytes) -> list[OrderSummary]:
    """The placements that a search found. Raises NotAnAnswer."""
    try:
        return [order for trace in _found(body) for order in _orders(trace)]
    except _SHAPE_ERRORS as error:
        raise NotAnAnswer from error


def _found(body: bytes) -> Sequence[dict[str, Any]]:
    told = orjson.loads(body)
    if "traces" not in told and "metrics" not in told:
        raise NotAnAnswer
    return told.get("traces") or ()


def _trace_id(trace: dict[str, Any]) -> bytes:
    return bytes.fromhex(trace["traceID"].zfill(32))  # searches drop leading zeros


def _orders(trace: dict[str, Any]) -> Iterator[OrderSummary]:
    for spans in trace.get("spanSets") or (trace["spanSet"],):
        for span in spans["spans"]:
            attributes = {each["key"]: each["value"].get("stringValue") for each in span.get("attributes", ())}
            start_ns, duration_ns = int(span["startTimeUnixNano"]), int(span.get("durationNanos", 0))
            yield _summary(_trace_id(trace), start_ns, duration_ns, attributes)


def _summary(trace_id: bytes, start_ns: int, duration_ns: int, attributes: Mapping[str, object]) -> OrderSummary:
    texts = {name: str(attributes.get(key) or "") for name, key in (ATTRIBUTES | TERMS).items()}
    return OrderSummary(trace_id=trace_id, start_ns=start_ns, duration_ns=duration_ns, **texts)


def matches(order: OrderSummary, where: Mapping[str, str]) -> bool:
    """Whether an order has these values."""
    return all(getattr(order, name) == value for name, value in where.items())
