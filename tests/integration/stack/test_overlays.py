"""Every file in collector-config/ over the base: valid, and does what its comment says."""

import base64
import secrets
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import yaml
from tests.integration.stack.queries import eventually
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
from tests.parts import NotReady, require, running_collector
from tests.parts._collector import COLLECTOR_CONFIG, OVERLAYS, collector_environment, config_flags
from tests.parts.sink import Sink, running_sink

pytestmark = pytest.mark.real

_NEEDS = {
    "otlp-backend": {"OTLP_BACKEND_ENDPOINT": "https://otlp.example.com"},
    "grafana-cloud": {
        "GRAFANA_CLOUD_OTLP_ENDPOINT": "https://otlp.example.com/otlp",
        "GRAFANA_CLOUD_INSTANCE_ID": "123456",
        "GRAFANA_CLOUD_TOKEN": "glc_x",
    },
    "tls-auth": {},
    "tail-sampling": {},
    "kafka-agent": {"KAFKA_BROKERS": "[kafka-1:9092, kafka-2:9092]"},
    "kafka-gateway": {"KAFKA_BROKERS": "[kafka-1:9092, kafka-2:9092]"},
    "influxdb": {
        "INFLUXDB_URL": "http://influx.example.com:8086",
        "INFLUXDB_ORG": "team",
        "INFLUXDB_BUCKET": "flashmm",
        "INFLUXDB_TOKEN": "x",
    },
}
_INFLUXDB_KEYS = {
    "endpoint", "timeout", "headers", "org", "bucket", "token", "metrics_schema", "span_dimensions",
    "log_record_dimensions", "payload_max_lines", "payload_max_bytes", "precision",
    "sending_queue", "retry_on_failure",
}  # fmt: skip


def _overlay(name: str) -> dict[str, Any]:
    return yaml.safe_load((OVERLAYS / f"{name}.yaml").read_text())


def _validate(folder: Path, *overlays: Path | str, environment: dict[str, str]) -> str:
    """What the Collector complains of, nothing if the configuration is right."""
    (folder / "queues" / "compaction").mkdir(parents=True)
    ports = {"grpc": 1, "http": 2, "health": 3, "metrics": 4}
    settings = {**collector_environment(folder, ports), **environment, "PATH": "/usr/bin:/bin"}
    command = [require("otelcol"), "validate", *config_flags(*overlays)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else done.stderr


def test_every_overlay_is_tried_here() -> None:
    """A new file in collector-config/ can't be left out of these tests."""
    assert {path.stem for path in OVERLAYS.glob("*.yaml")} == {*_NEEDS, "builder"}


def test_the_base_is_valid_alone(tmp_path: Path) -> None:
    """otelcol accepts otel-collector.yaml."""
    assert _validate(tmp_path, environment={}) == ""


def test_the_base_over_itself_is_valid(tmp_path: Path) -> None:
    """What compose starts where no overlay is chosen."""
    assert _validate(tmp_path, COLLECTOR_CONFIG, environment={}) == ""


@pytest.mark.parametrize("name", [name for name in _NEEDS if name != "influxdb"])
def test_an_overlay_is_valid_over_the_base(tmp_path: Path, name: str) -> None:
    """otelcol accepts the base with the overlay, given what the overlay's comment asks for."""
    assert _validate(tmp_path, name, environment=_NEEDS[name]) == ""


def test_a_missing_endpoint_is_named(tmp_path: Path) -> None:
    """Without what it needs the Collector doesn't start, and its words name the variable."""
    with pytest.raises(NotReady, match="OTLP_BACKEND_ENDPOINT"), running_collector(tmp_path, "otlp-backend"):
        pass


def test_without_brokers_nothing_is_acknowledged(tmp_path: Path) -> None:
    """A first tier that was not told its Kafka says which variable, and leaves the bot its data."""
    with running_collector(tmp_path, "kafka-agent") as collector, sender(collector) as bot:
        assert bot.try_once(logs(event("flashmm.fill", 1)), seconds=20) is not grpc.StatusCode.OK
        eventually(lambda: "KAFKA_BROKERS" in collector.log.read_text())


def test_every_overlay_says_when_to_use_it() -> None:
    """The first words of each file are the reader's case, with the command that starts it."""
    for name in _NEEDS:
        text = (OVERLAYS / f"{name}.yaml").read_text()
        assert text.startswith(("# Use this", "# The second tier"))
        assert f"--config collector-config/{name}.yaml" in text
        assert all(variable in text for variable in _NEEDS[name])


def test_the_manifest_has_every_component_that_is_used() -> None:
    """collector-config/builder.yaml builds a Collector for the base and each overlay, but for InfluxDB."""
    command = [require("otelcol"), "components"]
    listed = yaml.safe_load(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    for path in [COLLECTOR_CONFIG, *(OVERLAYS / f"{name}.yaml" for name in _NEEDS if name != "influxdb")]:
        config = yaml.safe_load(path.read_text())
        for group in ("receivers", "processors", "exporters", "connectors", "extensions"):
            known = {each["name"] for each in listed[group]}
            aliases = {alias for each in listed[group] for alias in each.get("deprecated_alias", [])}
            used = {name.split("/")[0] for name in config.get(group, {})}
            assert used <= known | aliases, path


@contextmanager
def _vendor_and_ledger(
    folder: Path, overlay: str, environment: dict[str, str]
) -> Generator[tuple[Sender, Sink, Sink]]:
    with running_sink() as ledger, running_sink() as vendor:
        settings = {key: value.replace("VENDOR", vendor.http_url) for key, value in environment.items()}
        settings["FLASHMM_OTLP_URL"] = ledger.http_url
        with running_collector(folder, overlay, environment=settings) as collector, sender(collector) as bot:
            yield bot, vendor, ledger


@pytest.mark.parametrize(
    ("overlay", "environment", "authorization"),
    [
        (
            "otlp-backend",
            {"OTLP_BACKEND_ENDPOINT": "VENDOR", "OTLP_BACKEND_HEADERS": "{authorization: Bearer its-key}"},
            "Bearer its-key",
        ),
        (
            "grafana-cloud",
            {
                "GRAFANA_CLOUD_OTLP_ENDPOINT": "VENDOR/otlp",
                "GRAFANA_CLOUD_INSTANCE_ID": "123456",
                "GRAFANA_CLOUD_TOKEN": "glc_x",
            },
            f"Basic {base64.b64encode(b'123456:glc_x').decode()}",
        ),
    ],
)
def test_a_vendor_gets_all_signals_with_its_credentials(
    tmp_path: Path, overlay: str, environment: dict[str, str], authorization: str
) -> None:
    """Metrics, traces and logs go to the vendor, authorised; metrics and traces to flashmm as before."""
    with _vendor_and_ledger(tmp_path, overlay, environment) as (bot, vendor, ledger):
        bot.send(metrics(gauge("flashmm.quote.spread", 0.1)))
        bot.send(traces(span("order", secrets.token_bytes(16))))
        bot.send(logs(line("connected")))
        vendor.wait_for(lambda: any(vendor.metric_list()) and any(vendor.spans()) and any(vendor.log_records()))
        ledger.wait_for(lambda: any(ledger.metric_list()) and any(ledger.spans()))
    assert vendor.authorizations == {authorization}


def test_tail_sampling_keeps_what_matters(tmp_path: Path) -> None:
    """Of many placements Tempo gets the slow, the failed and the rejected; flashmm gets all; metrics count all."""
    slow, failed, rejected = (secrets.token_bytes(16) for _ in range(3))
    ordinary = [span("order", secrets.token_bytes(16)) for _ in range(20)]
    kept = [
        span("order", slow, milliseconds=80),
        span("order", failed, failed=True),
        span("order", rejected, outcome="rejected"),
    ]
    with running_sink() as tempo, running_sink() as flashmm, running_sink() as prometheus:
        environment = {
            "TEMPO_OTLP_ENDPOINT": tempo.address,
            "FLASHMM_OTLP_URL": flashmm.http_url,
            "PROMETHEUS_URL": f"{prometheus.http_url}/prometheus",
            "TAIL_SAMPLING_PERCENT": "0",
            "TAIL_SAMPLING_WAIT": "1s",
        }
        with running_collector(tmp_path, "tail-sampling", environment=environment) as collector:
            with sender(collector) as bot:
                bot.send(traces(*ordinary, *kept))
            tempo.wait_for(lambda: len(list(tempo.spans())) >= 3)
            flashmm.wait_for(lambda: len(list(flashmm.spans())) >= 23)
            prometheus.wait_for(lambda: _calls(prometheus) >= 23)
    assert {each.trace_id for each in tempo.spans()} == {slow, failed, rejected}
    assert _calls(prometheus) == 23


def _calls(prometheus: Sink) -> int:
    """How many spans the newest span metrics count."""
    newest = {
        tuple(sorted((pair.key, pair.value.string_value) for pair in point.attributes)): point.as_int
        for metric in prometheus.metric_list()
        if metric.name == "flashmm.span.calls"
        for point in metric.sum.data_points
    }
    return sum(newest.values())


def _with_stand_in(folder: Path, stand_in: dict[str, Any]) -> Path:
    """influxdb.yaml with another exporter under a name that our build knows, the rest untouched."""
    overlay = _overlay("influxdb")
    del overlay["exporters"]["influxdb"]
    overlay["exporters"]["otlp_http/influxdb"] = stand_in
    overlay["service"]["pipelines"]["metrics/influxdb"]["exporters"] = ["otlp_http/influxdb"]
    path = folder / "influxdb.yaml"
    path.write_text(yaml.safe_dump(overlay))
    return path


def test_influxdb_is_set_up_with_the_exporters_own_settings() -> None:
    """The exporter's settings are those that its documentation lists; credentials come from the environment."""
    settings = cast("dict[str, Any]", _overlay("influxdb")["exporters"]["influxdb"])
    assert set(settings) <= _INFLUXDB_KEYS
    assert {settings[key] for key in ("endpoint", "org", "bucket", "token")} == {
        f"${{env:{variable}}}" for variable in _NEEDS["influxdb"]
    }


def test_influxdb_gets_histograms_in_fixed_buckets(tmp_path: Path) -> None:
    """The pipeline to InfluxDB, with an OTLP exporter in its place: exponential histograms become fixed ones."""
    with running_sink() as influxdb:
        queue = _overlay("influxdb")["exporters"]["influxdb"]["sending_queue"]
        overlay = _with_stand_in(tmp_path, {"endpoint": influxdb.http_url, "sending_queue": queue})
        with running_collector(tmp_path, overlay) as collector, sender(collector) as bot:
            bot.send(metrics(exponential("flashmm.order.duration", [2, 1]), gauge("flashmm.quote.spread", 0.1)))
            influxdb.wait_for(lambda: len(list(influxdb.metric_list())) >= 2)
    histogram, spread = influxdb.metric_list()
    (point,) = histogram.histogram.data_points
    assert point.count == 3
    assert sum(point.bucket_counts) == 3
    assert max(point.explicit_bounds) == 10.0
    assert spread.gauge.data_points[0].as_double == 0.1


def test_influxdb_can_take_the_place_of_prometheus(tmp_path: Path) -> None:
    """The inline setting that the overlay's comment gives is valid and leaves Prometheus out."""
    text = (OVERLAYS / "influxdb.yaml").read_text()
    inline = text.split('--config "')[1].split('"')[0]
    overlay = _with_stand_in(tmp_path, {"endpoint": "http://127.0.0.1:9"})
    command = [require("otelcol"), "print-config", *config_flags(overlay), f"--config={inline}"]
    environment = collector_environment(tmp_path, {"grpc": 1, "http": 2, "health": 3, "metrics": 4})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    merged = yaml.safe_load(done.stdout)
    assert merged["service"]["pipelines"]["metrics"]["exporters"] == ["otlp_http/flashmm"]
