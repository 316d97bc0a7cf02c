"""Grafana's data sources without a Grafana: every expression that joins them answers on the real stores."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.boards import panels
from tests.integration.stack.queries import eventually, exemplars, loki, prometheus
from tests.integration.stack.telemetry import exponential, gauge, line, logs, metrics, sender, span, traces
from tests.parts import Server, collector_server, running_loki, running_prometheus
from tests.parts._catalogue import REPOSITORY
from tests.parts.sink import running_sink

pytestmark = pytest.mark.real

_GRAFANA = REPOSITORY / "deploy" / "grafana"
_PROVISIONED = yaml.safe_load((_GRAFANA / "provisioning/datasources/stores.yaml").read_text())["datasources"]
_STORES: dict[str, Any] = {each["uid"]: each for each in _PROVISIONED}
_TRACE_ID = secrets.token_bytes(16)
_DURATION = "flashmm_order_duration_seconds"


def _as_grafana_reads(text: str) -> str:
    """Grafana's expansion of a provisioned value: `$$` is a dollar sign."""
    return text.replace("$$", "$")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Prometheus, which scrapes the Collector, and Loki, with a bot's telemetry in both."""
    folder = tmp_path_factory.mktemp("grafana")
    collector = collector_server(folder)
    scrape = {"otel-collector": f"127.0.0.1:{collector.ports['metrics']}"}
    with running_loki(folder) as lokis, running_prometheus(folder, scrape=scrape) as proms, running_sink() as flashmm:
        collector.environment = {
            **collector.environment,
            "PROMETHEUS_URL": proms.base_url,
            "LOKI_URL": lokis.base_url,
            "FLASHMM_OTLP_URL": flashmm.http_url,
        }
        with collector, sender(collector) as bot:
            for count in (1, 2):
                bot.send(metrics(exponential("flashmm.order.duration", [count, count], trace_id=_TRACE_ID)))
                bot.send(metrics(gauge("flashmm.quote.spread", 0.1)))
                bot.send(traces(span("order", _TRACE_ID)))
                bot.send(logs(line("acknowledged", trace_id=_TRACE_ID)))
                eventually(lambda: prometheus(proms, f"histogram_count({_DURATION}) >= {2 * count}"))  # noqa: B023
            yield {"prometheus": proms, "loki": lokis}


def test_boards_lie_where_grafana_looks() -> None:
    """Each provider's path is a role's folder under what compose mounts, and every folder with boards has one."""
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    assert "./deploy/grafana/boards:/etc/grafana/boards:ro" in compose["services"]["grafana"]["volumes"]
    providers = yaml.safe_load((_GRAFANA / "provisioning/dashboards/boards.yaml").read_text())["providers"]
    paths = {each["options"]["path"] for each in providers}
    assert paths == {f"/etc/grafana/boards/{folder.name}" for folder in (_GRAFANA / "boards").iterdir()}


def test_every_panel_reads_from_a_provisioned_store() -> None:
    """The data source of each panel and of each of its queries is one of those above."""
    for _, panel in panels():
        asked = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {each["uid"] for each in asked} <= _STORES.keys()


def test_an_exemplar_opens_its_trace(stores: dict[str, Server]) -> None:
    """The exemplar's label is the one that the Prometheus data source turns into a link to Tempo."""
    (link,) = _STORES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    found = eventually(lambda: exemplars(stores["prometheus"], _DURATION))
    assert found[0]["exemplars"][-1]["labels"][link["name"]] == _TRACE_ID.hex()
    assert link["datasourceUid"] == "tempo"


def test_a_trace_opens_its_logs(stores: dict[str, Server]) -> None:
    """The query that Tempo's data source builds from a span finds the line of that trace in Loki."""
    settings = _STORES["tempo"]["jsonData"]["tracesToLogsV2"]
    (tag,) = settings["tags"]
    query = _as_grafana_reads(settings["query"]).replace("${__tags}", f'{tag["value"]}="maker-1"')
    (stream, *_) = eventually(lambda: loki(stores["loki"], query.replace("${__trace.traceId}", _TRACE_ID.hex())))
    assert stream["values"][0][1] == "acknowledged"
    assert settings["datasourceUid"] in _STORES


@pytest.mark.parametrize(
    "query", _STORES["tempo"]["jsonData"]["tracesToMetrics"]["queries"], ids=lambda each: each["name"]
)
def test_a_trace_opens_its_bots_metrics(stores: dict[str, Server], query: dict[str, str]) -> None:
    """Each metric query of Tempo's data source answers for the span's bot."""
    (tag,) = _STORES["tempo"]["jsonData"]["tracesToMetrics"]["tags"]
    expression = _as_grafana_reads(query["query"]).replace("$__tags", f'{tag["value"]}="maker-1"')
    assert eventually(lambda: prometheus(stores["prometheus"], expression))


def test_a_log_line_opens_its_trace(stores: dict[str, Server]) -> None:
    """The label that Loki's data source links from is there, and holds the trace's id alone."""
    (field,) = _STORES["loki"]["jsonData"]["derivedFields"]
    (stream, *_) = eventually(lambda: loki(stores["loki"], '{flashmm_bot="maker-1"}'))
    assert stream["stream"][field["matcherRegex"]] == _TRACE_ID.hex()
    assert field["datasourceUid"] == "tempo"
