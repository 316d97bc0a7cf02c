"""Two gateways with deploy/collector/scale.yaml, a ledger behind each: all that a bot sends reaches one of them."""

from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from tests.integration.stack.queries import eventually
from tests.integration.stack.telemetry import event, gauge, logs, metrics, sender, span, traces
from tests.parts import SINK_TOKEN, Server, collector_server, running_collector, running_kafka
from tests.parts._catalogue import REPOSITORY
from tests.parts.sink import Sink, running_sink

from flashmm_instrumentation.semconv import attributes as names

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

_TOPICS = ("flashmm.logs", "flashmm.metrics", "flashmm.traces")
_SCALE = REPOSITORY / "deploy/collector/scale.yaml"
_BOTS = {f"maker-{number}" for number in range(1, 9)}
_PATIENCE_S = 120.0

Shares = list[list[set[str]]]
"""For each signal, the bots that each ledger got something of."""


@dataclass(frozen=True, slots=True)
class Shards:
    """The Collector that bots send to, the gateways, the ledger behind each."""

    door: Server
    gateways: list[Server]
    ledgers: list[Sink]

    def round(self) -> Shares:
        """Every bot sends one of each signal; who got it, once it is all there."""
        for each in self.ledgers:
            for kept in (each.logs, each.metrics, each.traces):
                kept.clear()
        for name in _BOTS:
            with sender(self.door, x_flashmm_bot=name) as bot:
                bot.send(logs(event("flashmm.fill", 1), bot=name))
                bot.send(metrics(gauge("flashmm.quote.spread", 0.1), bot=name))
                bot.send(traces(span("order", b"0123456789abcdef"), bot=name))
        eventually(lambda: all(set[str]().union(*signal) == _BOTS for signal in self.shares()), _PATIENCE_S)
        return self.shares()

    def shares(self) -> Shares:
        """As they are now."""
        signals = [(_bots(each.logs), _bots(each.metrics), _bots(each.traces)) for each in self.ledgers]
        return [list(signal) for signal in zip(*signals, strict=True)]

    def settled(self) -> list[set[str]]:
        """What the ledgers share, once every signal is shared out alike, twice in a row, and nobody has all.

        One round may lie on both sides of a rebalance.
        """
        shares = [*self.round(), *self.round()]
        one, other = shares[0]
        alike = all(signal == shares[0] for signal in shares)
        return [one, other] if alike and one and other and not one & other else []


def _bots(kept: Iterable[ResourceLogs | ResourceMetrics | ResourceSpans]) -> set[str]:
    pairs = (pair for each in list(kept) for pair in each.resource.attributes)
    return {pair.value.string_value for pair in pairs if pair.key == names.BOT}


@contextmanager
def _shards(folder: Path) -> Generator[Shards]:
    with ExitStack() as running:
        kafka = running.enter_context(running_kafka(folder, *_TOPICS))
        brokers = {"KAFKA_BROKERS": f"[127.0.0.1:{kafka.ports['kafka']}]"}
        door = running.enter_context(running_collector(folder / "door", "kafka-agent", environment=brokers))
        ledgers = [running.enter_context(running_sink(token=SINK_TOKEN)) for _ in range(2)]
        gateways = [
            collector_server(
                folder / name,
                "kafka-gateway",
                _SCALE,
                environment={
                    **brokers,
                    "KAFKA_GROUP_INSTANCE": name,
                    "KAFKA_SESSION_TIMEOUT": "1m",
                    "FLASHMM_OTLP_URL": ledger.http_url,
                },
            )
            for name, ledger in zip(("gateway-0", "gateway-1"), ledgers, strict=True)
        ]
        yield Shards(door, [running.enter_context(each) for each in gateways], ledgers)


def test_a_bots_signals_reach_one_ledger(tmp_path: Path) -> None:
    """Events, metrics and spans of a bot alike, and it has the same ledger after one gateway was started anew."""
    with _shards(tmp_path) as shards:
        before = eventually(shards.settled, _PATIENCE_S)
        shards.gateways[1].kill()
        shards.gateways[1].start()
        assert eventually(shards.settled, _PATIENCE_S) == before
