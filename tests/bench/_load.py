"""A steady OTLP load from a process of its own: gauges over gRPC, in requests of 1,000 points.

`python -m tests.bench._load ENDPOINT POINTS_PER_S SECONDS [POINTS_PER_REQUEST]`
"""

import sys
import time
from collections.abc import Iterator

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

METRICS = 10


def request(first: int, count: int, now_ns: int, value: float) -> ExportMetricsServiceRequest:
    """`count` points of as many series of ten gauges with three attributes, like a bot's."""
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.append(attribute("service.name", "bench"))
    scope = resource.scope_metrics.add()
    scope.scope.name = "bench"
    for index in range(METRICS):
        metric = scope.metrics.add(name=f"bench.gauge.{index}", unit="s")
        for series in range(first, first + count // METRICS):
            point = metric.gauge.data_points.add(
                start_time_unix_nano=1, time_unix_nano=now_ns, as_double=value + series * 0.25
            )
            point.attributes.append(attribute("flashmm.venue", "binance"))
            point.attributes.append(attribute("flashmm.symbol", f"SYM{series % 100}"))
            point.attributes.append(attribute("slot", str(series)))
    return message


def attribute(name: str, value: str) -> KeyValue:
    """A string attribute."""
    return KeyValue(key=name, value=AnyValue(string_value=value))


def ticks(per_s: float, seconds: float) -> Iterator[int]:
    """Numbers of requests, each when it is due."""
    begin = time.monotonic()
    for number in range(round(per_s * seconds)):
        due = begin + number / per_s
        time.sleep(max(0.0, due - time.monotonic()))
        yield number


def run(endpoint: str, points_per_s: int, seconds: float, points_per_request: int = 1000) -> None:
    """Send each series once a second."""
    groups = max(1, points_per_s // points_per_request)
    width = points_per_request // METRICS
    with grpc.insecure_channel(endpoint) as channel:
        stub = MetricsServiceStub(channel)
        for number in ticks(points_per_s / points_per_request, seconds):
            first = (number % groups) * width
            stub.Export(request(first, points_per_request, time.time_ns(), float(number)), timeout=30)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *map(int, sys.argv[4:]))
