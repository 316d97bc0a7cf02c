"""From a board to an order's trace, with the demo's telemetry in a real Tempo: exemplars, TraceQL links."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tests.boards import asked, links, panels
from tests.integration.stack.queries import eventually, exemplars, get, tempo_trace
from tests.parts import Server, collector_server, find, running_prometheus, running_tempo

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find("tempo") is None, reason="no tempo: put a release's `tempo` on PATH"),
]

_DEMO_SECONDS = 10
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Where exemplars and traces are."""

    prometheus: Server
    tempo: Server


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Prometheus and Tempo after a short run of the demo through the Collector, which goes on running."""
    folder: Path = tmp_path_factory.mktemp("traceql")
    with running_prometheus(folder) as prometheus, running_tempo(folder) as tempo:
        addresses = {
            "PROMETHEUS_URL": prometheus.base_url,
            "TEMPO_OTLP_ENDPOINT": f"127.0.0.1:{tempo.ports['otlp']}",
        }
        with collector_server(folder, environment=addresses) as collector:
            endpoint = f"http://127.0.0.1:{collector.ports['grpc']}"
            demo = [sys.executable, "-m", "flashmm_demo", "--endpoint", endpoint]
            subprocess.run([*demo, "--duration", str(_DEMO_SECONDS), "--seed", "3"], check=True, timeout=_PATIENCE_S)
            yield Stores(prometheus, tempo)


def _traceql() -> set[str]:
    """Every TraceQL expression that a link of a panel opens in Tempo, with *All* chosen."""
    panes = [pane for _, panel in panels() for url in links(panel) for pane in _panes(url)]
    queries = [query for pane in panes if pane["datasource"] == "tempo" for query in pane["queries"]]
    return {query["query"].replace("${bot:pipe}", ".+") for query in queries}


def _panes(url: str) -> list[dict[str, Any]]:
    encoded = parse_qs(urlsplit(url).query).get("panes", [])
    return [pane for text in encoded for pane in json.loads(unquote(text)).values()]


def test_every_traceql_of_the_boards_finds_orders(stores: Stores) -> None:
    """What a panel's link asks of Tempo finds the demo's orders, once its searches reach them."""
    queries = _traceql()
    assert queries
    for query in queries:
        assert "$" not in query
        assert eventually(lambda: _search(stores.tempo, query), _PATIENCE_S), query  # noqa: B023 - asked at once


def _search(tempo: Server, query: str) -> list[Any]:
    now = int(time.time())
    return get(f"{tempo.base_url}/api/search", q=query, start=now - 3600, end=now).get("traces", [])


def test_an_exemplar_leads_to_its_order_in_tempo(stores: Stores) -> None:
    """A dot on a latency curve of the Trader's board names a trace that Tempo has, with an order's stages."""
    curve = next(each for each in asked("prometheus") if each.board == "trader/trading" and "atency" in each.panel)
    found = eventually(lambda: exemplars(stores.prometheus, curve.filled_in), _PATIENCE_S)
    latest = found[0]["exemplars"][-1]["labels"]["trace_id"]
    trace = json.dumps(eventually(lambda: tempo_trace(stores.tempo, bytes.fromhex(latest)), _PATIENCE_S))
    assert all(f'"{stage}"' in trace for stage in ("order", "submit", "ack"))
