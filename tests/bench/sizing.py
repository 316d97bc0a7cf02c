"""What 1, 100 and 10,000 bots need, computed from what one more bot costs each part of the stack.

Run as `python -m tests.bench.sizing`, about four minutes. Real servers with the deployed files; the bots are the
demo, each in a process of its own: its orders, quotes, spans, samples and its small exports are what a bot's are.
Measured with none, one and four of them: CPU time, bytes over each connection, and series; a straight line through
the three tells what a part costs by itself and what a bot adds. Memory is that of a process, and of a series as
20,000 more of them show. What a ledger keeps is measured once it is sealed, as if a day had passed. Assumed, not
measured: two bytes a sample in Prometheus's blocks (its documentation says one to two), and that Tempo and Loki keep
about what they are sent, compressed as it is.
"""

import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
from prometheus_client import CollectorRegistry
from tests.bench._forwarder import Forwarder
from tests.integration.stack.queries import eventually, get_text
from tests.integration.stack.telemetry import gauge, metrics, sender
from tests.parts import SINK_TOKEN, Server, find, running_collector, running_loki, running_prometheus, running_tempo
from tests.product import running_product

from flashmm_backends.batch import Batch, Event
from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.ports import EventTable, Page, Window
from flashmm_instrumentation.semconv import EVENT_KINDS

_FLEETS: Final = (0, 1, 4)
_ASKED: Final = (1, 100, 10_000)
_SETTLE_S: Final = 20.0
_MEASURE_S: Final = 40.0
_SERIES: Final = 20_000
_BUSY: Final = 0.5
_SAMPLE_BYTES: Final = 2
_DAYS: Final = 30
_DAY_S: Final = 86_400
_ITEMS: Final = {
    "points": "otelcol_receiver_accepted_metric_points_total",
    "spans": "otelcol_receiver_accepted_spans_total",
    "log records": "otelcol_receiver_accepted_log_records_total",
}
_INGRESS: Final = "Collector"


@dataclass(frozen=True, slots=True)
class Part:
    """One server: its process, and the connection that feeds it."""

    pid: int
    feed: Forwarder


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals of one part so far: CPU seconds, bytes received and answered; and its memory now, in bytes."""

    cpu_s: float
    network: int
    memory: int

    @classmethod
    def of(cls, part: Part) -> "Reading":
        """As they are now."""
        process = psutil.Process(part.pid)
        times = process.cpu_times()
        return cls(times.user + times.system, part.feed.bytes, process.memory_info().rss)


@dataclass(frozen=True, slots=True)
class Line:
    """What a part takes by itself, and what each bot adds."""

    alone: float
    per_bot: float

    @classmethod
    def through(cls, values: Sequence[float]) -> "Line":
        """The straight line of least squares over the fleets; neither part of it below zero."""
        slope, start = np.polyfit(_FLEETS, values, 1)
        return cls(max(0.0, float(start)), max(0.0, float(slope)))

    def at(self, bots: int) -> float:
        """For so many."""
        return self.alone + bots * self.per_bot


@dataclass(slots=True)
class Measured:
    """By part: cores and bytes a second over the network, for each fleet; memory of a process, and of a series.

    items: accepted a second by signal, for each fleet. series: in Prometheus, for each fleet. kept: bytes of the
    ledger's sealed files a bot and second, by how long they are kept, in days.
    """

    cores: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    network: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    memory: dict[str, int] = field(default_factory=dict[str, int])
    series_memory: dict[str, float] = field(default_factory=dict[str, float])
    items: dict[str, list[float]] = field(default_factory=lambda: {item: list[float]() for item in _ITEMS})
    series: list[float] = field(default_factory=list[float])
    kept: dict[int, float] = field(default_factory=dict[int, float])

    def add(self, name: str, before: Reading, after: Reading, wall_s: float) -> None:
        """One fleet's readings of a part."""
        self.cores.setdefault(name, []).append((after.cpu_s - before.cpu_s) / wall_s)
        self.network.setdefault(name, []).append((after.network - before.network) / wall_s)
        self.memory[name] = after.memory


@contextmanager
def _stack(folder: Path) -> Generator[tuple[Server, Mapping[str, Part]]]:
    """The Collector, and every part by name, each behind a forwarder."""
    with ExitStack() as running:

        def before(port: int) -> Forwarder:
            return running.enter_context(Forwarder("127.0.0.1", port))

        flashmm = running.enter_context(running_product(folder / "flashmm", FLASHMM_RECEIVER__TOKEN=SINK_TOKEN))
        metrics = running.enter_context(running_prometheus(folder))
        logs = running.enter_context(running_loki(folder))
        parts = {
            "flashmm": Part(flashmm.process.pid, before(_port(flashmm.otlp_http))),
            "Prometheus": Part(metrics.pid, before(metrics.ports["http"])),
            "Loki": Part(logs.pid, before(logs.ports["http"])),
        }
        environment = {
            "FLASHMM_OTLP_URL": f"http://127.0.0.1:{parts['flashmm'].feed.port}",
            "PROMETHEUS_URL": f"http://127.0.0.1:{parts['Prometheus'].feed.port}",
            "LOKI_URL": f"http://127.0.0.1:{parts['Loki'].feed.port}",
        }
        if find("tempo"):
            tempo = running.enter_context(running_tempo(folder))
            parts["Tempo"] = Part(tempo.pid, before(tempo.ports["otlp"]))
            environment["TEMPO_OTLP_ENDPOINT"] = f"127.0.0.1:{parts['Tempo'].feed.port}"
        collector = running.enter_context(running_collector(folder, environment=environment))
        door = Part(collector.pid, before(collector.ports["grpc"]))
        yield collector, {_INGRESS: door, **parts}


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


@contextmanager
def _bots(count: int, endpoint: str) -> Generator[None]:
    """So many demos."""
    with ExitStack() as running:
        for number in range(count):
            bot = running.enter_context(_bot(number, endpoint))
            running.callback(bot.wait)
            running.callback(bot.terminate)
        yield


def _bot(number: int, endpoint: str) -> subprocess.Popen[bytes]:
    """One with a name of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flashmm_demo", "--endpoint", endpoint, "--seed", str(number)],
        env={**os.environ, "OTEL_RESOURCE_ATTRIBUTES": f"flashmm.bot=maker-{number}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _accepted(collector: Server) -> dict[str, float]:
    """Items that the Collector has taken, by signal."""
    lines = get_text(f"http://127.0.0.1:{collector.ports['metrics']}/metrics").splitlines()
    return {
        item: sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name}_total{{"))
        )
        for item, name in _ITEMS.items()
    }


def measure() -> Measured:
    """Every part under each fleet, then what series cost, then what the ledger keeps."""
    measured = Measured()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _stack(folder) as (collector, parts):
            for bots in _FLEETS:
                with _bots(bots, f"http://127.0.0.1:{parts[_INGRESS].feed.port}"):
                    time.sleep(_SETTLE_S)
                    _fleet(measured, collector, parts)
                measured.series.append(_series(parts["Prometheus"]))
            points = _accepted(collector)["points"]
            _more_series(measured, collector, parts)
        a_second = Line.through(measured.items["points"]).per_bot
        measured.kept = {days: size / (points / a_second) for days, size in asyncio.run(_sealed(folder)).items()}
    return measured


def _fleet(measured: Measured, collector: Server, parts: Mapping[str, Part]) -> None:
    began, taken = time.monotonic(), _accepted(collector)
    before = {name: Reading.of(part) for name, part in parts.items()}
    time.sleep(_MEASURE_S)
    wall_s = time.monotonic() - began
    for name, part in parts.items():
        measured.add(name, before[name], Reading.of(part), wall_s)
    for item, total in _accepted(collector).items():
        measured.items[item].append((total - taken[item]) / wall_s)


def _series(part: Part) -> float:
    """Series in Prometheus's head."""
    lines = get_text(f"http://127.0.0.1:{part.feed.port}/metrics").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("prometheus_tsdb_head_series "))


def _more_series(measured: Measured, collector: Server, parts: Mapping[str, Part]) -> None:
    """Twenty thousand series, of which the memory of those who hold series grows."""
    holders = [name for name in ("flashmm", "Prometheus") if name in parts]
    before, had = {name: Reading.of(parts[name]).memory for name in holders}, _series(parts["Prometheus"])
    with sender(collector) as bot:
        for part in range(_SERIES // 1_000):
            bot.send(metrics(*(gauge("flashmm.sizing", 1.5, part=f"{part}", number=f"{n}") for n in range(1_000))))
    eventually(lambda: _series(parts["Prometheus"]) >= had + _SERIES, 60)
    for name in holders:
        measured.series_memory[name] = max(0, Reading.of(parts[name]).memory - before[name]) / _SERIES


async def _sealed(folder: Path) -> dict[int, int]:
    """Bytes of the ledger's files once all of it is sealed, by how many days they are kept."""
    settings = LedgerSettings(maintenance_interval_s=3_600.0, row_seal_rows=1)
    async with Ledger.open(folder / "flashmm", settings, time.time_ns, CollectorRegistry()) as ledger:
        await ledger.append(await _one_more_of_each(ledger))  # with it the tables so far are full
        await ledger.seal()
        await ledger.maintain()
    sizes = dict.fromkeys((int(settings.telemetry_days), int(settings.events_days)), 0)
    for path in (folder / "flashmm" / "sealed").rglob("*.parquet*"):
        of_events = any(part.startswith("event_") for part in path.parts)
        sizes[int(settings.events_days if of_events else settings.telemetry_days)] += path.stat().st_size
    return sizes


async def _one_more_of_each(ledger: Ledger) -> Batch:
    """The first event of each kind with a number of its own, and the first span of an order with an id of its own."""
    ever = Window(0, 2**62)
    tables = [await ledger.events(kind, ever, page=Page(1)) for kind in EVENT_KINDS]
    spans = [(await ledger.trace(order.trace_id))[0] for order in await ledger.orders(ever, limit=1)]
    again = [replace(span, span_id=bytes(7) + b"\x01") for span in spans]
    return Batch(0, events=[_again(table) for table in tables if len(table)], spans=again)


def _again(table: EventTable) -> Event:
    values: dict[str, Any] = {name: column.tolist()[0] for name, column in table.columns.items()}
    head = {name: values.pop(name) for name in ("time_ns", "run", "seq", "bot", "account", "trace_id", "span_id")}
    return Event(table.kind, fields=values, **{**head, "seq": head["seq"] + 10**6})


@dataclass(frozen=True, slots=True)
class Need:
    """What one part needs."""

    cores: float
    processes: int
    memory: float
    network: float
    disk: float


def needs(measured: Measured, bots: int) -> dict[str, Need]:
    """By part, for so many bots; a process is to be busy half of a core's time."""
    return {name: _need(measured, name, bots) for name in measured.cores}


def _need(measured: Measured, name: str, bots: int) -> Need:
    cores = Line.through(measured.cores[name]).at(bots)
    processes = max(1, math.ceil(cores / _BUSY))
    series = Line.through(measured.series).per_bot * bots * measured.series_memory.get(name, 0.0)
    network = Line.through(measured.network[name]).per_bot * bots
    return Need(cores, processes, processes * measured.memory[name] + series, network, _disk(measured, name) * bots)


def _disk(measured: Measured, name: str) -> float:
    """Bytes that a bot leaves there in all the time that they are kept."""
    if name == _INGRESS:
        return 0.0
    if name == "flashmm":
        return sum(days * _DAY_S * a_second for days, a_second in measured.kept.items())
    if name == "Prometheus":
        return _DAYS * _DAY_S * _SAMPLE_BYTES * Line.through(measured.items["points"]).per_bot
    return _DAYS * _DAY_S * Line.through(measured.network[name]).per_bot


def _print_costs(measured: Measured) -> None:
    sends = ", ".join(f"{Line.through(values).per_bot:,.0f} {item}" for item, values in measured.items.items())
    series = Line.through(measured.series).per_bot
    print(f"{_MEASURE_S:.0f} s with each of {_FLEETS} bots: one sends {sends} a second, and has {series:,.0f} series")
    kept = ", ".join(f"{size:,.0f} B/s for {days} days" for days, size in measured.kept.items())
    print(f"of one bot the ledger keeps {kept}\n")
    heads = ("cores alone", "+ a bot", "MB a process", "B a series", "kB/s a bot")
    print(" " * 12 + "".join(f"{head:>16}" for head in heads))
    for name, cores in measured.cores.items():
        line, sent = Line.through(cores), Line.through(measured.network[name])
        print(
            f"{name:<12}{line.alone:>16.3f}{line.per_bot:>16.4f}{measured.memory[name] / 1e6:>16.0f}"
            f"{measured.series_memory.get(name, 0.0):>16,.0f}{sent.per_bot / 1e3:>16.1f}"
        )


def _print_needs(measured: Measured) -> None:
    heads = ("cores", "processes", "GB memory", "Mbit/s in", "GB disk")
    print(f"\n{'bots':<8}{'part':<12}" + "".join(f"{head:>12}" for head in heads))
    for bots in _ASKED:
        found = needs(measured, bots)
        for name, need in found.items():
            print(
                f"{bots:<8,}{name:<12}{need.cores:>12.2f}{need.processes:>12,}{need.memory / 1e9:>12.2f}"
                f"{need.network * 8 / 1e6:>12.2f}{need.disk / 1e9:>12,.1f}"
            )
        whole = [
            sum(getattr(need, each) for need in found.values()) for each in ("cores", "processes", "memory", "disk")
        ]
        print(
            f"{'':<8}{'all':<12}{whole[0]:>12.2f}{whole[1]:>12,}{whole[2] / 1e9:>12.2f}"
            f"{'':>12}{whole[3] / 1e9:>12,.1f}"
        )


def main() -> None:
    """Print what was measured, and the table computed from it."""
    measured = measure()
    _print_costs(measured)
    _print_needs(measured)


if __name__ == "__main__":
    main()
