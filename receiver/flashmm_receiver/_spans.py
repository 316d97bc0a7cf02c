"""OTLP spans as the store's spans."""

from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from flashmm_backends.batch import Resource, Span
from flashmm_backends.otlp import span_of
from flashmm_receiver._attributes import AttributeLimits, AttributesRefused
from flashmm_receiver._refusals import Refusals
from flashmm_receiver._resources import Resources
from flashmm_receiver._slices import RECORDS, Slicer
from flashmm_receiver.errors import Malformed

_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8


@dataclass(slots=True)
class SpansJob:
    """What one traces request holds."""

    now_ns: int
    future_ns: int
    refusals: Refusals = field(default_factory=Refusals)
    resources: dict[int, Resource] = field(default_factory=dict[int, Resource])
    spans: list[Span] = field(default_factory=list[Span])


@dataclass
class _SpanRefused(Exception):
    reason: str
    why: str


class SpansReader:
    """Reads traces requests."""

    def __init__(self, resources: Resources, limits: AttributeLimits, record_bytes_max: int) -> None:
        self._resources = resources
        self._limits = limits
        self._record_bytes_max = record_bytes_max

    def read(self, data: bytes, now_ns: int, future_ns: int) -> SpansJob:
        """Read one request. Raises Malformed, TooLarge."""
        job = SpansJob(now_ns, future_ns)
        for piece in Slicer(self._record_bytes_max, job.refusals).pieces(data, RECORDS):
            for message in _parsed(piece).resource_spans:
                self._resource(job, message)
        return job

    def _resource(self, job: SpansJob, message: ResourceSpans) -> None:
        try:
            resource = self._resources.get(message.resource)
        except AttributesRefused as error:
            job.refusals.add(
                error.reason, f"resource: {error}", sum(len(scope.spans) for scope in message.scope_spans)
            )
            return
        job.resources[resource.id] = resource
        for scope in message.scope_spans:
            self._scope(job, resource, scope)

    def _scope(self, job: SpansJob, resource: Resource, message: ScopeSpans) -> None:
        for span in message.spans:
            try:
                job.spans.append(self._span(job, span, resource.id, message.scope.name))
            except AttributesRefused as error:
                job.refusals.add(error.reason, f"span {span.name[:64]!r}: {error}")
            except _SpanRefused as error:
                job.refusals.add(error.reason, f"span {span.name[:64]!r}: {error.why}")

    def _span(self, job: SpansJob, span: WireSpan, resource_id: int, scope: str) -> Span:
        _check_ids(span)
        _check_times(job, span)
        for nested in (span, *span.events, *span.links):
            self._limits.check(nested.attributes)
        return span_of(span, resource_id, scope)


def _parsed(data: bytes) -> ExportTraceServiceRequest:
    try:
        return ExportTraceServiceRequest.FromString(data)
    except DecodeError:
        raise Malformed("the body is not an OTLP ExportTraceServiceRequest in protobuf") from None


def _check_ids(span: WireSpan) -> None:
    for name, raw, size in (
        ("trace_id", span.trace_id, _TRACE_ID_BYTES),
        ("span_id", span.span_id, _SPAN_ID_BYTES),
    ):
        if len(raw) != size or not any(raw):
            raise _SpanRefused("identity", f"{name} must be {size} bytes, not all zero")
    if len(span.parent_span_id) not in (0, _SPAN_ID_BYTES):
        raise _SpanRefused("identity", f"parent_span_id must be empty or {_SPAN_ID_BYTES} bytes")


def _check_times(job: SpansJob, span: WireSpan) -> None:
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    if not start_ns or not end_ns:
        raise _SpanRefused("time_zero", "start and end time must be set")
    if max(start_ns, end_ns) > job.future_ns:
        raise _SpanRefused("time_future", "its time is ahead of this clock: set yours")
