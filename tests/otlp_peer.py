"""OTLP peers of a bot's tests: real gRPC and HTTP servers that keep what they are sent."""

import gzip
import threading
from collections import Counter
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
from tests.parts import free_ports

_SIGNALS = {"logs": logs_pb, "metrics": metrics_pb, "traces": trace_pb}


def _request_class(signal: str) -> type:
    name = "Trace" if signal == "traces" else signal.capitalize()
    return getattr(_SIGNALS[signal], f"Export{name}ServiceRequest")


def _response_class(signal: str) -> type:
    name = "Trace" if signal == "traces" else signal.capitalize()
    return getattr(_SIGNALS[signal], f"Export{name}ServiceResponse")


@dataclass(frozen=True)
class Refusal:
    """How a peer says no, over gRPC and over HTTP."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    http: int = 503
    details: str = "refused by the test"
    trailing: tuple[tuple[str, bytes], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


_TOO_LARGE = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, 413, "grpc: received message larger than max")


@dataclass
class Received:
    """Requests as they came, how the next are answered, and a condition to wait on."""

    requests: list[object] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    refused: Counter[str] = field(default_factory=Counter)
    """Requests refused, by signal."""
    answers: dict[str, object] = field(default_factory=dict)
    """Responses other than the empty one, by signal."""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    refusals_left: Counter[str] = field(default_factory=Counter)
    bytes_max: int | None = None

    def offered(self, signal: str, request, headers: dict[str, str]) -> Refusal | None:
        """Take the request, or say how it is refused."""
        with self.changed:
            refusal = self._refusal(signal, request)
            if refusal is None:
                self.add(request, headers)
            else:
                self.refused[signal] += 1
                self.changed.notify_all()
            return refusal

    def _refusal(self, signal: str, request) -> Refusal | None:
        if self.refusals_left[signal] > 0:
            self.refusals_left[signal] -= 1
            return self.refusals[signal]
        if signal == "logs" and self.bytes_max is not None and request.ByteSize() > self.bytes_max:
            return _TOO_LARGE
        return None

    def answer(self, signal: str):
        """The response to a request that was taken."""
        return self.answers.get(signal) or _response_class(signal)()

    def add(self, request: object, headers: dict[str, str]) -> None:
        with self.changed:
            self.requests.append(request)
            self.headers.append(headers)
            self.changed.notify_all()

    def wait(self, condition, timeout: float = 60) -> None:
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
        signal = next(signal for signal in _SIGNALS if isinstance(request, _request_class(signal)))
        refusal = self._received.offered(signal, request, dict(context.invocation_metadata()))
        if refusal is not None:
            context.set_trailing_metadata(refusal.trailing)
            context.abort(refusal.code, refusal.details)
        return self._received.answer(signal)


@dataclass
class Peer:
    """What is sent to it, and how it refuses."""

    received: Received = field(default_factory=Received)

    def refuse(self, refusal: Refusal | None, *, signal: str | None = None, times: int = 1_000_000) -> None:
        """Refuse so many requests of a signal (of logs and of traces, if none is named); None: take them again."""
        with self.received.changed:
            for each in ("logs", "traces") if signal is None else (signal,):
                self.received.refusals_left[each] = 0 if refusal is None else times
                if refusal is not None:
                    self.received.refusals[each] = refusal

    def limit(self, bytes_max: int) -> None:
        """Take everything; logs in requests of so many bytes at most."""
        self.refuse(None)
        self.received.bytes_max = bytes_max


@dataclass
class GrpcPeer(Peer):
    """A gRPC server that can be stopped and started again on its port."""

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
        self.port = self.port or free_ports("grpc")["grpc"]
        address = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            self.server.add_insecure_port(address)
        else:
            self.server.add_secure_port(address, self.credentials)
        self.server.start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(None).wait()

    @property
    def endpoint(self) -> str:
        """Under the name that a certificate of these tests is for, where it speaks TLS."""
        return f"https://localhost:{self.port}" if self.credentials else f"http://127.0.0.1:{self.port}"


@dataclass
class HttpPeer(Peer):
    """An HTTP server for OTLP protobuf."""

    endpoint: str = ""


@contextmanager
def http_peer() -> Iterator[HttpPeer]:
    """A running HTTP peer."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            signal = self.path.removeprefix("/v1/")
            refusal = received.offered(signal, _request_class(signal).FromString(body), dict(self.headers))
            answer = b"" if refusal else received.answer(signal).SerializeToString()
            self.send_response(refusal.http if refusal else 200)
            for name, value in refusal.headers if refusal else (("Content-Type", "application/x-protobuf"),):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

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
