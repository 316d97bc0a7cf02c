"""The profile `scale` on real servers: two tiers of Collectors, Kafka, and every board in the one store of metrics.

A Prometheus that takes remote writes stands in Mimir's place.
"""

import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.acceptance.conftest import run_demo
from tests.boards import Asked, asked
from tests.integration.stack.queries import eventually, get
from tests.parts import (
    SINK_TOKEN,
    Server,
    collector_server,
    running_kafka,
    running_prometheus,
)
from tests.parts._catalogue import REPOSITORY
from tests.parts._prometheus import PROMETHEUS_SCALE_CONFIG
from tests.product import Product, running_product

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

_TOPICS = ("flashmm.logs", "flashmm.metrics", "flashmm.traces")
_SCALE = REPOSITORY / "deploy/collector/scale.yaml"
_TARGETS = REPOSITORY / "deploy/prometheus/targets"
_DEMO_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Scale:
    """What takes Mimir's place, a ledger's page over it, and when the demo ended."""

    store: Server
    page: str
    ended_s: float

    def asked(self, each: Asked, at_s: float) -> list[Any]:
        """The series of an expression at that time."""
        return _series(self.store.base_url, query=each.filled_in, time=at_s + each.delay_s)

    def on_the_page(self, expression: str) -> list[Any]:
        """The series now, asked of flashmm."""
        return _series(self.page, query=expression)


def _series(store: str, **parameters: str | float) -> list[Any]:
    return get(f"{store}/api/v1/query", **parameters)["data"]["result"]


@pytest.fixture(scope="module")
def scale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scale]:
    """A demo has run through both tiers, and Prometheus watches them."""
    folder = tmp_path_factory.mktemp("scale")
    (folder / "mimir").mkdir()
    with running_prometheus(folder / "mimir", flags=["--web.enable-remote-write-receiver"]) as store:
        reads = {"FLASHMM_METRICS__KIND": "prometheus", "FLASHMM_METRICS__URL": store.base_url}
        with (
            running_product(folder / "data", FLASHMM_RECEIVER__TOKEN=SINK_TOKEN, **reads) as product,
            running_kafka(folder, *_TOPICS) as kafka,
        ):
            door, gateway = _tiers(folder, kafka, product, store)
            with gateway, door, _watcher(folder, door, gateway, product, store):
                through = replace(product, otlp_grpc=f"127.0.0.1:{door.ports['grpc']}")
                run_demo(through, "--duration", str(_DEMO_SECONDS), "--seed", "3")
                yield Scale(store, product.http, time.time())


def _tiers(folder: Path, kafka: Server, product: Product, store: Server) -> tuple[Server, Server]:
    """The Collector that bots send to, and the one that feeds the ledger and Mimir."""
    brokers = {"KAFKA_BROKERS": f"[{urlsplit(kafka.base_url).netloc}]"}
    behind = {
        **brokers,
        "KAFKA_GROUP_INSTANCE": "gateway-0",
        "FLASHMM_OTLP_URL": f"http://{product.otlp_http}",
        "MIMIR_URL": f"{store.base_url}/api/v1",
    }
    door = collector_server(folder / "door", "kafka-agent", environment=brokers)
    return door, collector_server(folder / "gateway", "kafka-gateway", _SCALE, environment=behind)


@contextmanager
def _watcher(folder: Path, door: Server, gateway: Server, product: Product, store: Server) -> Generator[Server]:
    """Prometheus as `scale` starts it, with the deployed targets, of which these run here under other addresses."""
    with running_prometheus(
        folder, config=PROMETHEUS_SCALE_CONFIG, mimir=f"{store.base_url}/api/v1/write"
    ) as watcher:
        here = {
            "localhost:9090": urlsplit(watcher.base_url).netloc,
            "otel-collector:8888": f"127.0.0.1:{door.ports['metrics']}",
            "gateway-0:8888": f"127.0.0.1:{gateway.ports['metrics']}",
            "mimir:9009": urlsplit(store.base_url).netloc,
            "flashmm:8080": urlsplit(product.http).netloc,
        }
        (folder / "prometheus/targets/scale").mkdir()
        for path in _TARGETS.rglob("*.yml"):
            (folder / "prometheus/targets" / path.relative_to(_TARGETS)).write_text(
                _elsewhere(path.read_text(), here)
            )
        yield watcher


def _elsewhere(text: str, here: dict[str, str]) -> str:
    """Targets at other addresses; at a closed port where nothing takes their place."""
    return re.sub(r'"([\w-]+:\d+)"', lambda found: f'"{here.get(found[1], "127.0.0.1:9")}"', text)


@pytest.mark.parametrize("each", asked("prometheus"), ids=str)
def test_every_expression_answers(scale: Scale, each: Asked) -> None:
    """No panel is empty: what bots sent through Kafka and what Prometheus scraped are side by side."""
    assert eventually(lambda: scale.asked(each, scale.ended_s) or scale.asked(each, time.time())), each.filled_in


def test_the_queues_of_both_tiers_are_on_the_page(scale: Scale) -> None:
    """A ledger's own page, which asks the store in Mimir's place, shows each server and the gateway's queues."""
    wanted = {"flashmm", "gateway", "mimir", "otel-collector", "prometheus"}
    answering = "min_over_time(up[1m]) == 1"
    assert eventually(lambda: wanted <= {row["metric"]["job"] for row in scale.on_the_page(answering)})
    queues = {row["metric"]["exporter"] for row in scale.on_the_page("otelcol_exporter_queue_size")}
    assert queues == {
        "otlp_http/flashmm_events", "otlp_http/flashmm", "otlp_http/prometheus", "otlp_grpc/tempo", "otlp_http/loki"
    }  # fmt: skip


def test_a_server_that_is_down_is_an_alert_there(scale: Scale) -> None:
    """The rules' alerts are written to the same store."""
    firing = 'ALERTS{alertname="FlashmmServerDown", alertstate="firing", job="alertmanager"}'
    assert eventually(lambda: scale.on_the_page(firing), 120)
