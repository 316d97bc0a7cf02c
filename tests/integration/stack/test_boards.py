"""Every board on the real stores: a demo through the Collector, Prometheus that scrapes all, Loki, flashmm beside."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from tests.acceptance.conftest import run_demo
from tests.boards import Asked, asked
from tests.integration.stack.queries import eventually, exemplars, get, loki
from tests.parts import SINK_TOKEN, Server, collector_server, running_loki, running_prometheus
from tests.product import running_product

pytestmark = pytest.mark.real

_DEMO_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Stores:
    """What Grafana would ask, flashmm's own metrics page, and when the demo ended."""

    prometheus: Server
    loki: Server
    metrics: str
    ended_s: float

    def asked(self, each: Asked, at_s: float) -> list[object]:
        """The series of an expression at that time."""
        url = f"{self.prometheus.base_url}/api/v1/query"
        return get(url, query=each.filled_in, time=at_s + each.delay_s)["data"]["result"]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """The stack without Grafana and Tempo, after a short run of the demo through it."""
    folder = tmp_path_factory.mktemp("boards")
    collector = collector_server(folder)
    with (
        running_product(folder / "data", FLASHMM_RECEIVER__TOKEN=SINK_TOKEN) as product,
        running_loki(folder) as lokis,
        running_prometheus(folder, flashmm=urlsplit(product.http).netloc) as proms,
    ):
        scraped = {"otel-collector": f"127.0.0.1:{collector.ports['metrics']}", "prometheus": _place(proms)}
        targets = [{"targets": [place], "labels": {"job": job}} for job, place in scraped.items()]
        (folder / "prometheus/targets/scrape.yml").write_text(json.dumps(targets))  # it looks for changes by itself
        collector.environment = {
            **collector.environment,
            "PROMETHEUS_URL": proms.base_url,
            "LOKI_URL": lokis.base_url,
            "FLASHMM_OTLP_URL": f"http://{product.otlp_http}",
        }
        with collector:
            through = replace(product, otlp_grpc=f"127.0.0.1:{collector.ports['grpc']}")
            run_demo(through, "--duration", str(_DEMO_SECONDS), "--seed", "3")
            yield Stores(proms, lokis, f"{product.http}/metrics", time.time())


def _place(server: Server) -> str:
    return urlsplit(server.base_url).netloc


@pytest.mark.parametrize("each", asked("prometheus"), ids=str)
def test_every_expression_answers(stores: Stores, each: Asked) -> None:
    """No panel is empty once a bot has run: the bots' telemetry, the stack's servers and our own metrics."""
    answer = eventually(lambda: stores.asked(each, stores.ended_s) or stores.asked(each, time.time()))
    assert answer, each.filled_in


@pytest.mark.parametrize("each", asked("loki"), ids=str)
def test_every_log_query_answers(stores: Stores, each: Asked) -> None:
    """The bots' lines are where the panel looks for them."""
    assert eventually(lambda: loki(stores.loki, each.filled_in))


def test_latency_panels_have_orders_behind_them(stores: Stores) -> None:
    """The expression of each latency curve finds exemplars with a trace's id."""
    latency = [each for each in asked("prometheus") if each.board == "trader/trading" and "atency" in each.panel]
    assert len(latency) >= 4
    for each in latency:
        found = eventually(lambda: exemplars(stores.prometheus, each.filled_in))  # noqa: B023 - asked at once
        assert found[0]["exemplars"][0]["labels"]["trace_id"]


def test_counters_of_losses_exist(stores: Stores) -> None:
    """A counter that stays at zero until something goes wrong is declared by the program that would count it."""
    with urlopen(stores.metrics, timeout=10) as answer:
        page = answer.read().decode()
    for name in ("flashmm_receiver_refused", "flashmm_receiver_requests_refused", "flashmm_stream_dropped"):
        assert f"# TYPE {name}_total counter" in page
