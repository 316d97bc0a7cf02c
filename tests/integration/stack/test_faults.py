"""Servers killed under load, queues and disks full: nothing acknowledged is lost, every limit holds."""

import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import grpc
import pytest
from tests.integration.stack.queries import eventually, get_text, loki_lines, prometheus, tempo_trace
from tests.integration.stack.telemetry import Request, Sender, event, gauge, line, logs, metrics, sender, span, traces
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
from tests.parts.sink import Sink, running_sink

from flashmm_instrumentation.semconv import attributes as names

pytestmark = pytest.mark.real

_LOAD = 400
"""Requests of one load; the fault strikes after a quarter and ends after a half."""


def _sequence(sink: Sink) -> list[int]:
    """The sequence numbers of all events that arrived, in order of arrival."""
    return [
        pair.value.int_value for record in sink.log_records() for pair in record.attributes if pair.key == names.SEQ
    ]


def _fill(seq: int) -> Request:
    return logs(event("flashmm.fill", seq))


class _Load:
    """Requests 1 to _LOAD, one after the other in a thread, each until it is acknowledged."""

    def __init__(self, bot: Sender, make: Callable[[int], Request]) -> None:
        self.acknowledged = 0
        self._bot, self._make = bot, make
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="load")

    def _run(self) -> None:
        for number in range(1, _LOAD + 1):
            self._bot.send(self._make(number))
            with self._progress:
                self.acknowledged = number
                self._progress.notify_all()

    def until(self, number: int) -> None:
        """Wait for so many to be acknowledged."""
        with self._progress:
            reached = self._progress.wait_for(lambda: self.acknowledged >= number, 60)
        assert reached, f"stuck at {self.acknowledged} of {number}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join()
        assert self.acknowledged == _LOAD


def _strike(server: Server, bot: Sender, make: Callable[[int], Request], collector: Server, exporter: str) -> int:
    """Kill the server a quarter into the load, start it again at half. Returns the last number it may have had.

    Meanwhile its queue shows that something waits, and how much may.
    """
    with _Load(bot, make) as load:
        load.until(_LOAD // 4)
        server.kill()
        seen = load.acknowledged + 1
        load.until(_LOAD // 2)
        eventually(lambda: _metric(collector, "otelcol_exporter_queue_size", exporter) > 0)
        bound = _metric(collector, "otelcol_exporter_queue_capacity", exporter)
        assert _metric(collector, "otelcol_exporter_queue_size", exporter) <= bound
        server.start()
    return seen


def test_the_ledger_away_under_load(tmp_path: Path) -> None:
    """flashmm gone for half the load: afterwards every event is there, once, in order."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            with _Load(bot, _fill) as load:
                load.until(_LOAD // 4)
                flashmm.stop()
                load.until(_LOAD // 2)
                flashmm.start()
            flashmm.wait_for(lambda: len(set(_sequence(flashmm))) == _LOAD)
            assert bot.refused == 0
    assert sorted(set(_sequence(flashmm))) == list(range(1, _LOAD + 1))
    first_arrivals = list(dict.fromkeys(_sequence(flashmm)))
    assert first_arrivals == sorted(first_arrivals)


def test_the_collector_killed_under_load(tmp_path: Path) -> None:
    """The Collector killed twice under load, the bot sending again what was not acknowledged: nothing is missing."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            with _Load(bot, _fill) as load:
                for share in (4, 2):
                    load.until(_LOAD // share)
                    collector.kill()
                    collector.start()
            flashmm.wait_for(lambda: len(set(_sequence(flashmm))) == _LOAD)


def test_what_was_acknowledged_survives_the_collector(tmp_path: Path) -> None:
    """With the ledger away, the Collector is killed with a queue full of events; the next start delivers them all."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        flashmm.stop()
        collector = collector_server(tmp_path, environment={"FLASHMM_OTLP_URL": flashmm.http_url})
        with collector, sender(collector) as bot:
            for seq in range(1, 101):
                bot.send(_fill(seq))
            collector.kill()
            flashmm.start()
            collector.start()
            flashmm.wait_for(lambda: len(set(_sequence(flashmm))) == 100)


def test_prometheus_killed_under_load(tmp_path: Path) -> None:
    """Every point of the load is in Prometheus afterwards, those of its absence and those before its death."""
    with running_prometheus(tmp_path) as store:
        environment = {"PROMETHEUS_URL": store.base_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            points = lambda number: metrics(gauge("flashmm.pnl.realized", 1, unit="", number=f"{number}"))  # noqa: E731
            _strike(store, bot, points, collector, "otlp_http/prometheus")
            count = f"count(last_over_time(flashmm_pnl_realized[1h])) == {_LOAD}"
            assert eventually(lambda: prometheus(store, count), 60)


def test_loki_killed_under_load(tmp_path: Path) -> None:
    """Every line of the load is in Loki afterwards."""
    with running_loki(tmp_path) as store:
        environment = {"LOKI_URL": store.base_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            _strike(store, bot, lambda number: logs(line(f"{number}")), collector, "otlp_http/loki")
            wanted = {str(number) for number in range(1, _LOAD + 1)}
            eventually(lambda: set(loki_lines(store, '{flashmm_bot="maker-1"}')) == wanted, 60)


@pytest.mark.skipif(find("tempo") is None, reason="no tempo: put a release's `tempo` on PATH")
def test_tempo_killed_under_load(tmp_path: Path) -> None:
    """Every trace since its death is there; what it had in memory when it died is its own loss, seconds of it."""
    ids = [secrets.token_bytes(16) for _ in range(_LOAD)]
    with running_tempo(tmp_path) as store:
        environment = {"TEMPO_OTLP_ENDPOINT": f"127.0.0.1:{store.ports['otlp']}"}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            spans = lambda number: traces(span("order", ids[number - 1]))  # noqa: E731
            seen = _strike(store, bot, spans, collector, "otlp_grpc/tempo")
            for trace_id in ids[seen:]:
                eventually(lambda trace_id=trace_id: tempo_trace(store, trace_id), 60)


def test_a_full_queue_refuses_at_the_door_and_recovers(tmp_path: Path) -> None:
    """The queue's bound holds: beyond it the bot is told to try again, and later everything arrives."""
    bound = 20_000
    with running_sink(token=SINK_TOKEN) as flashmm:
        flashmm.stop()
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url, "COLLECTOR_EVENTS_QUEUE_BYTES": str(bound)}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            accepted = _until_refused(bot)
            assert _metric(collector, "otelcol_exporter_queue_size", "otlp_http/flashmm_events") <= bound
            flashmm.start()
            bot.send(_fill(accepted + 1))
            flashmm.wait_for(lambda: len(set(_sequence(flashmm))) == accepted + 1)


def _until_refused(bot: Sender, most: int = 5000) -> int:
    """Send events until one is refused, retryably; how many were accepted."""
    for seq in range(1, most):
        status = bot.try_once(_fill(seq))
        if status is not grpc.StatusCode.OK:
            assert status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
            return seq - 1
    raise AssertionError(f"{most} events were accepted")


def _metric(collector: Server, name: str, exporter: str) -> float:
    """A value of the Collector's own metrics, summed over what else distinguishes it."""
    text = get_text(f"http://127.0.0.1:{collector.ports['metrics']}/metrics")
    lines = (each for each in text.splitlines() if each.startswith(f"{name}{{") and f'exporter="{exporter}"' in each)
    return sum(float(each.rpartition(" ")[2]) for each in lines)


def test_a_full_store_queue_never_holds_back_events(tmp_path: Path) -> None:
    """Loki away until its queue is full: lines are dropped and counted, events go on, nobody is refused."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url, "COLLECTOR_QUEUE_BYTES": "20000"}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            for seq in range(1, 301):
                bot.send(logs(event("flashmm.fill", seq), line("x" * 1000)))
            failed = "otelcol_exporter_enqueue_failed_log_records"
            eventually(lambda: _metric(collector, failed, "otlp_http/loki") > 0)
            flashmm.wait_for(lambda: _sequence(flashmm) == list(range(1, 301)))
            assert bot.refused == 0


def test_a_wrong_token_is_counted(tmp_path: Path) -> None:
    """flashmm turning the Collector away is no silence: the failures are counted by exporter."""
    with running_sink(token="another") as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            bot.send(_fill(1))
            failed = "otelcol_exporter_send_failed_log_records"
            eventually(lambda: _metric(collector, failed, "otlp_http/flashmm_events") == 1)
            assert "401" in collector.log.read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, mounted where the Collector has its queues."""
    folder = tmp_path / "collector" / "queues"
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_refuses_at_the_door_and_recovers(tmp_path: Path, small_disk: Path) -> None:
    """No room for the queue: the bot is told to try again; with room nothing acknowledged is missing."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            flashmm.stop()
            ballast = small_disk / "ballast"
            free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
            ballast.write_bytes(b"x" * (free - 100_000))
            accepted = _until_refused(bot)
            ballast.unlink()
            bot.send(_fill(accepted + 1))
            flashmm.start()
            flashmm.wait_for(lambda: len(set(_sequence(flashmm))) == accepted + 1)
