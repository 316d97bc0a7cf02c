"""The ledger away, the Collector killed, queues and disks full: nothing acknowledged is lost, every limit holds."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from tests.integration.stack.load import LOAD, Load
from tests.integration.stack.queries import eventually, get_text
from tests.integration.stack.telemetry import Request, Sender, event, line, logs, sender
from tests.parts import SINK_TOKEN, Server, collector_server, running_collector
from tests.parts.sink import Sink, running_sink

from flashmm_instrumentation.semconv import attributes as names

pytestmark = pytest.mark.real


def _sequence(sink: Sink) -> list[int]:
    """The sequence numbers of all events that arrived, in order of arrival."""
    return [
        pair.value.int_value for record in sink.log_records() for pair in record.attributes if pair.key == names.SEQ
    ]


def _fill(seq: int) -> Request:
    return logs(event("flashmm.fill", seq))


def test_the_ledger_away_under_load(tmp_path: Path) -> None:
    """flashmm gone for half the load: afterwards every event is there, once, in order."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            with Load(bot, _fill) as load:
                load.until(LOAD // 4)
                flashmm.stop()
                load.until(LOAD // 2)
                flashmm.start()
            flashmm.wait_for(lambda: len(set(_sequence(flashmm))) == LOAD)
            assert bot.refused == 0
    assert sorted(set(_sequence(flashmm))) == list(range(1, LOAD + 1))
    first_arrivals = list(dict.fromkeys(_sequence(flashmm)))
    assert first_arrivals == sorted(first_arrivals)


def test_the_collector_killed_under_load(tmp_path: Path) -> None:
    """The Collector killed twice under load, the bot sending again what was not acknowledged: nothing is missing."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            with Load(bot, _fill) as load:
                for share in (4, 2):
                    load.until(LOAD // share)
                    collector.kill()
                    collector.start()
            flashmm.wait_for(lambda: len(set(_sequence(flashmm))) == LOAD)


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
            failed = "otelcol_exporter_enqueue_failed_log_records_total"
            eventually(lambda: _metric(collector, failed, "otlp_http/loki") > 0)
            flashmm.wait_for(lambda: _sequence(flashmm) == list(range(1, 301)))
            assert bot.refused == 0


def test_a_wrong_token_is_counted(tmp_path: Path) -> None:
    """flashmm turning the Collector away is no silence: the failures are counted by exporter."""
    with running_sink(token="another") as flashmm:
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url}
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            bot.send(_fill(1))
            failed = "otelcol_exporter_send_failed_log_records_total"
            eventually(lambda: _metric(collector, failed, "otlp_http/flashmm_events") == 1)
            eventually(lambda: "401" in collector.log.read_text())


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
