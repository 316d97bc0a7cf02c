"""An OTLP receiver that remembers: the far end of a pipeline where no store is under test."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from tests.parts._process import free_ports

OtlpRequest = ExportLogsServiceRequest | ExportMetricsServiceRequest | ExportTraceServiceRequest


@dataclass(slots=True)
class Sink:
    """What arrived, in order of arrival.

    address, http_address: host:port of OTLP over gRPC and HTTP, the same over any number of starts.
    token: the bearer token asked for; none when empty.
    refusing: while set, every request is answered with this status and nothing is remembered.
    of_collectors: the metrics that a Collector sends of itself; they are not among `metrics`.
    """

    address: str
    http_address: str
    token: str = ""
    refusing: grpc.StatusCode | None = None
    logs: list[ResourceLogs] = field(default_factory=list[ResourceLogs])
    metrics: list[ResourceMetrics] = field(default_factory=list[ResourceMetrics])
    of_collectors: list[ResourceMetrics] = field(default_factory=list[ResourceMetrics])
    traces: list[ResourceSpans] = field(default_factory=list[ResourceSpans])
    authorizations: set[str] = field(default_factory=set[str])
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _grpc: grpc.Server | None = None
    _http: _HttpServer | None = None

    @property
    def http_url(self) -> str:
        """Where it takes OTLP over HTTP."""
        return f"http://{self.http_address}"

    def start(self) -> None:
        """Listen at both addresses."""
        self._grpc = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self._grpc.add_generic_rpc_handlers([_service(self, *each) for each in _SERVICES])
        self._grpc.add_insecure_port(self.address)
        self._grpc.start()
        self._http = _HttpServer(self)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), name="sink", daemon=True).start()

    def stop(self) -> None:
        """Stop listening at once; calls under way fail."""
        if self._grpc is not None:
            self._grpc.stop(None).wait()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
        self._grpc = self._http = None

    def log_records(self) -> Iterator[LogRecord]:
        """Every log record."""
        return (record for each in self.logs for scope in each.scope_logs for record in scope.log_records)

    def metric_list(self) -> Iterator[Metric]:
        """Every metric of every request."""
        return (metric for each in self.metrics for scope in each.scope_metrics for metric in scope.metrics)

    def spans(self) -> Iterator[Span]:
        """Every span."""
        return (span for each in self.traces for scope in each.scope_spans for span in scope.spans)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Return when the condition, looked at after each arrival, holds. Raises AssertionError if it never does."""
        with self._arrived:
            assert self._arrived.wait_for(condition, seconds), f"the sink at {self.address} waited in vain"

    def answer(self, message: OtlpRequest, authorization: str | bytes | None) -> grpc.StatusCode:
        """Remember what a request carries, or say why not."""
        if self.token and authorization != f"Bearer {self.token}":
            return grpc.StatusCode.UNAUTHENTICATED
        if self.refusing is not None:
            return self.refusing
        with self._arrived:
            self.authorizations.add(str(authorization))
            self._keep(message)
            self._arrived.notify_all()
        return grpc.StatusCode.OK

    def _keep(self, message: OtlpRequest) -> None:
        match message:
            case ExportLogsServiceRequest():
                self.logs.extend(message.resource_logs)
            case ExportMetricsServiceRequest():
                for each in message.resource_metrics:
                    (self.of_collectors if _of_a_collector(each) else self.metrics).append(each)
            case ExportTraceServiceRequest():
                self.traces.extend(message.resource_spans)


def _of_a_collector(metrics: ResourceMetrics) -> bool:
    named = {pair.key: pair.value.string_value for pair in metrics.resource.attributes}
    return named.get("service.name") == "otel-collector"


@contextmanager
def running_sink(*, token: str = "") -> Generator[Sink]:
    """A sink at free loopback ports, listening until the block ends."""
    ports = free_ports("grpc", "http")
    sink = Sink(f"127.0.0.1:{ports['grpc']}", f"127.0.0.1:{ports['http']}", token)
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


_SERVICES: list[tuple[str, type[OtlpRequest]]] = [
    ("opentelemetry.proto.collector.logs.v1.LogsService", ExportLogsServiceRequest),
    ("opentelemetry.proto.collector.metrics.v1.MetricsService", ExportMetricsServiceRequest),
    ("opentelemetry.proto.collector.trace.v1.TraceService", ExportTraceServiceRequest),
]


def _service(sink: Sink, name: str, request: type[OtlpRequest]) -> grpc.GenericRpcHandler:
    """One OTLP service; its answers are all empty messages, which are no bytes."""

    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = dict(context.invocation_metadata())
        status = sink.answer(request.FromString(body), metadata.get("authorization"))
        if status is not grpc.StatusCode.OK:
            context.abort(status, "refused")
        return b""

    return grpc.method_handlers_generic_handler(name, {"Export": grpc.unary_unary_rpc_method_handler(export)})


_REQUESTS: dict[str, type[OtlpRequest]] = {
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
}
_HTTP_STATUS = {
    grpc.StatusCode.OK: HTTPStatus.OK,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
}


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, sink: Sink) -> None:
        host, port = sink.http_address.split(":")
        super().__init__((host, int(port)), _HttpHandler)
        self.sink = sink


class _HttpHandler(BaseHTTPRequestHandler):
    server: _HttpServer  # pyright: ignore[reportIncompatibleVariableOverride] (the base class says less)
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        message = _REQUESTS[self.path.rpartition("/")[2]].FromString(body)  # under any prefix
        status = self.server.sink.answer(message, self.headers.get("Authorization"))
        self.send_response(_HTTP_STATUS.get(status, HTTPStatus.SERVICE_UNAVAILABLE))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""
