"""What a bot sends, as OTLP messages, and the way a bot sends it: again while the answer is retryable."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE, Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.parts import Server

from flashmm_instrumentation.semconv import attributes as names

Request = ExportLogsServiceRequest | ExportMetricsServiceRequest | ExportTraceServiceRequest
_METHODS: dict[type[Request], str] = {
    ExportLogsServiceRequest: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    ExportMetricsServiceRequest: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    ExportTraceServiceRequest: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
_RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
}


def key_values(values: Mapping[str, str | int]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [KeyValue(key=key, value=_any_value(value)) for key, value in values.items()]


def _any_value(value: str | int) -> AnyValue:
    return AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)


def resource(bot: str = "maker-1", **more: str) -> Resource:
    """The resource of one run of a bot."""
    values = {
        names.SERVICE_NAME: bot,
        names.SERVICE_NAMESPACE: names.NAMESPACE,
        names.SERVICE_INSTANCE_ID: "i-1",
        names.BOT: bot,
        names.ACCOUNT: "main",
        names.RUN: "0190a0a0-0000-7000-8000-000000000001",
    }
    return Resource(attributes=key_values({**values, **more}))


def event(kind: str, seq: int, *, at_ns: int | None = None, **body: str | int) -> LogRecord:
    """One event of a stream, named both ways."""
    at = at_ns or time.time_ns()
    record = LogRecord(event_name=kind, time_unix_nano=at, observed_time_unix_nano=at)
    record.attributes.extend(key_values({names.EVENT_NAME: kind, names.SEQ: seq}))
    record.body.kvlist_value.values.extend(key_values(body))
    return record


def line(text: str, *, trace_id: bytes = b"") -> LogRecord:
    """One line of the bot's ordinary logging."""
    at = time.time_ns()
    record = LogRecord(time_unix_nano=at, observed_time_unix_nano=at, severity_text="INFO")
    record.severity_number = SeverityNumber.SEVERITY_NUMBER_INFO
    record.body.string_value = text
    record.trace_id = trace_id
    return record


def logs(*records: LogRecord, bot: str = "maker-1") -> ExportLogsServiceRequest:
    """Log records of one bot as a request."""
    request = ExportLogsServiceRequest()
    each = request.resource_logs.add(resource=resource(bot))
    each.scope_logs.add().log_records.extend(records)
    return request


def gauge(name: str, value: float, *, unit: str = "1", at_ns: int | None = None, **labels: str) -> Metric:
    """One point of a gauge."""
    metric = Metric(name=name, unit=unit)
    point = metric.gauge.data_points.add(as_double=value, time_unix_nano=at_ns or time.time_ns())
    point.attributes.extend(key_values(labels))
    return metric


def exponential(name: str, buckets: list[int], *, scale: int = 0, trace_id: bytes = b"") -> Metric:
    """An exponential histogram in seconds whose positive buckets start at 1 s × 2**0; an exemplar if traced."""
    metric = Metric(name=name, unit="s")
    metric.exponential_histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    now = time.time_ns()
    point = metric.exponential_histogram.data_points.add(
        start_time_unix_nano=now - 10**9, time_unix_nano=now, count=sum(buckets), sum=1.5 * sum(buckets), scale=scale
    )
    point.positive.bucket_counts.extend(buckets)
    if trace_id:
        point.exemplars.add(time_unix_nano=now, as_double=1.5, trace_id=trace_id, span_id=trace_id[:8])
    return metric


def metrics(*each: Metric, bot: str = "maker-1") -> ExportMetricsServiceRequest:
    """Metrics of one bot as a request."""
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add(resource=resource(bot)).scope_metrics.add().metrics.extend(each)
    return request


def span(
    name: str, trace_id: bytes, *, milliseconds: float = 1.0, failed: bool = False, outcome: str = "acked"
) -> Span:
    """A root span that ends now."""
    end = time.time_ns()
    start = end - int(milliseconds * 1e6)
    each = Span(
        trace_id=trace_id, span_id=trace_id[:8], name=name, start_time_unix_nano=start, end_time_unix_nano=end
    )
    each.kind = Span.SPAN_KIND_CLIENT
    each.attributes.extend(key_values({names.ORDER_OUTCOME: outcome}))
    each.status.code = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET
    return each


def traces(*spans: Span, bot: str = "maker-1") -> ExportTraceServiceRequest:
    """Spans of one bot as a request."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add(resource=resource(bot)).scope_spans.add().spans.extend(spans)
    return request


@dataclass(slots=True)
class Sender:
    """A bot's exporter with the headers that it was given. `refused` counts the retryable answers it has had."""

    channel: grpc.Channel
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    refused: int = 0

    def send(self, request: Request, *, seconds: float = 90.0) -> None:
        """Deliver, however often it takes. Raises grpc.RpcError for a final refusal, or once the time is over."""
        deadline = time.monotonic() + seconds
        while not self._delivered(request, deadline):
            self.refused += 1
            time.sleep(0.02)

    def try_once(self, request: Request, *, seconds: float = 30.0) -> grpc.StatusCode:
        """Deliver without retrying; the status of the answer."""
        try:
            self._export(request, seconds=seconds, wait=False)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def _delivered(self, request: Request, deadline: float) -> bool:
        try:
            self._export(request, seconds=30, wait=True)
        except grpc.RpcError as error:
            if error.code() not in _RETRYABLE or time.monotonic() > deadline:
                raise
            return False
        return True

    def _export(self, request: Request, *, seconds: float, wait: bool) -> None:
        method = cast("Any", self.channel.unary_unary(_METHODS[type(request)]))  # the answer stays undecoded
        headers = tuple(self.headers.items())
        method(request.SerializeToString(), timeout=seconds, wait_for_ready=wait, metadata=headers)


@contextmanager
def sender(collector: Server, **headers: str) -> Generator[Sender]:
    """A bot's exporter to this Collector. headers: names with `_` for `-`."""
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
    with grpc.insecure_channel(f"127.0.0.1:{collector.ports['grpc']}", options=options) as channel:
        yield Sender(channel, {name.replace("_", "-"): value for name, value in headers.items()})
