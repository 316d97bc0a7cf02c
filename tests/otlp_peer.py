"""OTLP peers of a bot's tests: real gRPC and HTTP servers that keep what they are sent."""

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc


@dataclass
class Received:
    """Requests as they came, and a condition to wait on."""

    requests: list[object] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, request: object, headers: dict[str, str]) -> None:
        with self.changed:
            self.requests.append(request)
            self.headers.append(headers)
            self.changed.notify_all()

    def wait(self, condition, timeout: float = 20) -> None:
        """Block until condition() holds; fail after the timeout."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout), "the peer was not sent what was expected"

    def logs(self) -> list[tuple[dict[str, object], object]]:
        """(resource attributes, log record) of every log record."""
        return [
            (attributes(group.resource.attributes), record)
            for request in self.requests
            if isinstance(request, logs_pb.ExportLogsServiceRequest)
            for group in request.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]

    def events(self, kind: str | None = None) -> list[object]:
        """Log records that are events."""
        return [record for _, record in self.logs() if record.event_name and kind in (None, record.event_name)]

    def spans(self) -> list[object]:
        return [
            span
            for request in self.requests
            if isinstance(request, trace_pb.ExportTraceServiceRequest)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def bodies(self, kind: str) -> list[dict[str, object]]:
        """Bodies of the events of a kind, with their sequence number as `seq`."""
        return [
            attributes(record.body.kvlist_value.values) | {"seq": attributes(record.attributes)["flashmm.seq"]}
            for record in self.events(kind)
        ]

    def log_texts(self) -> list[str]:
        """Bodies of ordinary log records."""
        return [record.body.string_value for _, record in self.logs() if not record.event_name]

    def gauges(self) -> dict[str, float]:
        """The last value of each gauge."""
        return {
            name: metric.gauge.data_points[-1].as_double
            for name, metric in self.metrics().items()
            if metric.WhichOneof("data") == "gauge"
        }

    def metrics(self) -> dict[str, object]:
        """The last value of each metric, by name."""
        return {
            metric.name: metric
            for request in self.requests
            if isinstance(request, metrics_pb.ExportMetricsServiceRequest)
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
        }


def attributes(pairs) -> dict[str, object]:
    """OTLP key-value pairs as a dict of their plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


class _Services(logs_grpc.LogsServiceServicer, metrics_grpc.MetricsServiceServicer, trace_grpc.TraceServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    def Export(self, request, context):
        self._received.add(request, dict(context.invocation_metadata()))
        answer = type(request).__name__.replace("Request", "Response")
        return next(
            getattr(module, answer) for module in (logs_pb, metrics_pb, trace_pb) if hasattr(module, answer)
        )()


@dataclass
class GrpcPeer:
    """A gRPC server that can be stopped and started again on its port."""

    received: Received = field(default_factory=Received)
    port: int = 0
    server: grpc.Server | None = None
    credentials: grpc.ServerCredentials | None = None
    """With them it speaks TLS only."""

    def start(self) -> None:
        self.server = grpc.server(ThreadPoolExecutor(4))
        services = _Services(self.received)
        logs_grpc.add_LogsServiceServicer_to_server(services, self.server)
        metrics_grpc.add_MetricsServiceServicer_to_server(services, self.server)
        trace_grpc.add_TraceServiceServicer_to_server(services, self.server)
        address = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            self.port = self.server.add_insecure_port(address)
        else:
            self.port = self.server.add_secure_port(address, self.credentials)
        self.server.start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(None).wait()

    @property
    def endpoint(self) -> str:
        """Under the name that a certificate of these tests is for, where it speaks TLS."""
        return f"https://localhost:{self.port}" if self.credentials else f"http://127.0.0.1:{self.port}"


_HTTP_REQUESTS = {
    "/v1/logs": logs_pb.ExportLogsServiceRequest,
    "/v1/metrics": metrics_pb.ExportMetricsServiceRequest,
    "/v1/traces": trace_pb.ExportTraceServiceRequest,
}


@dataclass
class HttpPeer:
    """An HTTP server for OTLP protobuf."""

    received: Received
    endpoint: str


@contextmanager
def http_peer() -> Iterator[HttpPeer]:
    """A running HTTP peer."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.add(_HTTP_REQUESTS[self.path].FromString(body), dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield HttpPeer(received, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def grpc_peer(credentials: grpc.ServerCredentials | None = None) -> Iterator[GrpcPeer]:
    """A running gRPC peer."""
    peer = GrpcPeer(credentials=credentials)
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()
