"""CPU that a data point costs the receiver: decoding alone, then through the transports to a durable ledger.

Run as `python -m tests.bench.receiver`. Requests hold 1,000 points and are encoded beforehand; the client is this
process, the server another one, and its CPU is what the operating system says (user and system, all threads). Beside
it the same requests sent to Prometheus, where `make parts` has built it.
"""

import asyncio
import http.client
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import uvloop
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client import CollectorRegistry
from tests.parts import find, running_prometheus

from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.ports import Store
from flashmm_backends.testing import MemoryStore
from flashmm_receiver import Receiver, ReceiverSettings
from flashmm_receiver._decoder import Decoder, Signal

POINTS = 1_000
REQUESTS = 400
SENDERS = 4
GRPC_METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


@dataclass(frozen=True)
class Shape:
    """How a request's points are spread: over how many metrics, half of them gauges, half counters."""

    metrics: int

    def __str__(self) -> str:
        return f"{self.metrics} metrics of {POINTS // self.metrics}"

    def requests(self, count: int, step_ns: int, bot: int = 0) -> list[bytes]:
        """Exports of all series, one after the other; the last is now."""
        message = self._message(bot)
        points = [
            point
            for metric in message.resource_metrics[0].scope_metrics[0].metrics
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        ]
        now_ns = time.time_ns()
        return [_at(message, points, now_ns - (count - 1 - k) * step_ns) for k in range(count)]

    def _message(self, bot: int) -> ExportMetricsServiceRequest:
        message = ExportMetricsServiceRequest()
        resource_metrics = message.resource_metrics.add()
        for key, value in (("service.name", "maker"), ("service.instance.id", str(bot)), ("flashmm.bot", "m")):
            resource_metrics.resource.attributes.add(key=key).value.string_value = value
        scope = resource_metrics.scope_metrics.add()
        for i in range(self.metrics):
            self._add_metric(scope, i)
        return message

    def _add_metric(self, scope, i: int) -> None:
        metric = scope.metrics.add(name=f"flashmm.bench.{i:04}", unit="s", description="What the bench sends.")
        data = metric.gauge if i % 2 else metric.sum
        if not i % 2:
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
        for j in range(POINTS // self.metrics):
            point = data.data_points.add(start_time_unix_nano=10**18)
            for key, value in (("flashmm.venue", "binance"), ("flashmm.symbol", f"S{j:04}"), ("flashmm.side", "buy")):
                point.attributes.add(key=key).value.string_value = value


def _at(message: ExportMetricsServiceRequest, points, time_ns: int) -> bytes:
    for j, point in enumerate(points):
        point.time_unix_nano = time_ns
        point.as_double = j + time_ns % 997 / 7
    return message.SerializeToString()


SHAPES = (Shape(1), Shape(10), Shape(1000))


def decode_us(shape: Shape, *, layouts: bool, walk: bool = False) -> float:
    """CPU a point of decoding and deduplicating, once the series are known."""
    now_ns = time.time_ns()
    bodies = shape.requests(60, 10**9)
    decoder = Decoder(ReceiverSettings(), {})
    if not layouts:
        decoder._metrics._layouts.match = lambda _data: None
    if walk:
        decoder._metrics.read = decoder._metrics.walk
    for step in decoder.decode(Signal.METRICS, bodies[0], now_ns + 10**12).stored:
        step()
    decoder.decode(Signal.METRICS, bodies[1], now_ns + 10**12)
    begin = time.process_time()
    for body in bodies[2:]:
        decoder.decode(Signal.METRICS, body, now_ns + 10**12)
    return (time.process_time() - begin) / (len(bodies) - 2) / POINTS * 1e6


async def serve(kind: str, folder: str) -> None:
    """The other process: a receiver that tells its ports, then answers each line with the CPU seconds so far."""
    settings = ReceiverSettings(grpc_bind="127.0.0.1:0", http_bind="127.0.0.1:0")
    async with (
        _store(kind, Path(folder)) as store,
        Receiver(settings, store, clock=time.time_ns, registry=CollectorRegistry()) as receiver,
    ):
        print(receiver.grpc_port, receiver.http_port, flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            used = resource.getrusage(resource.RUSAGE_SELF)
            print(used.ru_utime + used.ru_stime, used.ru_maxrss, flush=True)


class _Forgetful(MemoryStore):
    """Keeps nothing, so that decoding and transport are seen alone."""

    async def append(self, batch) -> None:  # noqa: ARG002 - the port's
        return


def _store(kind: str, folder: Path) -> AbstractAsyncContextManager[Store]:
    if kind == "ledger":
        return Ledger.open(folder / "ledger", LedgerSettings(), time.time_ns, CollectorRegistry())
    return _no_store()


@asynccontextmanager
async def _no_store() -> AsyncIterator[Store]:
    yield _Forgetful()


@dataclass
class Served:
    """The other process."""

    process: subprocess.Popen[str]
    grpc_port: int
    http_port: int

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])


@contextmanager
def served(kind: str, folder: Path) -> Iterator[Served]:
    """A receiver in another process; kind: ledger or none."""
    command = [sys.executable, "-m", "tests.bench.receiver", kind, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ports = process.stdout.readline().split()
        yield Served(process, int(ports[0]), int(ports[1]))
        assert process.stdin is not None
        process.stdin.close()


Send = Callable[[bytes], None]


def grpc_sender(port: int) -> Send:
    """Sends raw bytes over a gRPC channel of its own."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
    call = channel.unary_unary(GRPC_METHOD)
    return lambda body: check(call(body) == b"")


def http_sender(port: int, path: str = "/v1/metrics") -> Send:
    """Sends over a kept HTTP connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def send(body: bytes) -> None:
        connection.request("POST", path, body, {"content-type": "application/x-protobuf"})
        response = connection.getresponse()
        response.read()
        check(response.status == 200)

    return send


def check(good: bool) -> None:
    """A figure of refused requests would be none."""
    if not good:
        raise RuntimeError("a request was refused")


def end_to_end_us(make: Callable[[], Send], cpu_s: Callable[[], float], shape: Shape) -> tuple[float, float]:
    """CPU a point and points a second, with some senders at once, each a bot with its own series."""
    each = REQUESTS // SENDERS
    bodies = [shape.requests(each, 10**8, bot) for bot in range(SENDERS)]
    senders = [make() for _ in range(SENDERS)]
    for send, own in zip(senders, bodies, strict=True):
        for body in own[:3]:
            send(body)
    with ThreadPoolExecutor(SENDERS) as pool:
        cpu, begin = cpu_s(), time.perf_counter()
        list(pool.map(lambda pair: [pair[0](body) for body in pair[1][3:]], zip(senders, bodies, strict=True)))
        elapsed, used = time.perf_counter() - begin, cpu_s() - cpu
    points = SENDERS * (each - 3) * POINTS
    return used / points * 1e6, points / elapsed


def _print_decode() -> None:
    print("Decoding and deduplicating, µs of CPU a point\n")
    print("| request | known layout | read by hand | protobuf messages walked |")
    print("|---|---|---|---|")
    for shape in SHAPES:
        known, by_hand = decode_us(shape, layouts=True), decode_us(shape, layouts=False)
        print(f"| {shape} | {known:.2f} | {by_hand:.2f} | {decode_us(shape, layouts=False, walk=True):.2f} |")


def _print_row(name: str, shape: Shape, cost: tuple[float, float]) -> None:
    print(f"| {name} | {shape} | {cost[0]:.2f} | {cost[1]:,.0f} |")


def _receiver_us(kind: str, transport: str, shape: Shape) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder, served(kind, Path(folder)) as server:
        if transport == "gRPC":
            return end_to_end_us(lambda: grpc_sender(server.grpc_port), server.cpu_s, shape)
        return end_to_end_us(lambda: http_sender(server.http_port), server.cpu_s, shape)


def _prometheus_us(shape: Shape) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder, running_prometheus(Path(folder)) as server:
        process = psutil.Process(server.pid)
        return end_to_end_us(
            lambda: http_sender(server.ports["http"], "/api/v1/otlp/v1/metrics"),
            lambda: sum(process.cpu_times()[:2]),
            shape,
        )


def _print_ways(shape: Shape) -> None:
    for kind, name in (("none", "decoded"), ("ledger", "ledger")):
        for transport in ("gRPC", "HTTP"):
            _print_row(f"{transport} → {name}", shape, _receiver_us(kind, transport, shape))
    if find("prometheus") is None:
        print(f"| HTTP → Prometheus | {shape} | not built (`make parts`) | |")
    else:
        _print_row("HTTP → Prometheus", shape, _prometheus_us(shape))


def main() -> None:
    """Print the tables."""
    _print_decode()
    print("\nWhole way, requests of 1,000 points, four senders\n")
    print("| way | request | µs of CPU a point | points/s |")
    print("|---|---|---|---|")
    for shape in SHAPES:
        _print_ways(shape)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        uvloop.run(serve(*sys.argv[1:]))
    else:
        main()
