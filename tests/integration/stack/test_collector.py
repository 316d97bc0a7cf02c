"""otel-collector.yaml in the real Collector: what goes where, in which order, under which name."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from tests.integration.stack.telemetry import event, gauge, line, logs, metrics, sender, span, traces
from tests.parts import SINK_TOKEN, Server, running_collector
from tests.parts.sink import Sink, running_sink

from flashmm_instrumentation.semconv import EVENT_KINDS
from flashmm_instrumentation.semconv import attributes as names

pytestmark = pytest.mark.real


@pytest.fixture
def flashmm() -> Iterator[Sink]:
    """The ledger's end of the pipeline; takes the Collector's token only."""
    with running_sink(token=SINK_TOKEN) as sink:
        yield sink


@pytest.fixture
def collector(tmp_path: Path, flashmm: Sink) -> Iterator[Server]:
    """The base pipeline, flashmm alone within reach."""
    with running_collector(tmp_path, environment={"FLASHMM_OTLP_URL": flashmm.http_url}) as server:
        yield server


def _attributes(record: LogRecord) -> dict[str, str | int]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in record.attributes}


def test_events_reach_the_ledger_in_order(collector: Server, flashmm: Sink) -> None:
    """Event after event arrives exactly once, in the order sent, over many requests."""
    with sender(collector) as bot:
        for first in range(1, 1000, 50):
            bot.send(logs(*(event("flashmm.fill", seq, price="0.10") for seq in range(first, first + 50))))
    flashmm.wait_for(lambda: len(list(flashmm.log_records())) >= 1000)
    assert [_attributes(each)[names.SEQ] for each in flashmm.log_records()] == list(range(1, 1001))


def test_the_ledger_gets_every_kind_of_event_and_nothing_else(collector: Server, flashmm: Sink) -> None:
    """Every registered kind passes; a line of ordinary logging and a stranger's event don't."""
    kinds = list(EVENT_KINDS)
    with sender(collector) as bot:
        bot.send(logs(line("connected"), event("browser.page_view", 1)))
        bot.send(logs(*(event(kind, 1) for kind in kinds)))
    flashmm.wait_for(lambda: len(list(flashmm.log_records())) >= len(kinds))
    assert [each.event_name for each in flashmm.log_records()] == kinds


def test_an_event_named_in_the_record_alone_is_named_as_an_attribute_too(collector: Server, flashmm: Sink) -> None:
    """A bot in another language may leave the attribute out: the Collector fills it in."""
    record = event("flashmm.order", 1)
    del record.attributes[:]
    with sender(collector) as bot:
        bot.send(logs(record))
    flashmm.wait_for(lambda: any(flashmm.log_records()))
    (arrived,) = flashmm.log_records()
    assert _attributes(arrived) == {names.EVENT_NAME: "flashmm.order"}


def test_metrics_and_spans_reach_the_live_page(collector: Server, flashmm: Sink) -> None:
    """flashmm gets all three signals, with a resource that names the environment."""
    with sender(collector) as bot:
        bot.send(metrics(gauge("flashmm.quote.spread", 0.0001)))
        bot.send(traces(span("order", b"0123456789abcdef")))
    flashmm.wait_for(lambda: any(flashmm.metric_list()) and any(flashmm.spans()))
    values = {pair.key: pair.value.string_value for pair in flashmm.metrics[0].resource.attributes}
    assert values[names.DEPLOYMENT_ENVIRONMENT] == "production"
    assert values[names.BOT] == "maker-1"
    assert [each.name for each in flashmm.spans()] == ["order"]


def test_the_collector_shows_its_queues(collector: Server) -> None:
    """Queue size and capacity of every exporter are on its metrics port, for the Admin board and the alerts."""
    with urlopen(f"http://127.0.0.1:{collector.ports['metrics']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    for exporter in ("otlp_http/flashmm_events", "otlp_http/prometheus", "otlp_grpc/tempo", "otlp_http/loki"):
        assert 'otelcol_exporter_queue_capacity{data_type="' in text
        assert f'exporter="{exporter}"' in text


def test_the_collector_tells_flashmm_of_its_queues(flashmm: Sink, collector: Server) -> None:
    """With the token, under the names that a scrape has: for flashmm's board while Prometheus is away."""
    flashmm.wait_for(lambda: bool(flashmm.of_collectors))
    told = {metric.name for scope in flashmm.of_collectors[0].scope_metrics for metric in scope.metrics}
    assert {"otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"} <= told
    assert "/v1/metrics" not in collector.log.read_text()  # it says where it could not send
