"""The stock OpenTelemetry SDK and its exporters as the peer."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link

from flashmm_backends.testing import MemoryStore
from flashmm_receiver import Receiver

RESOURCE = Resource(
    {"service.name": "maker", "service.namespace": "flashmm", "service.instance.id": "1", "zone": "z"}
)


def _metrics_exporter(kind: str, receiver: Receiver):
    if kind.startswith("grpc"):
        compression = grpc.Compression.Gzip if kind.endswith("gzip") else grpc.Compression.NoCompression
        return GrpcMetrics(f"http://127.0.0.1:{receiver.grpc_port}", insecure=True, compression=compression)
    return HttpMetrics(f"http://127.0.0.1:{receiver.http_port}/v1/metrics", compression=_compression(kind))


def _compression(kind: str) -> Compression:
    return Compression.Gzip if kind.endswith("gzip") else Compression.NoCompression


def _send_metrics(exporter: GrpcMetrics | HttpMetrics) -> None:
    view = View(instrument_name="exp", aggregation=ExponentialBucketHistogramAggregation())
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider([reader], RESOURCE, views=[view])
    meter = provider.get_meter("test")
    meter.create_counter("orders", unit="{order}").add(3, {"side": "buy"})
    meter.create_up_down_counter("depth").add(-2)
    meter.create_gauge("spread", unit="1").set(0.25, {"symbol": "BTCUSDT"})
    meter.create_histogram("wait", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0]).record(0.5)
    meter.create_histogram("exp", unit="s").record(0.5)
    provider.shutdown()


@pytest.mark.parametrize("kind", ["grpc", "grpc-gzip", "http", "http-gzip"])
async def test_every_instrument_arrives(kind: str, receiver: Receiver, store: MemoryStore) -> None:
    """Each instrument of the SDK is stored as Prometheus names it, over both transports."""
    await asyncio.to_thread(lambda: _send_metrics(_metrics_exporter(kind, receiver)))
    values = {(dict(labels)["__name__"], dict(labels).get("le")): value for labels, _, value in store.samples}
    assert values == {
        ("orders_total", None): 3.0,
        ("depth", None): -2.0,
        ("spread_ratio", None): 0.25,
        ("wait_seconds_bucket", "0.1"): 0.0,
        ("wait_seconds_bucket", "1"): 1.0,
        ("wait_seconds_bucket", "+Inf"): 1.0,
        ("wait_seconds_count", None): 1.0,
        ("wait_seconds_sum", None): 0.5,
        ("target_info", None): 1.0,
    }
    assert all(dict(labels)["job"] == "flashmm/maker" for labels, _, _ in store.samples)
    histograms = [batch.histograms.histogram[0] for batch in store.batches if batch.histograms.histogram]
    assert [(item.count, item.sum) for item in histograms] == [(1.0, 0.5)]


def _send_spans(exporter: GrpcSpans | HttpSpans) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("order", attributes={"n": 1, "ok": True, "tags": ["a", "b"]}) as root:
        root.add_event("tick", {"px": 1.5})
    with tracer.start_as_current_span("later", links=[Link(root.get_span_context(), {"why": "fill"})]):
        pass
    provider.shutdown()


@pytest.mark.parametrize("kind", ["grpc", "http-gzip"])
async def test_spans_arrive(kind: str, receiver: Receiver, store: MemoryStore) -> None:
    """Spans keep their typed attributes, events and links."""
    make: Callable[[], GrpcSpans | HttpSpans] = (
        partial(GrpcSpans, f"http://127.0.0.1:{receiver.grpc_port}", insecure=True)
        if kind == "grpc"
        else partial(HttpSpans, f"http://127.0.0.1:{receiver.http_port}/v1/traces", compression=_compression(kind))
    )
    await asyncio.to_thread(lambda: _send_spans(make()))
    order, later = store.spans
    assert dict(order.attributes) == {"n": 1, "ok": True, "tags": ["a", "b"]}
    assert [(event.name, dict(event.attributes)) for event in order.events] == [("tick", {"px": 1.5})]
    assert [(link.span_id, dict(link.attributes)) for link in later.links] == [(order.span_id, {"why": "fill"})]
    assert order.scope == "test"


def _send_logs(exporter: GrpcLogs | HttpLogs) -> None:
    provider = LoggerProvider(RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = logging.Logger("bot")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    logger.warning("the book is %s", "stale")
    provider.shutdown()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["grpc", "http"])
async def test_logs_arrive(kind: str, receiver: Receiver, store: MemoryStore) -> None:
    """A record of Python's logging is stored with its text and severity."""
    make: Callable[[], GrpcLogs | HttpLogs] = (
        partial(GrpcLogs, f"http://127.0.0.1:{receiver.grpc_port}", insecure=True)
        if kind == "grpc"
        else partial(HttpLogs, f"http://127.0.0.1:{receiver.http_port}/v1/logs")
    )
    await asyncio.to_thread(lambda: _send_logs(make()))
    [record] = store.logs
    assert (record.body, record.severity) == ("the book is stale", 13)
