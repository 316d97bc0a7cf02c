"""`flashmm doctor` with a Collector in between: it names the store that the probe does not reach."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.parts import (
    SINK_TOKEN,
    Server,
    collector_server,
    find,
    running_loki,
    running_prometheus,
    running_tempo,
)
from tests.product import Product, running_product

from flashmm_backends.lgtm import EndpointSettings
from flashmm_orchestration.cli._client import Client
from flashmm_orchestration.cli._far_end import Store, loki_store, prometheus_store, tempo_store
from flashmm_orchestration.cli._journey import Finding, Journey, examine
from flashmm_orchestration.cli._otlp import Otlp

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Prometheus and Loki."""
    folder = tmp_path_factory.mktemp("stores")
    with running_prometheus(folder) as metrics, running_loki(folder) as logs:
        yield metrics, logs


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, stores: tuple[Server, Server]) -> Iterator[Product]:
    """flashmm as the stack has it: metrics from Prometheus, events from its own ledger."""
    chosen = {
        "FLASHMM_RECEIVER__TOKEN": SINK_TOKEN,
        "FLASHMM_METRICS__KIND": "prometheus",
        "FLASHMM_METRICS__URL": stores[0].base_url,
    }
    with running_product(tmp_path_factory.mktemp("product") / "data", **chosen) as running:
        yield running


def findings(
    folder: Path, product: Product, stores: tuple[Server, Server], within_s: float, **elsewhere: str
) -> list[Finding]:
    """The doctor's, through a Collector. elsewhere: where the Collector sends instead."""
    metrics, logs = stores
    environment = {
        "FLASHMM_OTLP_URL": f"http://{product.otlp_http}",
        "PROMETHEUS_URL": metrics.base_url,
        "LOKI_URL": logs.base_url,
        **elsewhere,
    }
    with collector_server(folder, environment=environment) as collector:
        journey = Journey(
            Otlp(f"http://127.0.0.1:{collector.ports['grpc']}", grpc=True),
            Client(product.http),
            (prometheus_store(EndpointSettings(url=metrics.base_url)), loki_store(logs.base_url)),
            within_s=within_s,
        )
        return list(examine(journey))


def test_the_path_through_a_collector_holds(tmp_path: Path, product: Product, stores: tuple[Server, Server]) -> None:
    """Every store has the probe, and the server answers with it."""
    seen = findings(tmp_path, product, stores, 60.0)
    assert [(each.step, each.ok) for each in seen] == [
        (step, True) for step in ("server", "emit", "Prometheus", "Loki", "query", "ledger", "traces")
    ]


def test_a_collector_that_does_not_reach_a_store_is_told(
    tmp_path: Path, product: Product, stores: tuple[Server, Server]
) -> None:
    """The store is named, and where the Collector says why; the other steps hold."""
    seen = findings(tmp_path, product, stores, 15.0, PROMETHEUS_URL="http://127.0.0.1:9")
    assert [each.step for each in seen if not each.ok] == ["Prometheus", "query"]
    assert "otelcol_exporter_send_failed" in seen[2].fix


def test_a_store_that_is_no_such_store_is_told(product: Product, stores: tuple[Server, Server]) -> None:
    """Loki's address where Prometheus's is meant."""
    wrong = prometheus_store(EndpointSettings(url=stores[1].base_url))
    otlp = Otlp(f"http://{product.otlp_http}", SINK_TOKEN)
    seen = list(examine(Journey(otlp, Client(product.http), (wrong,), within_s=0.2)))
    assert "metrics.url" in seen[2].fix


class _Refusing(BaseHTTPRequestHandler):
    """A store whose credentials have expired."""

    def do_GET(self) -> None:
        self.send_error(401)


@pytest.fixture
def refusing() -> Iterator[EndpointSettings]:
    """Where it answers, with a token that it does not take any more."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield EndpointSettings(url=f"http://127.0.0.1:{server.server_port}", token="expired")
        server.shutdown()


@pytest.mark.parametrize(("store", "setting"), [(prometheus_store, "metrics.token"), (tempo_store, "traces.token")])
def test_credentials_that_a_store_refuses_are_told(
    product: Product, refusing: EndpointSettings, store: Callable[[EndpointSettings], Store], setting: str
) -> None:
    """Not as a probe that never arrives, which would lead to the Collector."""
    otlp = Otlp(f"http://{product.otlp_http}", SINK_TOKEN)
    seen = list(examine(Journey(otlp, Client(product.http), (store(refusing),))))[2]
    assert "401: the credentials are refused" in seen.seen
    assert setting in seen.fix


@pytest.mark.skipif(find("tempo") is None, reason="no tempo: put a release's `tempo` on PATH")
def test_tempo_is_asked_for_the_probe(tmp_path: Path, product: Product) -> None:
    """It arrives through a Collector; where that sends elsewhere, Tempo is named."""
    otlp, client = Otlp(f"http://{product.otlp_http}", SINK_TOKEN), Client(product.http)
    with running_tempo(tmp_path) as tempo:
        store = tempo_store(EndpointSettings(url=tempo.base_url), section="")
        past = list(examine(Journey(otlp, client, (store,), within_s=1.0)))[2]
        through = {
            "TEMPO_OTLP_ENDPOINT": f"127.0.0.1:{tempo.ports['otlp']}",
            "FLASHMM_OTLP_URL": f"http://{product.otlp_http}",
        }
        with collector_server(tmp_path, environment=through) as collector:
            before = Otlp(f"http://127.0.0.1:{collector.ports['grpc']}", grpc=True)
            held = list(examine(Journey(before, client, (store,), within_s=60.0)))[2]
    assert (past.ok, held.ok) == (False, True)
    assert "--tempo" in past.fix
