"""The same queries on the same OTLP: our API over the ledger, and a real Prometheus, side by side.

Run as `python -m tests.bench.prometheus_peer`. 100 series of a gauge, a counter and an exponential histogram, an hour
sampled every 5 s; range queries have a step of 15 s. Ours is asked in process, Prometheus by HTTP on loopback (a
request that does nothing takes it the time in the first line). Both answer in JSON.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from tests.contract.answers import differences
from tests.contract.peers import NOW_NS, EmbeddedLedger, Peer, RealPrometheus
from tests.contract.telemetry import CUMULATIVE, NativePoint
from tests.parts import find, running_prometheus

SERIES = 100
INTERVAL_S = 5
SPAN_S = 3_600
REPEATS = 7
END_S = NOW_NS // 10**9
QUERIES = (
    ("nothing", "query", "1"),
    ("instant, 100 series", "query", "bench_level"),
    ("instant, rate", "query", "sum(rate(bench_work_total[5m]))"),
    ("instant, p99 of a histogram", "query", "histogram_quantile(0.99, sum(rate(bench_took_seconds[5m])))"),
    ("instant, 100 p99", "query", "histogram_quantile(0.99, rate(bench_took_seconds[5m]))"),
    ("instant, 100 histograms", "query", "bench_took_seconds"),
    ("100 series as they are", "query_range", "bench_level"),
    ("sum by", "query_range", "sum by (group) (bench_level)"),
    ("rate", "query_range", "rate(bench_work_total[1m])"),
    ("sum of rates", "query_range", "sum(rate(bench_work_total[5m]))"),
    ("max_over_time", "query_range", "max_over_time(bench_level[5m])"),
    ("ratio of two", "query_range", "bench_level / on (slot) rate(bench_work_total[1m])"),
    ("p99, 10 histograms", "query_range", 'histogram_quantile(0.99, sum(rate(bench_took_seconds{group="0"}[5m])))'),
    ("p99, 100 histograms", "query_range", "histogram_quantile(0.99, sum(rate(bench_took_seconds[5m])))"),
)


def main() -> None:
    """Print both times of each query, and that the answers are equal."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedLedger() as ours:
        if find("prometheus") is None:
            _compare(ours, None)
            return
        with running_prometheus(Path(folder)) as server, RealPrometheus(server.base_url) as theirs:
            _compare(ours, theirs)


def _compare(ours: Peer, theirs: Peer | None) -> None:
    peers = [ours, theirs] if theirs else [ours]
    for request in requests():
        for peer in peers:
            peer.send(request)
    print(f"{'query':32} {'flashmm ms':>12} {'of CPU':>8} {'Prometheus ms':>14}  answers")
    for name, path, query in QUERIES:
        answers = [_timed(peer, path, query) for peer in peers]
        equal = "equal" if not differences(answers[0].told, answers[-1].told) else "DIFFERENT"
        beside = f"{answers[1].wall_ms:.1f}" if theirs else "absent"
        print(f"{name:32} {answers[0].wall_ms:12.1f} {answers[0].cpu_ms:8.1f} {beside:>14}  {equal}")


@dataclass(frozen=True, slots=True)
class _Answer:
    """Medians; the CPU is this process's, which for Prometheus is but the client's."""

    wall_ms: float
    cpu_ms: float
    told: dict[str, Any]


def _timed(peer: Peer, path: str, query: str) -> _Answer:
    parameters: dict[str, Any] = {"query": query, "time": END_S}
    if path == "query_range":
        parameters = {"query": query, "start": END_S - SPAN_S, "end": END_S, "step": 15}
    walls: list[float] = []
    cpus: list[float] = []
    told = peer.ask(path, **parameters)
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        told = peer.ask(path, **parameters)
        walls.append((time.perf_counter() - wall) * 1e3)
        cpus.append((time.process_time() - cpu) * 1e3)
    return _Answer(statistics.median(walls), statistics.median(cpus), told)


def requests() -> Iterator[ExportMetricsServiceRequest]:
    """The hour in requests of a minute."""
    for first in range(0, SPAN_S, 60):
        seconds = range(first, first + 60, INTERVAL_S)
        metrics = [_level(seconds), _work(seconds), _took(seconds)]
        resource = Resource(attributes=[_attribute("service.name", "bench")])
        scope = pb.ScopeMetrics(metrics=metrics)
        yield ExportMetricsServiceRequest(
            resource_metrics=[pb.ResourceMetrics(resource=resource, scope_metrics=[scope])]
        )


def _level(seconds: range) -> pb.Metric:
    points = _numbers(seconds, lambda series, second: series + (second % 97) / 7)
    return pb.Metric(name="bench.level", gauge=pb.Gauge(data_points=points))


def _work(seconds: range) -> pb.Metric:
    points = _numbers(seconds, lambda series, second: float(second * (series + 1)))
    kind = pb.Sum(data_points=points, aggregation_temporality=CUMULATIVE, is_monotonic=True)
    return pb.Metric(name="bench.work", sum=kind)


def _took(seconds: range) -> pb.Metric:
    points = [_histogram(series, second) for second in seconds for series in range(SERIES)]
    kind = pb.ExponentialHistogram(data_points=points, aggregation_temporality=CUMULATIVE)
    return pb.Metric(name="bench.took", unit="s", exponential_histogram=kind)


def _numbers(seconds: range, value: Callable[[int, int], float]) -> list[pb.NumberDataPoint]:
    return [pb.NumberDataPoint(as_double=value(s, t), **_common(s, t)) for t in seconds for s in range(SERIES)]


def _histogram(series: int, second: int) -> NativePoint:
    counts = [(second // INTERVAL_S + 1) * (1 + (series + bucket) % 5) for bucket in range(40)]
    positive = NativePoint.Buckets(offset=-120, bucket_counts=counts)
    return NativePoint(
        scale=3, count=sum(counts), sum=sum(counts) / 1e3, positive=positive, **_common(series, second)
    )


def _common(series: int, second: int) -> dict[str, Any]:
    attributes = [_attribute("slot", str(series)), _attribute("group", str(series % 10))]
    return {"time_unix_nano": (END_S - SPAN_S + second) * 10**9, "attributes": attributes}


def _attribute(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))


if __name__ == "__main__":
    main()
