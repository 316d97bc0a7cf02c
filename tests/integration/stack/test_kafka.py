"""Two tiers of Collectors with Kafka between them: what a bot sends arrives, in order, through crashes of either."""

import os
import signal
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from tests.integration.stack.telemetry import event, gauge, line, logs, metrics, sender, span, traces
from tests.parts import SINK_TOKEN, Server, collector_server, running_collector, running_kafka
from tests.parts.sink import Sink, running_sink

from flashmm_instrumentation.semconv import attributes as names

pytestmark = pytest.mark.real

_TOPICS = ("flashmm.logs", "flashmm.metrics", "flashmm.traces")
_BOTS = ("maker-1", "maker-2", "maker-3")


@dataclass(frozen=True, slots=True)
class Tiers:
    """Both tiers and what is around them. `stores` takes the place of Prometheus, Loki and Tempo."""

    agent: Server
    gateway: Server
    kafka: Server
    flashmm: Sink
    stores: Sink


@contextmanager
def _tiers(folder: Path) -> Generator[Tiers]:
    with ExitStack() as running:
        kafka = running.enter_context(running_kafka(folder, *_TOPICS))
        flashmm = running.enter_context(running_sink(token=SINK_TOKEN))
        stores = running.enter_context(running_sink())
        environment = {
            "KAFKA_BROKERS": f"[127.0.0.1:{kafka.ports['kafka']}]",
            "FLASHMM_OTLP_URL": flashmm.http_url,
            "LOKI_URL": stores.http_url,
            "PROMETHEUS_URL": stores.http_url,
            "TEMPO_OTLP_ENDPOINT": stores.address,
        }
        agent = running_collector(folder / "agent", "kafka-agent", environment=environment)
        gateway = collector_server(folder / "gateway", "kafka-gateway", environment=environment)
        yield Tiers(running.enter_context(agent), running.enter_context(gateway), kafka, flashmm, stores)


def _sequences(sink: Sink) -> dict[str, list[int]]:
    """The sequence numbers of the fills that arrived, by bot, in order of arrival."""
    found: dict[str, list[int]] = {bot: [] for bot in _BOTS}
    for each in sink.logs:
        (bot,) = (pair.value.string_value for pair in each.resource.attributes if pair.key == names.BOT)
        for record in (record for scope in each.scope_logs for record in scope.log_records):
            found[bot] += [pair.value.int_value for pair in record.attributes if pair.key == names.SEQ]
    return found


def test_every_bots_events_arrive_in_order(tmp_path: Path) -> None:
    """Three bots over four partitions: each one's events arrive complete, once, in its own order."""
    with _tiers(tmp_path) as tiers, ExitStack() as running:
        bots = {name: running.enter_context(sender(tiers.agent, x_flashmm_bot=name)) for name in _BOTS}
        for seq in range(1, 101):
            for name, bot in bots.items():
                bot.send(logs(event("flashmm.fill", seq), bot=name))
        wanted = {name: list(range(1, 101)) for name in _BOTS}
        tiers.flashmm.wait_for(lambda: sum(map(len, _sequences(tiers.flashmm).values())) >= 300)
        assert _sequences(tiers.flashmm) == wanted


def test_every_signal_goes_through(tmp_path: Path) -> None:
    """Lines, metrics and spans reach the stores, and nothing comes twice through the two pipelines for logs."""
    with _tiers(tmp_path) as tiers, sender(tiers.agent, x_flashmm_bot="maker-1") as bot:
        bot.send(metrics(gauge("flashmm.quote.spread", 0.1)))
        bot.send(traces(span("order", b"0123456789abcdef")))
        bot.send(logs(line("connected"), event("flashmm.fill", 1)))
        stores = tiers.stores
        stores.wait_for(lambda: any(stores.metric_list()) and any(stores.spans()) and any(stores.log_records()))
        tiers.flashmm.wait_for(lambda: len(list(tiers.flashmm.log_records())) >= 1)
        stores.wait_for(lambda: len(list(stores.log_records())) >= 2)
    assert [each.body.string_value for each in stores.log_records() if each.event_name == ""] == ["connected"]
    assert [each.event_name for each in tiers.flashmm.log_records()] == ["flashmm.fill"]


def test_with_kafka_silent_nothing_is_acknowledged(tmp_path: Path) -> None:
    """Kafka doesn't answer: the bot is not told that its event is safe, tries again, and then it arrives."""
    with _tiers(tmp_path) as tiers, sender(tiers.agent, x_flashmm_bot="maker-1") as bot:
        bot.send(logs(event("flashmm.fill", 1)))
        tiers.flashmm.wait_for(lambda: _sequences(tiers.flashmm)["maker-1"] == [1])
        os.kill(tiers.kafka.pid, signal.SIGSTOP)
        assert bot.try_once(logs(event("flashmm.fill", 2)), seconds=3) is not grpc.StatusCode.OK
        os.kill(tiers.kafka.pid, signal.SIGCONT)
        bot.send(logs(event("flashmm.fill", 2)))
        tiers.flashmm.wait_for(lambda: set(_sequences(tiers.flashmm)["maker-1"]) == {1, 2})
