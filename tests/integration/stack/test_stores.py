"""Collector and stores with the deployed files: what a bot sends is found by query in each store."""

import json
import secrets
import subprocess
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import pytest
import yaml
from tests.integration.stack.queries import eventually, exemplars, get_text, loki, loki_lines, prometheus, tempo_trace
from tests.integration.stack.telemetry import (
    Sender,
    event,
    exponential,
    gauge,
    line,
    logs,
    metrics,
    sender,
    span,
    traces,
)
from tests.parts import (
    Server,
    find,
    require,
    running_alertmanager,
    running_collector,
    running_loki,
    running_prometheus,
    running_tempo,
)
from tests.parts.sink import running_sink

pytestmark = pytest.mark.real


@contextmanager
def _guarded_metrics(token: str) -> Generator[str]:
    """An HTTP server with one gauge for whoever shows the token; its host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {token}"
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            if known:
                self.wfile.write(b"flashmm_answer 42\n")

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass(frozen=True, slots=True)
class Stack:
    """The servers that compose starts, those that exist here, and a bot in front of them."""

    bot: Sender
    collector: Server
    prometheus: Server
    loki: Server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Collector, Prometheus and Loki, Prometheus scraping the other two."""
    folder = tmp_path_factory.mktemp("stack")
    with ExitStack() as running:
        lokis = running.enter_context(running_loki(folder))
        proms = running.enter_context(running_prometheus(folder))
        environment = {"PROMETHEUS_URL": proms.base_url, "LOKI_URL": lokis.base_url}
        collector = running.enter_context(running_collector(folder, environment=environment))
        bot = running.enter_context(sender(collector))
        yield Stack(bot, collector, proms, lokis)


def test_a_gauge_is_found_in_prometheus(stack: Stack) -> None:
    """One point sent by OTLP is one series with the bot, the account and the environment as labels."""
    stack.bot.send(metrics(gauge("flashmm.quote.spread", 0.0004, bot="gauge"), bot="gauge"))
    query = 'flashmm_quote_spread_ratio{flashmm_bot="gauge"}'
    (series,) = eventually(lambda: prometheus(stack.prometheus, query))
    assert series["value"][1] == "0.0004"
    assert series["metric"]["job"] == "flashmm/gauge"
    assert series["metric"]["deployment_environment_name"] == "production"


def test_an_exponential_histogram_keeps_its_buckets_and_its_exemplar(stack: Stack) -> None:
    """Order latency arrives as a native histogram, quantiles answer, and an exemplar leads to the trace."""
    trace_id = secrets.token_bytes(16)
    stack.bot.send(metrics(exponential("flashmm.order.duration", [1, 1], trace_id=trace_id), bot="latency"))
    name = 'flashmm_order_duration_seconds{flashmm_bot="latency"}'
    (quantile,) = eventually(lambda: prometheus(stack.prometheus, f"histogram_quantile(1, {name})"))
    assert quantile["value"][1] == "4"
    (found,) = eventually(lambda: exemplars(stack.prometheus, name))
    assert found["exemplars"][0]["labels"]["trace_id"] == trace_id.hex()


def test_a_log_line_is_found_in_loki_with_its_trace(stack: Stack) -> None:
    """A line of ordinary logging is found by bot; its trace id is there to follow."""
    trace_id = secrets.token_bytes(16)
    stack.bot.send(logs(line("connected to the venue", trace_id=trace_id), bot="lines"))
    (stream,) = eventually(lambda: loki(stack.loki, '{flashmm_bot="lines"}'))
    assert stream["values"][0][1] == "connected to the venue"
    assert stream["stream"]["trace_id"] == trace_id.hex()
    assert stream["stream"]["service_name"] == "lines"


def test_loki_gets_the_events_that_people_read(stack: Stack) -> None:
    """Fills and orders are there by event name; second-by-second samples are not."""
    readable = [event("flashmm.fill", 1, price="0.10"), event("flashmm.order", 1, state="acked")]
    dense = [event("flashmm.spread.sample", 1), event("flashmm.stream", 1), event("flashmm.prediction", 1)]
    stack.bot.send(logs(*dense, *readable, bot="events"))
    wanted = [{"price": "0.10"}, {"state": "acked"}]
    query = '{flashmm_bot="events"} | event_name=~"flashmm.*"'
    eventually(lambda: [json.loads(text) for text in loki_lines(stack.loki, query)] == wanted)
    assert loki_lines(stack.loki, '{flashmm_bot="events"} | event_name="flashmm.spread.sample"') == []


def test_labels_in_loki_are_few(stack: Stack) -> None:
    """Only attributes with few values are index labels, so that a restart of a bot starts no new stream."""
    stack.bot.send(logs(line("one"), bot="labels"))
    eventually(lambda: loki_lines(stack.loki, '{flashmm_bot="labels"}'))
    with urlopen(f"{stack.loki.base_url}/loki/api/v1/labels", timeout=30) as answer:
        names = json.load(answer)["data"]
    assert set(names) <= {
        "deployment_environment_name", "flashmm_account", "flashmm_bot", "service_name",
    }  # fmt: skip


def test_a_late_log_line_is_refused_and_the_ledger_has_it(stack: Stack, tmp_path: Path) -> None:
    """Loki turns away an event that comes a day late; the ledger's end takes it, so accounting loses nothing."""
    day_ago = 1_000_000_000
    with running_sink() as flashmm:
        environment = {"LOKI_URL": stack.loki.base_url, "FLASHMM_OTLP_URL": flashmm.http_url}
        with (
            running_collector(tmp_path, environment=environment) as collector,
            sender(collector) as bot,
        ):
            bot.send(logs(event("flashmm.fill", 1, at_ns=day_ago), bot="late"))
            flashmm.wait_for(lambda: any(flashmm.log_records()))
    assert loki_lines(stack.loki, '{flashmm_bot="late"}') == []


def test_prometheus_scrapes_the_stack_itself(tmp_path: Path, stack: Stack) -> None:
    """The Admin board's series are there: the Collector's queues and Loki's, scraped from the deployed jobs."""
    scrape = {
        "otel-collector": f"127.0.0.1:{stack.collector.ports['metrics']}",
        "loki": f"127.0.0.1:{stack.loki.ports['http']}",
    }
    with running_prometheus(tmp_path, scrape=scrape) as server:
        assert eventually(lambda: prometheus(server, 'otelcol_exporter_queue_size{job="otel-collector"}'))
        assert eventually(lambda: prometheus(server, 'loki_build_info{job="loki"}'))


def test_prometheus_scrapes_flashmm_with_its_token(tmp_path: Path) -> None:
    """/metrics of flashmm asks for the token, and Prometheus has it."""
    with ExitStack() as running:
        address = running.enter_context(_guarded_metrics("secret"))
        server = running.enter_context(running_prometheus(tmp_path, flashmm=address, token="secret"))
        (series,) = eventually(lambda: prometheus(server, 'flashmm_answer{job="flashmm"}'))
    assert series["value"][1] == "42"


def test_alertmanager_groups_alerts_by_bot(tmp_path: Path) -> None:
    """Two alerts of a bot are one group, for whoever the deployed file names."""
    with running_alertmanager(tmp_path) as server:
        told = [
            {"labels": {"alertname": "FlashmmDrawdown", "flashmm_bot": "maker-1", "flashmm_symbol": symbol}}
            for symbol in ("A", "B")
        ]
        headers = {"Content-Type": "application/json"}
        urlopen(Request(f"{server.base_url}/api/v2/alerts", json.dumps(told).encode(), headers), timeout=30).close()
        groups = eventually(lambda: json.loads(get_text(f"{server.base_url}/api/v2/alerts/groups")))
    assert [(each["labels"], each["receiver"]["name"], len(each["alerts"])) for each in groups] == [
        ({"alertname": "FlashmmDrawdown", "flashmm_bot": "maker-1"}, "team", 2)
    ]


@pytest.mark.skipif(find("tempo") is None, reason="no tempo: put a release's `tempo` on PATH")
def test_a_trace_is_found_in_tempo(tmp_path: Path) -> None:
    """An order's trace is found by its id, seconds after it was sent."""
    trace_id = secrets.token_bytes(16)
    with running_tempo(tmp_path) as tempo:
        environment = {"TEMPO_OTLP_ENDPOINT": f"127.0.0.1:{tempo.ports['otlp']}"}
        with (
            running_collector(tmp_path, environment=environment) as collector,
            sender(collector) as bot,
        ):
            bot.send(traces(span("order", trace_id)))
            found = eventually(lambda: tempo_trace(tempo, trace_id))
    assert "order" in json.dumps(found)


def test_the_stores_own_health_checks_tell_up_from_down(stack: Stack) -> None:
    """What compose asks of Loki's image succeeds while it runs, and fails where nothing listens."""
    program = require("loki")
    up = subprocess.run([program, "-health", f"-health.url={stack.loki.ready_url}"], check=False, timeout=30)
    down = subprocess.run([program, "-health", "-health.url=http://127.0.0.1:9/ready"], check=False, timeout=30)
    assert up.returncode == 0
    assert down.returncode != 0


@pytest.mark.skipif(find("tempo") is None, reason="no tempo: put a release's `tempo` on PATH")
def test_tempo_keeps_all_in_its_folder_for_thirty_days(tmp_path: Path) -> None:
    """Nothing that it writes is outside of TEMPO_DATA, where another Tempo would find it; blocks stay 30 days."""
    with running_tempo(tmp_path) as tempo:
        config = yaml.safe_load(get_text(f"{tempo.base_url}/status/config").partition("---")[2])
    assert config["overrides"]["defaults"]["compaction"]["block_retention"] == "30d"
    paths = [
        config["live_store"]["wal"]["path"],
        config["live_store"]["shutdown_marker_dir"],
        config["block_builder"]["wal"]["path"],
        config["backend_scheduler"]["local_work_path"],
        config["storage"]["trace"]["wal"]["path"],
        config["storage"]["trace"]["local"]["path"],
    ]
    assert all(Path(path).is_relative_to(tmp_path) for path in paths)
    assert "/var/tempo" not in yaml.safe_dump(config)
