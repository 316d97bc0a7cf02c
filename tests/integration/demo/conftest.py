"""Peers of the demo: an OTLP collector that keeps what it is sent, and an exchange that replays a recording."""

import asyncio
import http
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from flashmm_demo.feeds import read_lines

RECORDING = Path(__file__).with_name("data") / "simulated-btcusdt-7.jsonl.gz"
"""Made by: python -m flashmm_demo --record-only --speed max --original-times --duration 300 --seed 7 --record PATH"""


# Telemetry.


@dataclass
class Collector(logs_grpc.LogsServiceServicer, metrics_grpc.MetricsServiceServicer, trace_grpc.TraceServiceServicer):
    """An OTLP receiver over gRPC."""

    endpoint: str = ""
    requests: list[object] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def Export(self, request, _context):
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        answer = type(request).__name__.replace("Request", "Response")
        return next(getattr(pb, answer) for pb in (logs_pb, metrics_pb, trace_pb) if hasattr(pb, answer))()

    def wait(self, condition, timeout: float = 60) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout), "the collector was not sent what was expected"

    def events(self, kind: str) -> list[dict[str, object]]:
        """Bodies of the events of a kind, with their sequence number as `seq`."""
        return [
            plain(record.body.kvlist_value.values) | {"seq": plain(record.attributes)["flashmm.seq"]}
            for record in self._logs()
            if record.event_name == kind
        ]

    def log_texts(self) -> list[str]:
        """Bodies of ordinary log records."""
        return [record.body.string_value for record in self._logs() if not record.event_name]

    def span_names(self) -> list[str]:
        return [
            span.name
            for request in self.requests
            if isinstance(request, trace_pb.ExportTraceServiceRequest)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def gauges(self) -> dict[str, float]:
        """The last value of each gauge."""
        return {
            metric.name: metric.gauge.data_points[-1].as_double
            for request in self.requests
            if isinstance(request, metrics_pb.ExportMetricsServiceRequest)
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
            if metric.WhichOneof("data") == "gauge"
        }

    def _logs(self) -> list:
        return [
            record
            for request in self.requests
            if isinstance(request, logs_pb.ExportLogsServiceRequest)
            for group in request.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]


def plain(pairs) -> dict[str, object]:
    """OTLP key-value pairs as a dict."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running collector on a free port."""
    server, kept = grpc.server(ThreadPoolExecutor(4)), Collector()
    logs_grpc.add_LogsServiceServicer_to_server(kept, server)
    metrics_grpc.add_MetricsServiceServicer_to_server(kept, server)
    trace_grpc.add_TraceServiceServicer_to_server(kept, server)
    kept.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield kept
    server.stop(None).wait()


# The exchange.


@dataclass
class Exchange:
    """A public exchange that sends a recording's messages, as many as it is told to and then what it is told to."""

    lines: list[str]
    snapshot: str
    port: int = 0
    connections: int = 0
    snapshots: int = 0
    paths: list[str] = field(default_factory=list)
    scripts: list[list[str | None]] = field(default_factory=list)
    """What each connection sends; None ends it rudely. Without a script, all lines; then it stays open."""
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    """A client has read nearly all of what a connection sent: it answered a ping after it."""
    failing_snapshots: int = 0
    """Answer so many snapshot requests with an error first."""

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def send(self, connection: ServerConnection) -> None:
        self.connections += 1
        script = self.scripts.pop(0) if self.scripts else self.lines
        for text in script:
            if text is None:
                connection.transport.abort()
                return
            await connection.send(text)
        await (await connection.ping())
        self.drained.set()
        await connection.wait_closed()

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        if not request.path.startswith("/fapi/v1/depth"):
            return None
        self.snapshots += 1
        if self.failing_snapshots:
            self.failing_snapshots -= 1
            return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
        body = self.snapshot.encode()
        return Response(200, "OK", Headers({"Content-Length": str(len(body)), "Connection": "close"}), body)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """A running exchange with the recording's first minute."""
    texts = [line.text for line, _ in zip(read_lines(RECORDING), range(1_000), strict=False)]
    kept = Exchange(lines=[text for text in texts if "stream" in json.loads(text)], snapshot=texts[0])
    server: Server
    async with serve(kept.send, "127.0.0.1", 0, process_request=kept.answer) as server:
        kept.port = next(iter(server.sockets)).getsockname()[1]
        yield kept
