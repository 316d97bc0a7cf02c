"""Real Prometheus with deploy/prometheus/prometheus.yml: the rules that the embedded engine follows."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.parts import Server, require, running_prometheus
from tests.parts._prometheus import PROMETHEUS_CONFIG

pytestmark = pytest.mark.real

_RESOURCE = {
    "service.name": "maker-1",
    "service.namespace": "flashmm",
    "service.instance.id": "a1",
    "service.version": "2.0",
    "deployment.environment.name": "paper",
    "flashmm.bot": "maker-1",
    "flashmm.account": "main",
    "flashmm.run": "0190",
}


def _attributes(values: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values.items()]


def _gauge(name: str, unit: str, value: float, at_ns: int) -> ExportMetricsServiceRequest:
    metric = Metric(name=name, unit=unit)
    point = metric.gauge.data_points.add(time_unix_nano=at_ns, as_double=value)
    point.attributes.extend(_attributes({"flashmm.symbol": "BTCUSDT"}))
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(_attributes(_RESOURCE))
    resource.scope_metrics.add().metrics.append(metric)
    return request


def _push(server: Server, request: ExportMetricsServiceRequest) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    url = f"{server.base_url}/api/v1/otlp/v1/metrics"
    with urlopen(Request(url, request.SerializeToString(), headers), timeout=10) as response:
        assert response.status == 200


def _query(server: Server, promql: str, at: float) -> list[dict[str, Any]]:
    parameters = urlencode({"query": promql, "time": at})
    with urlopen(f"{server.base_url}/api/v1/query?{parameters}", timeout=10) as response:
        return json.load(response)["data"]["result"]


def test_otlp_names_and_labels(tmp_path: Path) -> None:
    """Names gain their units, job and instance come from the resource, only the listed attributes are promoted."""
    now = time.time_ns()
    with running_prometheus(tmp_path) as server:
        _push(server, _gauge("flashmm.quote.spread", "1", 0.5, now))
        (series,) = _query(server, "flashmm_quote_spread_ratio", now / 1e9)
        (target,) = _query(server, "target_info", now / 1e9)
    assert series["metric"] == {
        "__name__": "flashmm_quote_spread_ratio",
        "job": "flashmm/maker-1",
        "instance": "a1",
        "service_version": "2.0",
        "deployment_environment_name": "paper",
        "flashmm_bot": "maker-1",
        "flashmm_account": "main",
        "flashmm_symbol": "BTCUSDT",
    }
    assert target["metric"]["flashmm_run"] == "0190"


def test_late_points_are_taken_for_half_an_hour(tmp_path: Path) -> None:
    """What arrives 20 minutes late, after newer points, is stored and found."""
    now = time.time_ns()
    late = now - 20 * 60 * 10**9
    with running_prometheus(tmp_path) as server:
        _push(server, _gauge("flashmm.pnl.realized", "", 2.0, now))
        _push(server, _gauge("flashmm.pnl.realized", "", 1.0, late))
        (series,) = _query(server, "flashmm_pnl_realized", late / 1e9)
    assert series["value"][1] == "1"


def test_the_deployed_file_is_valid() -> None:
    """promtool accepts the deployed configuration and the target files beside it."""
    command = [require("promtool"), "check", "config", "--syntax-only", PROMETHEUS_CONFIG]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_retention_is_thirty_days(tmp_path: Path) -> None:
    """The running server keeps data for as long as the file says."""
    with running_prometheus(tmp_path) as server:
        answer = urlopen(f"{server.base_url}/api/v1/status/runtimeinfo", timeout=10).read()
    assert json.loads(answer)["data"]["storageRetention"] == "30d"
