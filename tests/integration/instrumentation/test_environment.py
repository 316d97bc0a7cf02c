"""OpenTelemetry's environment variables: each row of the README is honoured, shown by what a peer receives."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from tests import otlp_peer
from tests.otlp_peer import GrpcPeer, HttpPeer, Received, attributes

from flashmm_instrumentation import setup
from flashmm_instrumentation._exporters import Destination, exporters
from flashmm_instrumentation._extras import SYSTEM_METRICS
from flashmm_instrumentation._flow import Flow, flow_from_environment
from flashmm_instrumentation._ids import id_generator

README = Path(__file__).parents[3] / "instrumentation" / "README.md"
QUIET = {"logging_level": None, "instrument_asyncio": False, "system_metrics": False, "set_global": False}
SIGNALS = ("TRACES", "METRICS", "LOGS")
NOBODY = "http://127.0.0.1:9"
DELTA, CUMULATIVE = 1, 2


class Stage:
    """What the test of a row has at hand."""

    def __init__(self, peer: GrpcPeer, http: HttpPeer, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.peer, self.http, self.folder = peer, http, folder
        self._patch = patch

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, value)

    def run(self, **more: object) -> Received:
        """One bot's life: an event, a span, metrics; what the gRPC peer was sent."""
        with setup(**{"service_name": "maker-1", "account": "main", **QUIET, **more}) as bot:
            market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
            market.order("buy", "100.1", 1, "o-1").acked()
            with bot.tracer_provider.get_tracer("mine").start_as_current_span("mine", attributes={"long": "x" * 99}):
                bot.pnl("USDT", 1, 2)
        return self.peer.received


Row = Callable[[Stage], None]
ROWS: dict[str, Row] = {}


def row(variable: str) -> Callable[[Row], Row]:
    """The test of one row, by its first cell."""

    def registered(test: Row) -> Row:
        ROWS[variable] = test
        return test

    return registered


@pytest.fixture
def stage(grpc_peer: GrpcPeer, http_peer: HttpPeer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    """The environment points at the gRPC peer and says nothing else."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", grpc_peer.endpoint)
    return Stage(grpc_peer, http_peer, monkeypatch, tmp_path)


def test_every_row_is_tested() -> None:
    """The README lists these variables and no others."""
    assert re.findall(r"^\| `((?:OTEL|FLASHMM)_\S+)` \|", README.read_text(), re.MULTILINE) == list(ROWS)


@row("OTEL_SERVICE_NAME")
def service_name(stage: Stage) -> None:
    stage.set(OTEL_SERVICE_NAME="from-env")
    resource, _ = stage.run(service_name=None).logs()[0]
    assert resource["service.name"] == resource["flashmm.bot"] == "from-env"


@row("OTEL_RESOURCE_ATTRIBUTES")
def resource_attributes(stage: Stage) -> None:
    stage.set(OTEL_RESOURCE_ATTRIBUTES="flashmm.account=acc,flashmm.bot=b,service.instance.id=i-7,team=a")
    resource, _ = stage.run(account=None).logs()[0]
    names = ("flashmm.account", "flashmm.bot", "service.instance.id", "team")
    assert [resource[name] for name in names] == ["acc", "b", "i-7", "a"]


@row("OTEL_SDK_DISABLED")
def sdk_disabled(stage: Stage) -> None:
    stage.set(OTEL_SDK_DISABLED="true")
    assert stage.run().requests == []


@row("OTEL_TRACES_EXPORTER")
def traces_exporter(stage: Stage) -> None:
    stage.set(OTEL_TRACES_EXPORTER="none")
    received = stage.run()
    assert (received.spans(), bool(received.events()), bool(received.metrics())) == ([], True, True)


@row("OTEL_METRICS_EXPORTER")
def metrics_exporter(stage: Stage) -> None:
    stage.set(OTEL_METRICS_EXPORTER="none")
    received = stage.run()
    assert (bool(received.spans()), bool(received.events()), received.metrics()) == (True, True, {})


@row("OTEL_LOGS_EXPORTER")
def logs_exporter(stage: Stage) -> None:
    stage.set(OTEL_LOGS_EXPORTER="none")
    received = stage.run()
    assert (bool(received.spans()), received.logs(), bool(received.metrics())) == (True, [], True)


def all_three(received: Received) -> bool:
    return bool(received.spans() and received.events() and received.metrics())


@row("OTEL_EXPORTER_OTLP*_ENDPOINT")
def endpoint(stage: Stage) -> None:
    assert all_three(stage.run())
    stage.peer.received.requests.clear()
    stage.set(OTEL_EXPORTER_OTLP_ENDPOINT=NOBODY)
    stage.set(**{f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": stage.peer.endpoint for signal in SIGNALS})
    assert all_three(stage.run())


@row("OTEL_EXPORTER_OTLP*_PROTOCOL")
def protocol(stage: Stage) -> None:
    stage.set(OTEL_EXPORTER_OTLP_ENDPOINT=stage.http.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
    stage.run()
    assert all_three(stage.http.received)
    stage.http.received.requests.clear()
    stage.set(OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    stage.set(**{f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL": "http/protobuf" for signal in SIGNALS})
    stage.run()
    assert all_three(stage.http.received)


@row("OTEL_EXPORTER_OTLP*_HEADERS")
def headers(stage: Stage) -> None:
    stage.set(OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20t", OTEL_EXPORTER_OTLP_TRACES_HEADERS="x-team=a")
    told = [(each.get("authorization"), each.get("x-team")) for each in stage.run().headers]
    assert set(told) == {("Bearer t", None), (None, "a")}


@row("OTEL_EXPORTER_OTLP*_TIMEOUT")
def timeout(stage: Stage) -> None:
    stage.set(OTEL_EXPORTER_OTLP_TIMEOUT="3", OTEL_EXPORTER_OTLP_LOGS_TIMEOUT="4")
    found = exporters(Destination())
    assert [each._timeout for each in (found.traces, found.metrics, found.logs, found.events)] == [3, 3, 4, 4]


@row("OTEL_EXPORTER_OTLP*_COMPRESSION")
def compression(stage: Stage) -> None:
    stage.set(OTEL_EXPORTER_OTLP_ENDPOINT=stage.http.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
    stage.set(OTEL_EXPORTER_OTLP_COMPRESSION="gzip", OTEL_EXPORTER_OTLP_METRICS_COMPRESSION="none")
    stage.run()
    assert {each.get("Content-Encoding") for each in stage.http.received.headers} == {"gzip", None}


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, which is its own authority, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    subprocess.run(["openssl", "req", *kind, *name, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def secured(stage: Stage, *, clients: bool, within_s: float = 60.0) -> tuple[Received, bool]:
    """What a peer that speaks TLS was sent, and whether all of it left; clients: it asks for their certificate."""
    cert, key = self_signed(stage.folder)
    pair = (key.read_bytes(), cert.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], cert.read_bytes(), require_client_auth=clients)
    with otlp_peer.grpc_peer(credentials) as peer:
        stage.set(OTEL_EXPORTER_OTLP_ENDPOINT=peer.endpoint)
        with setup("maker-1", "main", **QUIET) as bot:
            bot.transfer("sim", "t-1", 1, "USDT")
            left = bot.flush(within_s)
            bot.close(0.1)
        return peer.received, left


@row("OTEL_EXPORTER_OTLP*_CERTIFICATE")
def certificate(stage: Stage) -> None:
    received, left = secured(stage, clients=False, within_s=3.0)
    assert (left, received.requests) == (False, [])
    stage.set(OTEL_EXPORTER_OTLP_CERTIFICATE=str(stage.folder / "cert.pem"))
    received, left = secured(stage, clients=False)
    assert left
    assert received.events("flashmm.transfer")


def client_certificate(stage: Stage) -> None:
    """With authority, certificate and key the peer takes it; without the pair it does not."""
    trusted = str(stage.folder / "cert.pem")
    stage.set(OTEL_EXPORTER_OTLP_CERTIFICATE=trusted)
    received, left = secured(stage, clients=True, within_s=3.0)
    assert (left, received.requests) == (False, [])
    stage.set(
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=trusted, OTEL_EXPORTER_OTLP_CLIENT_KEY=str(stage.folder / "key.pem")
    )
    received, left = secured(stage, clients=True)
    assert left
    assert received.events("flashmm.transfer")


row("OTEL_EXPORTER_OTLP*_CLIENT_CERTIFICATE")(client_certificate)
row("OTEL_EXPORTER_OTLP*_CLIENT_KEY")(client_certificate)


@row("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
def temporality(stage: Stage) -> None:
    assert stage.run().metrics()["flashmm.orders"].sum.aggregation_temporality == CUMULATIVE
    stage.set(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta")
    assert stage.run().metrics()["flashmm.orders"].sum.aggregation_temporality == DELTA


@row("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")
def histogram_aggregation(stage: Stage) -> None:
    assert stage.run().metrics()["flashmm.order.duration"].WhichOneof("data") == "exponential_histogram"
    stage.set(OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="explicit_bucket_histogram")
    assert stage.run().metrics()["flashmm.order.duration"].WhichOneof("data") == "histogram"


@row("OTEL_METRIC_EXPORT_INTERVAL")
def metric_interval(stage: Stage) -> None:
    stage.set(OTEL_METRIC_EXPORT_INTERVAL="20")
    with setup("maker-1", "main", **QUIET) as bot:
        bot.pnl("USDT", 1, 2)
        seen = stage.peer.received
        count = lambda: sum(type(each).__name__ == "ExportMetricsServiceRequest" for each in seen.requests)  # noqa: E731
        seen.wait(lambda: count() >= 70)  # by default, one a second, that would take longer than it waits


@row("OTEL_METRIC_EXPORT_TIMEOUT")
def metric_timeout(stage: Stage) -> None:
    stage.set(OTEL_METRIC_EXPORT_TIMEOUT="1234")
    with setup("maker-1", "main", **QUIET) as bot:
        assert [reader._timeout_ms for reader in bot._pipeline._readers] == [1234]


@row("OTEL_METRICS_EXEMPLAR_FILTER")
def exemplars(stage: Stage) -> None:
    stage.set(OTEL_METRICS_EXEMPLAR_FILTER="always_off")
    point = stage.run().metrics()["flashmm.order.duration"].exponential_histogram.data_points[0]
    assert len(point.exemplars) == 0


@row("OTEL_TRACES_SAMPLER")
def sampler(stage: Stage) -> None:
    stage.set(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0")
    received = stage.run()
    assert (received.spans(), len(received.events("flashmm.order"))) == ([], 2)
    assert "flashmm.order.duration" in received.metrics()


def limits_of(name: str, value: str, read: Callable[[Flow], object], expected: object) -> Row:
    def check(stage: Stage) -> None:
        stage.set(**{name: value})
        assert read(flow_from_environment()) == expected

    return check


for name, value, read, expected in (
    ("OTEL_BSP_MAX_QUEUE_SIZE", "77", lambda flow: (flow.spans.capacity, flow.logs.capacity), (77, 8_192)),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7", lambda flow: (flow.spans.batch, flow.logs.batch), (7, 512)),
    ("OTEL_BSP_SCHEDULE_DELAY", "50", lambda flow: (flow.spans.gather_s, flow.logs.gather_s), (0.05, 0.2)),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "77", lambda flow: (flow.events.capacity, flow.logs.capacity), (77, 77)),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7", lambda flow: (flow.events.batch, flow.logs.batch), (7, 7)),
    ("OTEL_BLRP_SCHEDULE_DELAY", "50", lambda flow: (flow.events.gather_s, flow.logs.gather_s), (0.05, 0.05)),
    (
        "FLASHMM_QUEUE_MAX_BYTES",
        "99",
        lambda flow: [each.bytes_max for each in (flow.events, flow.spans, flow.logs)],
        [99] * 3,
    ),
):
    row(name)(limits_of(name, value, read, expected))


@row("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
def value_length(stage: Stage) -> None:
    stage.set(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="5")
    received = stage.run()
    mine = next(span for span in received.spans() if span.name == "mine")
    assert attributes(mine.attributes)["long"] == "xxxxx"
    assert received.bodies("flashmm.instrument")[0]["symbol"] == "BTCUSDT"
    assert attributes(received.events()[0].attributes)["event.name"] == "flashmm.stream"


@row("OTEL_PYTHON_ID_GENERATOR")
def ids(stage: Stage) -> None:
    stage.set(OTEL_PYTHON_ID_GENERATOR="random")
    assert isinstance(id_generator(), RandomIdGenerator)


@row("OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS")
def excluded_metrics(stage: Stage) -> None:
    stage.set(OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS="system.*, cpython.*")
    names = set(stage.run(system_metrics=True).metrics())
    assert not any(name.startswith(("system.", "cpython.")) for name in names)
    assert "process.thread.count" in names
    assert "system.network.io" in SYSTEM_METRICS


@row("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED")
def internal_metrics(stage: Stage) -> None:
    assert "otel.sdk.span.started" not in stage.run().metrics()
    stage.set(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED="true")
    assert "otel.sdk.span.started" in stage.run().metrics()


@pytest.mark.parametrize("variable", ROWS)
def test_a_row_is_honoured(variable: str, stage: Stage) -> None:
    """What the README says of the variable is what the peer sees."""
    ROWS[variable](stage)
