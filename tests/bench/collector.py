"""What the Collector with our configuration takes and costs, and how soon each store answers.

Run as `python -m tests.bench.collector`. Prints three tables: the most that one core accepts onto its queues on
disk; the CPU of Collector, Prometheus and flashmm at 10,000 points a second and at ten times that, with what the load
itself takes, what the machine has left and how long an answer takes, which tells what bounds it; emit to visible.
The same PromQL on our engine and on Prometheus is `python -m tests.bench.prometheus_peer`.
"""

import os
import secrets
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, cast

import grpc
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from tests.integration.stack.queries import get, loki_lines, prometheus, tempo_trace
from tests.integration.stack.telemetry import Request, event, gauge, line, logs, metrics, sender, span, traces
from tests.parts import (
    SINK_TOKEN,
    Server,
    collector_server,
    find,
    running_collector,
    running_loki,
    running_prometheus,
    running_tempo,
)
from tests.product import running_product

_ITEMS = 1000
"""In one request of the saturating loads."""
_SECONDS = 5.0
_SENDERS = 4
_BOTS = 10
_LOADS = (10_000, 100_000)
_STEADY_SECONDS = 15
_EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
_TIME = 0x1122_3344_5566_7788
"""Stands for the time in encoded requests; found nowhere else in them."""
_EVENTS = "{}/api/events/flashmm.transfer"
_PROBES = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """Items accepted over a time, and the server's CPU over the same."""

    items: int
    wall_s: float
    cpu_s: float

    @property
    def per_core(self) -> float:
        """Items a second that one whole core would take."""
        return self.items / self.cpu_s


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _one_core(server: Server) -> None:
    subprocess.run(["taskset", "-a", "-p", "-c", "0", str(server.pid)], check=True, capture_output=True)


def _requests() -> dict[str, Request]:
    """A full request of each signal, as a bot's exporter sends it."""
    now = time.time_ns()
    gauges = [gauge("flashmm.bench", 1.5, number=f"{number}", at_ns=now) for number in range(_ITEMS)]
    fields = {"price": "64000.1", "quantity": "0.001", "fee": "-0.0128", "venue": "binance", "symbol": "BTCUSDT"}
    fills = [event("flashmm.fill", seq, at_ns=now, **fields) for seq in range(_ITEMS)]
    return {
        "points": metrics(*gauges),
        "spans": traces(*(span("order", secrets.token_bytes(16)) for _ in range(_ITEMS))),
        "events": logs(*fills),
        "log lines": logs(*(line(f"order {number} acknowledged by the venue") for number in range(_ITEMS))),
    }


def saturate(server: Server, request: Request) -> Rate:
    """As many requests as the server acknowledges, from several connections."""
    accepted = [0] * _SENDERS
    started, before = time.monotonic(), cpu_s(server.pid)

    def run(place: int) -> None:
        with sender(server) as bot:
            while time.monotonic() < started + _SECONDS:
                bot.send(request)
                accepted[place] += _ITEMS

    threads = [threading.Thread(target=run, args=(place,)) for place in range(_SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Rate(sum(accepted), time.monotonic() - started, cpu_s(server.pid) - before)


def acceptance() -> Iterator[tuple[str, Rate]]:
    """Each signal onto a fresh Collector's queues, no store within reach, on one core."""
    room = {"COLLECTOR_QUEUE_BYTES": str(8 << 30), "COLLECTOR_EVENTS_QUEUE_BYTES": str(8 << 30), "GOMAXPROCS": "1"}
    for name, request in _requests().items():
        with ExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            server = running.enter_context(collector_server(folder, environment=room))
            _one_core(server)
            yield name, saturate(server, request)


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of a core over a steady load, by program, and the load that was really sent.

    idle: what the machine had left, in cores. answer_ms: median time from request to acknowledgement.
    """

    points_a_second: float
    cores: dict[str, float]
    idle: float
    answer_ms: float


def whole_path(points_a_second: int) -> Shares:
    """What Collector, Prometheus and flashmm need for so many series of a point a second each."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        store = running.enter_context(running_prometheus(folder))
        flashmm = running.enter_context(running_product(folder / "data", FLASHMM_RECEIVER__TOKEN=SINK_TOKEN))
        environment = {"PROMETHEUS_URL": store.base_url, "FLASHMM_OTLP_URL": f"http://{flashmm.otlp_http}"}
        collector = running.enter_context(running_collector(folder, environment=environment))
        pids = {
            "Collector": collector.pid,
            "Prometheus": store.pid,
            "flashmm": flashmm.process.pid,
            "the load": os.getpid(),
        }
        requests = [_encoded(part) for part in range(points_a_second // _ITEMS)]
        _steadily(collector, requests, 5)
        before, idle = {name: cpu_s(pid) for name, pid in pids.items()}, _idle_s()
        sent = _steadily(collector, requests, _STEADY_SECONDS)
        shares = {name: (cpu_s(pid) - before[name]) / sent.wall_s for name, pid in pids.items()}
        rate = _STEADY_SECONDS * points_a_second / sent.wall_s
        return Shares(rate, shares, (_idle_s() - idle) / sent.wall_s, 1000 * median(sent.answers_s))


def _idle_s() -> float:
    """Seconds that the machine's cores had nothing to do, all together, or waited for a disk."""
    fields = Path("/proc/stat").read_text().split(maxsplit=6)
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sent:
    """A steady load that was sent: how long it took, and how long each answer did."""

    wall_s: float
    answers_s: list[float]


def _encoded(part: int) -> bytes:
    """A request on the wire, with a time that `_steadily` overwrites: encoding anew would cost more than the path."""
    points = (
        gauge("flashmm.bench", 1.5, part=f"{part}", number=f"{number}", at_ns=_TIME) for number in range(_ITEMS)
    )
    return metrics(*points).SerializeToString()


def _steadily(server: Server, requests: list[bytes], seconds: int) -> Sent:
    """Send all requests anew each second, spread over it, from several connections, each one at a time."""
    started = time.monotonic()
    answers_s: list[float] = []

    def run(mine: list[bytes]) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{server.ports['grpc']}") as channel:
            export = cast("Any", channel.unary_unary(_EXPORT))  # the answer stays undecoded
            for number in range(len(mine) * seconds):
                request, asked = (
                    mine[number % len(mine)].replace(_wire(_TIME), _wire(time.time_ns())),
                    time.monotonic(),
                )
                export(request, timeout=60)
                answers_s.append(time.monotonic() - asked)
                time.sleep(max(0.0, started + (number + 1) / len(mine) - time.monotonic()))

    with ThreadPoolExecutor(_BOTS) as bots:
        list(bots.map(run, filter(None, (requests[first::_BOTS] for first in range(_BOTS)))))
    return Sent(time.monotonic() - started, answers_s)


def _wire(time_ns: int) -> bytes:
    return struct.pack("<Q", time_ns)


def _delays_ms(emit: Callable[[str], None], visible: Callable[[str], object]) -> list[float]:
    """How long each probe takes from emission until a query finds it, in milliseconds, ascending."""
    delays: list[float] = []
    for _ in range(_PROBES):
        probe = secrets.token_hex(16)
        started = time.monotonic()
        emit(probe)
        while not visible(probe):
            time.sleep(0.002)
        delays.append(1000 * (time.monotonic() - started))
    return sorted(delays)


def _transfer(seq: int, probe: str) -> LogRecord:
    fields = {"amount": "1", "currency": "USDT", "venue": "binance"}
    return event("flashmm.transfer", seq, transfer_id=probe, **fields)


def visibility() -> Iterator[tuple[str, list[float]]]:
    """Emit to visible through the Collector, for the ledger's end and each store."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        proms = running.enter_context(running_prometheus(folder))
        lokis = running.enter_context(running_loki(folder))
        flashmm = running.enter_context(running_product(folder / "data", FLASHMM_RECEIVER__TOKEN=SINK_TOKEN))
        tempo = running.enter_context(running_tempo(folder)) if find("tempo") else None
        environment = {
            "PROMETHEUS_URL": proms.base_url,
            "LOKI_URL": lokis.base_url,
            "FLASHMM_OTLP_URL": f"http://{flashmm.otlp_http}",
            **({"TEMPO_OTLP_ENDPOINT": f"127.0.0.1:{tempo.ports['otlp']}"} if tempo else {}),
        }
        bot = running.enter_context(sender(running.enter_context(running_collector(folder, environment=environment))))
        numbers = count(1)
        yield (
            "event, ledger",
            _delays_ms(
                lambda probe: bot.send(logs(_transfer(next(numbers), probe))),
                lambda probe: get(_EVENTS.format(flashmm.http), where=f"transfer_id={probe}")["columns"]["seq"],
            ),
        )
        yield (
            "point, Prometheus",
            _delays_ms(
                lambda probe: bot.send(metrics(gauge("flashmm.probe", 1, unit="", id=probe))),
                lambda probe: prometheus(proms, f'flashmm_probe{{id="{probe}"}}'),
            ),
        )
        yield (
            "log line, Loki",
            _delays_ms(
                lambda probe: bot.send(logs(line(probe))),
                lambda probe: loki_lines(lokis, f'{{flashmm_bot="maker-1"}} |= "{probe}"'),
            ),
        )
        if tempo is not None:
            yield (
                "trace, Tempo",
                _delays_ms(
                    lambda probe: bot.send(traces(span("order", bytes.fromhex(probe)))),
                    lambda probe: tempo_trace(tempo, bytes.fromhex(probe)),
                ),
            )


def main() -> None:
    """Print the tables."""
    print(f"{'onto the queue on disk, one core':<36}{'accepted/s':>12}{'µs CPU each':>14}{'/s a core':>12}")
    for name, rate in acceptance():
        each = 1e6 * rate.cpu_s / rate.items
        print(f"{name:<36}{rate.items / rate.wall_s:>12,.0f}{each:>14.2f}{rate.per_core:>12,.0f}")
    paths = [whole_path(load) for load in _LOADS]
    print(f"\n{'whole path, share of a core':<36}{'points/s':>12}", end="")
    print("".join(f"{name:>12}" for name in (*paths[0].cores, "idle", "answer, ms")))
    for load, path in zip(_LOADS, paths, strict=True):
        print(f"{f'{load:,} series, a point a second':<36}{path.points_a_second:>12,.0f}", end="")
        print("".join(f"{share:>12.1%}" for share in (*path.cores.values(), path.idle)), end="")
        print(f"{path.answer_ms:>12.0f}")
    grown = [paths[1].cores[name] / share for name, share in paths[0].cores.items()]
    print(f"{'growth':<36}{paths[1].points_a_second / paths[0].points_a_second:>12.1f}", end="")
    print("".join(f"{each:>12.1f}" for each in grown))
    print(f"\n{'emit to visible, ms':<36}{'p50':>12}{'p99':>14}")
    for name, delays in visibility():
        print(f"{name:<36}{delays[len(delays) // 2]:>12.0f}{delays[int(len(delays) * 0.99) - 1]:>14.0f}")


if __name__ == "__main__":
    main()
