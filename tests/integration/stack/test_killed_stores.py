"""Each store killed under load and started again: all is there afterwards, and the Admin board shows the gap."""

import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.integration.stack import admin
from tests.integration.stack.load import LOAD, Load
from tests.integration.stack.queries import eventually, get, loki_lines, prometheus, tempo_trace
from tests.integration.stack.telemetry import Request, Sender, gauge, line, logs, metrics, sender, span, traces
from tests.parts import (
    SINK_TOKEN,
    Server,
    collector_server,
    find,
    running_loki,
    running_prometheus,
    running_tempo,
)
from tests.product import running_product

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

_PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A store behind the Collector that a bot sends to, and the address where the Admin board is asked."""

    store: Server
    exporter: str
    bot: Sender
    board: str

    def up(self) -> list[float]:
        """What the board's row of the store shows."""
        return admin.shown(self.board, "Servers", job=self.store.name)

    def queue(self) -> float:
        """How full the store's queue is."""
        return admin.queue(self.board, self.exporter)


@contextmanager
def _watched(folder: Path, store: Server, exporter: str, **where: str) -> Generator[Watched]:
    """The store watched by a Prometheus. where: what tells the Collector the store's address."""
    collector = collector_server(folder, environment=where)
    scrape = {
        "otel-collector": f"127.0.0.1:{collector.ports['metrics']}", store.name: urlsplit(store.base_url).netloc
    }  # fmt: skip
    with collector, running_prometheus(folder, scrape=scrape) as watcher, sender(collector) as bot:
        path = Watched(store, exporter, bot, watcher.base_url)
        eventually(lambda: path.up() == [1.0])
        yield path


def _strike(path: Watched, make: Callable[[int], Request], away: Callable[[float], object]) -> int:
    """Kill the store a quarter into the load, start it again later. What waits is bounded, and drains.

    away: whether it has been away for long enough, of the time of its death.
    Returns the last number that it may have had when it died.
    """
    with Load(path.bot, make) as load:
        load.until(LOAD // 4)
        path.store.kill()
        killed = time.time()
        seen = load.acknowledged + 1
        load.until(LOAD // 2)
        eventually(lambda: away(killed), _PATIENCE_S)
        assert path.queue() <= 1.0
        path.store.start()
    eventually(lambda: path.queue() == 0, _PATIENCE_S)
    return seen


def _missed(path: Watched) -> bool:
    """The board shows the store away, and that something waits for it."""
    return path.up() == [0.0] and path.queue() > 0


def test_loki_killed_under_load(tmp_path: Path) -> None:
    """Every line of the load is in Loki afterwards; the board showed it away, its queue growing and drained."""
    with (
        running_loki(tmp_path) as store,
        _watched(tmp_path, store, "otlp_http/loki", LOKI_URL=store.base_url) as path,
    ):
        _strike(path, lambda number: logs(line(f"{number}")), lambda _: _missed(path))
        eventually(lambda: path.up() == [1.0], _PATIENCE_S)
        wanted = {str(number) for number in range(1, LOAD + 1)}
        eventually(lambda: set(loki_lines(store, '{flashmm_bot="maker-1"}')) == wanted, 60)


@pytest.mark.skipif(find("tempo") is None, reason="no tempo: put a release's `tempo` on PATH")
def test_tempo_killed_under_load(tmp_path: Path) -> None:
    """Every trace since its death is there, and the board showed the gap.

    What Tempo had in memory when it died is its own loss, seconds of it.
    """
    ids = [secrets.token_bytes(16) for _ in range(LOAD)]
    with running_tempo(tmp_path) as store:
        address = f"127.0.0.1:{store.ports['otlp']}"
        with _watched(tmp_path, store, "otlp_grpc/tempo", TEMPO_OTLP_ENDPOINT=address) as path:
            seen = _strike(path, lambda number: traces(span("order", ids[number - 1])), lambda _: _missed(path))
            eventually(lambda: path.up() == [1.0], _PATIENCE_S)
            for trace_id in ids[seen:]:
                eventually(lambda trace_id=trace_id: tempo_trace(store, trace_id), 60)


def test_prometheus_killed_under_load(tmp_path: Path) -> None:
    """Every point is there afterwards; flashmm's own board showed the queue, Prometheus's shows the hole."""
    with _without_grafana(tmp_path) as path:
        began = time.time()
        _strike(
            path, _point, lambda killed: _told(path, killed) >= 4
        )  # each 10 s: longer than what a dot of the board stands for
        count = f"count(last_over_time(flashmm_pnl_realized[1h])) == {LOAD}"
        assert eventually(lambda: prometheus(path.store, count), _PATIENCE_S)
        eventually(lambda: admin.shown(path.store.base_url, "Servers", job="otel-collector") == [1.0], _PATIENCE_S)
        holes = admin.holes_s(path.store.base_url, "Servers", began, time.time(), job="otel-collector")
        assert len(holes) == 1
        assert holes[0] > 5


@contextmanager
def _without_grafana(folder: Path) -> Generator[Watched]:
    """Prometheus behind the Collector, which it scrapes; the board is that of a flashmm behind it too."""
    collector = collector_server(folder)
    scrape = {"otel-collector": f"127.0.0.1:{collector.ports['metrics']}"}
    with (
        running_product(folder / "data", FLASHMM_RECEIVER__TOKEN=SINK_TOKEN) as product,
        running_prometheus(folder, scrape=scrape) as store,
    ):
        there = {"PROMETHEUS_URL": store.base_url, "FLASHMM_OTLP_URL": f"http://{product.otlp_http}"}
        collector.environment = {**collector.environment, **there}
        with collector, sender(collector) as bot:
            eventually(lambda: admin.shown(store.base_url, "Servers", job="otel-collector") == [1.0])
            yield Watched(store, "otlp_http/prometheus", bot, product.http)


def _point(number: int) -> Request:
    return metrics(gauge("flashmm.pnl.realized", 1, unit="", number=f"{number}"))


def _told(path: Watched, since: float) -> int:
    """How often the Collector has told flashmm since then that something waits for Prometheus."""
    expression = f'otelcol_exporter_queue_size{{exporter="{path.exporter}"}}[5m]'
    rows = get(f"{path.board}/api/v1/query", query=expression)["data"]["result"]
    return sum(at > since and float(value) > 0 for row in rows for at, value in row["values"])
