"""`flashmm up` with the configuration that the first start writes, behind the Collector: compose's own pair."""

import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tests.integration.stack.queries import eventually, get
from tests.integration.stack.telemetry import gauge, metrics, sender
from tests.parts import Server, free_ports, running_collector
from tests.parts._catalogue import REPOSITORY

pytestmark = pytest.mark.real


def _flashmm(folder: Path) -> Server:
    """The image's command, with the first start's configuration on free ports."""
    secrets = folder / "secrets"
    secrets.mkdir()
    subprocess.run([sys.executable, REPOSITORY / "deploy/flashmm/first_start.py", secrets], check=True, timeout=60)
    ports = free_ports("http", "otlp_grpc", "otlp_http")
    base_url = f"http://127.0.0.1:{ports['http']}"
    return Server(
        name="flashmm",
        command=[Path(sys.executable).with_name("flashmm"), "up"],
        base_url=base_url,
        ready_url=f"{base_url}/readyz",
        log=folder / "flashmm.log",
        ports=ports,
        environment={
            "FLASHMM_CONFIG": str(secrets / "flashmm.toml"),
            "FLASHMM_DATA_DIR": str(folder / "data"),
            "FLASHMM_HTTP__PORT": str(ports["http"]),
            "FLASHMM_RECEIVER__GRPC_BIND": f"0.0.0.0:{ports['otlp_grpc']}",
            "FLASHMM_RECEIVER__HTTP_BIND": f"0.0.0.0:{ports['otlp_http']}",
        },
    )


def _status(url: str, **headers: str) -> int:
    try:
        with urlopen(Request(url, headers=headers), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def test_a_point_gets_through_both(tmp_path: Path) -> None:
    """Collector and flashmm share the token that the first start made; what a bot sends is answered by the API."""
    with _flashmm(tmp_path) as flashmm:
        token = (tmp_path / "secrets" / "api-token").read_text()
        environment = {
            "FLASHMM_OTLP_URL": f"http://127.0.0.1:{flashmm.ports['otlp_http']}",
            "FLASHMM_OTLP_TOKEN_FILE": str(tmp_path / "secrets" / "otlp-token"),
        }
        with running_collector(tmp_path, environment=environment) as collector, sender(collector) as bot:
            bot.send(metrics(gauge("flashmm.pnl.realized", 42, unit="")))
            query = f"{flashmm.base_url}/api/v1/query"
            authorization = {"Authorization": f"Bearer {token}"}
            found = eventually(lambda: get(query, authorization, query="flashmm_pnl_realized")["data"]["result"])
    assert found[0]["value"][1] == "42"


def test_the_door_is_shut_without_the_token(tmp_path: Path) -> None:
    """Metrics are for Prometheus, which calls it flashmm and has the token; probes are for anyone inside."""
    with _flashmm(tmp_path) as flashmm:
        token = (tmp_path / "secrets" / "api-token").read_text()
        url = f"{flashmm.base_url}/metrics"
        assert _status(url) == 401
        assert _status(url, Host="flashmm:8080", Authorization=f"Bearer {token}") == 200
        assert _status(url, Host="elsewhere.example", Authorization=f"Bearer {token}") == 421
        assert _status(f"{flashmm.base_url}/readyz") == 200
