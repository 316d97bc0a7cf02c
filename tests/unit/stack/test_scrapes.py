"""Who watches the stack's servers: every one of them is a target, under a name that it answers to."""

import re
import subprocess
from typing import Any

import pytest
import yaml
from tests.parts import require
from tests.parts._catalogue import REPOSITORY
from tests.parts._prometheus import PROMETHEUS_CONFIG, PROMETHEUS_SCALE_CONFIG

from flashmm_receiver.hosts import KnownHosts

_SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
_SCALE = dict(
    line.split("=", 1)
    for line in (REPOSITORY / "deploy/scale/compose.env").read_text().splitlines()
    if not line.startswith("#")
)
_SAYS_NOTHING = {"secrets", "otel-collector-ready", "grafana-boards", "demo", "kafka", "storage"}
"""Those that end, the bot, and two that have no metrics for Prometheus."""


def _targets(config: dict[str, Any], job: str) -> list[str]:
    """The addresses that a job finds in its files."""
    (found,) = [each for each in config["scrape_configs"] if each["job_name"] == job]
    files = [name for source in found["file_sd_configs"] for name in source["files"]]
    lists = [yaml.safe_load((PROMETHEUS_CONFIG.parent / name).read_text()) for name in files]
    return [target for targets in lists for each in targets for target in each["targets"]]


def _config(scale: bool) -> dict[str, Any]:
    return yaml.safe_load((PROMETHEUS_SCALE_CONFIG if scale else PROMETHEUS_CONFIG).read_text())


def _service(address: str) -> str:
    """A target's service: a container of several is `flashmm-<service>-<number>`."""
    host = address.split(":")[0].replace("localhost", "prometheus")
    return re.sub(r"^flashmm-([a-z]+)-\d$", r"\1", host)


@pytest.mark.parametrize("scale", [False, True])
def test_every_server_is_scraped(scale: bool) -> None:
    """Alone and in the profile `scale`: nothing is left out, nothing is called that isn't there."""
    config = _config(scale)
    called = {_service(address) for job in ("stack", "flashmm") for address in _targets(config, job)}
    left_out = set() if scale else {name for name, each in _SERVICES.items() if "scale" in each.get("profiles", ())}
    assert called == set(_SERVICES) - _SAYS_NOTHING - left_out


def test_flashmm_answers_to_the_name_of_each_target() -> None:
    """A server refuses a Host that it doesn't know."""
    for address in _targets(_config(scale=True), "flashmm"):
        allowed = _SERVICES[_service(address)]["environment"].get("FLASHMM_HTTP__ALLOWED_HOSTS", "flashmm")
        assert KnownHosts(allowed.split(",")).knows(address), address


def test_each_stream_server_is_a_target() -> None:
    """As many as compose starts."""
    streams = [each for each in _targets(_config(scale=True), "flashmm") if _service(each) == "stream"]
    assert len(streams) == _SERVICES["stream"]["scale"]


def test_scale_watches_as_the_stack_alone_does() -> None:
    """Its file is the other one, but that it takes no bots' metrics and writes to Mimir what it sees."""
    alone, scale = _config(scale=False), _config(scale=True)
    for part in ("global", "rule_files", "alerting"):
        assert scale[part] == alone[part]
    (write,) = scale["remote_write"]
    mimir = yaml.safe_load((REPOSITORY / "deploy/mimir/mimir.yaml").read_text())
    assert write == {"url": f"http://mimir:{mimir['server']['http_listen_port']}/api/v1/push"}
    assert not mimir["multitenancy_enabled"]


@pytest.mark.real
def test_the_file_of_scale_is_valid() -> None:
    """promtool accepts it."""
    command = [require("promtool"), "check", "config", "--syntax-only", PROMETHEUS_SCALE_CONFIG]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everybody_reads_the_one_store() -> None:
    """compose.env chooses that file, and Grafana, ledgers and stream servers ask the Mimir that it writes to."""
    assert (
        f"--config.file=/etc/prometheus/${{PROMETHEUS_CONFIG:-{PROMETHEUS_CONFIG.stem}}}.yml"
        in (_SERVICES["prometheus"]["command"])
    )
    assert _SCALE["PROMETHEUS_CONFIG"] == PROMETHEUS_SCALE_CONFIG.stem
    assert _SERVICES["grafana"]["environment"]["METRICS_URL"] == "${METRICS_URL:-http://prometheus:9090}"
    stores = yaml.safe_load((REPOSITORY / "deploy/grafana/provisioning/datasources/stores.yaml").read_text())
    assert [each["url"] for each in stores["datasources"] if each["uid"] == "prometheus"] == ["${METRICS_URL}"]
    assert _SERVICES["stream"]["environment"]["FLASHMM_METRICS__URL"] == _SCALE["METRICS_URL"]
