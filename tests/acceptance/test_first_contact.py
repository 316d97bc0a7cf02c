"""First contact: a new user's commands, and a program that knows nothing of us."""

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import httpx
import pytest
from tests.product import BIN, Product, running_product

ROOT = Path(__file__).parents[2]
STOCK = """
import os, time
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), 100)])
meter = provider.get_meter("stock")
meter.create_counter("tea.cups", unit="{cup}").add(3, {"kind": "green"})
meter.create_histogram("tea.time", unit="s").record(0.25)
provider.shutdown()
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory):
    """The product with nothing in it."""
    with running_product(tmp_path_factory.mktemp("data")) as running:
        yield running


def run(product: Product, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the command line, against this product."""
    environment = os.environ | {
        "FLASHMM_URL": product.http,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{product.otlp_http}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    return subprocess.run([BIN / "flashmm", *words], env=environment, capture_output=True, text=True, timeout=180)


def test_a_stock_sdk_shows_up_in_promql(product: Product) -> None:
    """Names and labels as Prometheus would have them."""
    environment = os.environ | {
        "OTEL_SERVICE_NAME": "tea",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{product.otlp_grpc}",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
    }
    subprocess.run([sys.executable, "-c", STOCK], env=environment, check=True, timeout=180)
    answer = httpx.get(
        f"{product.http}/api/v1/query", params={"query": 'tea_cups_total{job="tea"}'}, timeout=30
    ).json()
    assert answer["data"]["result"][0]["value"][1] == "3"
    assert answer["data"]["result"][0]["metric"]["kind"] == "green"
    infinite = {"query": 'tea_time_seconds_bucket{le="+Inf"}'}
    answer = httpx.get(f"{product.http}/api/v1/query", params=infinite, timeout=30).json()
    assert answer["data"]["result"][0]["value"][1] == "1"


def test_the_tutorials_bot_runs_and_is_seen(product: Product) -> None:
    """The program in the tutorial is a whole program, and its figures arrive."""
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(), re.DOTALL)
    environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{product.otlp_grpc}"}
    subprocess.run([sys.executable, "-c", source], env=environment, check=True, timeout=180)
    answer = run(product, "query", 'flashmm_fills_total{job="flashmm/first-bot"}', "--json")
    result = json.loads(answer.stdout)["data"]["result"]
    assert sum(float(series["value"][1]) for series in result) == 200
    for part, earned in (("realized", 0.630), ("unrealized", 0.0196), ("fees", 6.0)):
        told = run(product, "query", f'flashmm_pnl_{part}{{job="flashmm/first-bot"}}', "--json").stdout
        assert float(json.loads(told)["data"]["result"][0]["value"][1]) == pytest.approx(earned, rel=0.01)
    spread = run(product, "query", 'flashmm_quote_spread_ratio{job="flashmm/first-bot"}', "--last", "5m")
    assert spread.returncode == 0
    assert "flashmm_quote_spread_ratio" in spread.stdout


def test_a_misspelt_metric_is_told_with_the_one_that_was_meant(product: Product) -> None:
    """On standard error, alone and within an expression; a name that is like none says only that there is nothing."""
    for asked in ("flashmm_fils_total", 'sum(rate(flashmm_fils_total{flashmm_side="buy"}[1m])) by (flashmm_bot)'):
        answer = run(product, "query", asked)
        assert (answer.returncode, answer.stdout) == (0, "")
        assert answer.stderr == "flashmm: no series; did you mean flashmm_fills_total?\n"
    assert "nothing with that name" in run(product, "query", "teapot").stderr


def test_every_example_of_the_apis_page_answers(product: Product) -> None:
    """With 200; and each of Prometheus's addresses that it describes is served."""
    with httpx.Client(base_url=product.http, timeout=30) as http:
        examples = [unescape(link) for link in re.findall(r'<a href="([^"]+)">', http.get("/docs").text)]
        paths = [path.format(name="job") for path in http.get("/openapi.json").json()["paths"] if "/api/v1/" in path]
        assert len(examples) > 12
        assert {example: http.get(example).status_code for example in examples} == dict.fromkeys(examples, 200)
        assert len(paths) > 8
        assert 404 not in {http.get(path).status_code for path in paths}


def test_status_shows_every_component(product: Product) -> None:
    """As a table and as JSON."""
    assert re.search(r"receiver +ok", run(product, "status").stdout)
    assert json.loads(run(product, "status", "--json").stdout)["ready"] is True


def test_doctor_finds_the_path_whole(product: Product) -> None:
    """Server, emit, and each kind of record found again."""
    findings = json.loads(run(product, "doctor", "--json").stdout)
    assert [(each["step"], each["ok"]) for each in findings] == [
        (step, True) for step in ("server", "emit", "query", "ledger", "traces")
    ]


@pytest.mark.parametrize(
    ("words", "step"),
    [
        (("doctor", "--url", "http://127.0.0.1:1"), "server"),
        (("doctor", "--otlp", "http://127.0.0.1:1"), "emit"),
    ],
)
def test_doctor_says_where_the_path_breaks(product: Product, words: tuple[str, ...], step: str) -> None:
    """The step, the address that was tried, and what to do; exit code 1."""
    answer = run(product, *words)
    assert answer.returncode == 1
    assert re.search(rf"FAIL  {step}: http://127\.0\.0\.1:1.*\n +→ \w", answer.stdout)


def test_a_refused_query_says_why(product: Product) -> None:
    """Prometheus's own error, exit code 1."""
    answer = run(product, "query", "rate(x)")
    assert answer.returncode == 1
    assert "bad_data" in answer.stderr


def test_a_query_without_a_server_says_what_to_do() -> None:
    """No traceback."""
    answer = subprocess.run(
        [BIN / "flashmm", "query", "up", "--url", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=180
    )
    assert answer.returncode == 2
    assert "flashmm up" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_ledger_is_readable_by_its_owner_alone(product: Product) -> None:
    """It holds orders, positions, P&L."""
    files = [path for path in product.data_dir.rglob("*") if path.is_file()]
    assert files
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_a_second_program_on_the_same_folder_is_told_so(product: Product) -> None:
    """One process owns the ledger; the other names it and ends."""
    environment = os.environ | {"FLASHMM_DATA_DIR": str(product.data_dir), "FLASHMM_HTTP__PORT": "0"}
    answer = subprocess.run([BIN / "flashmm", "up"], env=environment, capture_output=True, text=True, timeout=180)
    assert answer.returncode == 2
    assert str(product.process.pid) in answer.stderr


def test_a_port_in_use_is_named(product: Product, tmp_path: Path) -> None:
    """The address, and how to choose another."""
    port = product.http.rpartition(":")[2]
    environment = os.environ | {"FLASHMM_DATA_DIR": str(tmp_path)}
    words = [BIN / "flashmm", "up", "--port", port]
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=180)
    assert answer.returncode == 2
    assert f"127.0.0.1:{port}" in answer.stderr
    assert "--port" in answer.stderr


def test_a_wrong_setting_is_named_with_its_variable(tmp_path: Path) -> None:
    """The setting, the variable, what is wrong."""
    environment = os.environ | {"FLASHMM_HTTP__PORT": "eighty", "FLASHMM_DATA_DIR": str(tmp_path)}
    answer = subprocess.run([BIN / "flashmm", "up"], env=environment, capture_output=True, text=True, timeout=180)
    assert answer.returncode == 2
    assert "FLASHMM_HTTP__PORT" in answer.stderr


def test_an_open_address_needs_a_token(tmp_path: Path) -> None:
    """Nothing listens beyond loopback without access control."""
    environment = os.environ | {"FLASHMM_HTTP__HOST": "0.0.0.0", "FLASHMM_DATA_DIR": str(tmp_path)}
    answer = subprocess.run([BIN / "flashmm", "up"], env=environment, capture_output=True, text=True, timeout=180)
    assert answer.returncode == 2
    assert "FLASHMM_HTTP__TOKEN" in answer.stderr
