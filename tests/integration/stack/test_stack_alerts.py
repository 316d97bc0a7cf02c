"""deploy/prometheus/rules in a real Prometheus that watches a real Collector: losses become alerts."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.stack.queries import eventually, get, prometheus
from tests.integration.stack.telemetry import Sender, event, logs, sender
from tests.parts import SINK_TOKEN, Server, collector_server, require, running_prometheus
from tests.parts._catalogue import REPOSITORY
from tests.parts.sink import running_sink

pytestmark = pytest.mark.real

_RULES = REPOSITORY / "deploy/prometheus/rules/stack.yml"
_PATIENCE_S = 120.0


def _alerts(watcher: Server, state: str) -> dict[str, dict[str, Any]]:
    """The alerts in this state, by name."""
    alerts: list[dict[str, Any]] = get(f"{watcher.base_url}/api/v1/alerts")["data"]["alerts"]
    return {each["labels"]["alertname"]: each for each in alerts if each["state"] == state}


@pytest.mark.parametrize(("verb", "file"), [("check", _RULES), ("test", Path(__file__).with_name("stack_rules.yml"))])
def test_promtool_finds_no_fault_in_the_rules(verb: str, file: Path) -> None:
    """They are well formed, and fire for what the file of tests tells, and for no longer."""
    done = subprocess.run([require("promtool"), verb, "rules", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_lost_batch_of_events_is_an_alert(tmp_path: Path) -> None:
    """The Collector's token is wrong and a single event is dropped: the alert fires and says what to compare."""
    with running_sink(token="another") as flashmm:
        collector = collector_server(tmp_path, environment={"FLASHMM_OTLP_URL": flashmm.http_url})
        scrape = {"otel-collector": f"127.0.0.1:{collector.ports['metrics']}"}
        with collector, running_prometheus(tmp_path, scrape=scrape) as watcher, sender(collector) as bot:
            eventually(lambda: prometheus(watcher, "up == 1"), _PATIENCE_S)
            assert not _alerts(watcher, "firing")
            bot.send(logs(event("flashmm.fill", 1)))
            fired = eventually(lambda: _alerts(watcher, "firing"), _PATIENCE_S)
    assert list(fired) == ["FlashmmEventsTurnedAway"]
    assert "/run/flashmm/otlp-token" in fired["FlashmmEventsTurnedAway"]["annotations"]["description"]


def _refused(watcher: Server, bot: Sender, seq: int) -> list[Any]:
    """Send once more; whether refusals are seen by now."""
    bot.try_once(logs(event("flashmm.fill", seq)))
    return prometheus(watcher, 'ALERTS{alertname="FlashmmRefusedAtTheDoor"}')


def test_a_full_queue_and_a_server_that_is_down_are_alerts(tmp_path: Path) -> None:
    """With the ledger away the queue's alert is raised, then that of refusals; a killed Collector is told too."""
    with running_sink(token=SINK_TOKEN) as flashmm:
        flashmm.stop()
        environment = {"FLASHMM_OTLP_URL": flashmm.http_url, "COLLECTOR_EVENTS_QUEUE_BYTES": "2000"}
        collector = collector_server(tmp_path, environment=environment)
        scrape = {"otel-collector": f"127.0.0.1:{collector.ports['metrics']}"}
        with running_prometheus(tmp_path, scrape=scrape) as watcher:
            with collector, sender(collector) as bot:
                for seq in range(1, 6):
                    bot.send(logs(event("flashmm.fill", seq)))
                eventually(lambda: "FlashmmQueueFills" in _alerts(watcher, "firing"), _PATIENCE_S)
                eventually(lambda: _refused(watcher, bot, 6), _PATIENCE_S)
                collector.kill()
            eventually(lambda: "FlashmmServerDown" in _alerts(watcher, "firing"), _PATIENCE_S)
