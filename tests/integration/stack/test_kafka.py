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
_PATIENCE_S = 90.0
"""Several of Kafka's sessions, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Tiers:
    """Both tiers and what is around them. `stores` takes the place of Prometheus, Loki and Tempo."""

    agent: Server
    gateway: Server
    kafka: Server
    flashmm: Sink
    stores: Sink

    def another_gateway(self, folder: Path) -> Server:
        """One more of the second tier, with a queue and addresses of its own; not started."""
        addresses = ("KAFKA_BROKERS", "FLASHMM_OTLP_URL", "LOKI_URL", "PROMETHEUS_URL", "TEMPO_OTLP_ENDPOINT")
        chosen = {name: self.gateway.environment[name] for name in addresses}
        return collector_server(folder, "kafka-gateway", environment=chosen)


@contextmanager
def _tiers(folder: Path, **of_the_gateway: str) -> Generator[Tiers]:
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
        chosen = {**environment, **of_the_gateway}
        gateway = collector_server(folder / "gateway", "kafka-gateway", environment=chosen)
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


def _send(tiers: Tiers, numbers: range) -> None:
    """Fills of all bots, each until it is acknowledged."""
    with ExitStack() as running:
        bots = {name: running.enter_context(sender(tiers.agent, x_flashmm_bot=name)) for name in _BOTS}
        for seq in numbers:
            for name, bot in bots.items():
                bot.send(logs(event("flashmm.fill", seq), bot=name))


def _nothing_is_missing(tiers: Tiers, last: int) -> None:
    wanted = {name: set(range(1, last + 1)) for name in _BOTS}
    tiers.flashmm.wait_for(
        lambda: {name: set(seqs) for name, seqs in _sequences(tiers.flashmm).items()} == wanted, _PATIENCE_S
    )


def test_a_named_gateway_goes_on_at_once(tmp_path: Path) -> None:
    """Killed under load and started again, a gateway with a name doesn't wait for its old session, of minutes."""
    named = {"KAFKA_GROUP_INSTANCE": "gateway-0", "KAFKA_SESSION_TIMEOUT": f"{2 * _PATIENCE_S:.0f}s"}
    with _tiers(tmp_path, **named) as tiers:
        _send(tiers, range(1, 101))
        tiers.flashmm.wait_for(lambda: any(_sequences(tiers.flashmm).values()))
        tiers.gateway.kill()
        _send(tiers, range(101, 151))
        tiers.gateway.start()
        _send(tiers, range(151, 201))
        _nothing_is_missing(tiers, 200)


def test_the_only_gateway_killed_under_load(tmp_path: Path) -> None:
    """Without a name it waits for its old session to end: Kafka has kept what came meanwhile, nothing is missing."""
    with _tiers(tmp_path) as tiers:
        _send(tiers, range(1, 101))
        tiers.gateway.kill()
        _send(tiers, range(101, 151))
        tiers.gateway.start()
        _send(tiers, range(151, 201))
        _nothing_is_missing(tiers, 200)


def test_another_gateway_takes_over(tmp_path: Path) -> None:
    """Of two gateways one is killed for good under load: the other delivers its bots' events too."""
    with _tiers(tmp_path) as tiers, tiers.another_gateway(tmp_path / "another"):
        _send(tiers, range(1, 101))
        _nothing_is_missing(tiers, 100)
        tiers.gateway.kill()
        _send(tiers, range(101, 201))
        _nothing_is_missing(tiers, 200)


def test_kafka_killed_under_load(tmp_path: Path) -> None:
    """The broker dies and comes back with its disk: what it had acknowledged and what came later arrives."""
    with _tiers(tmp_path) as tiers:
        _send(tiers, range(1, 101))
        tiers.kafka.kill()
        tiers.kafka.start()
        _send(tiers, range(101, 201))
        _nothing_is_missing(tiers, 200)


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
