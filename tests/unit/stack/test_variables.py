"""Every variable that compose sets is one that somebody reads."""

import re
from typing import Any

import pytest
import yaml
from tests.parts._catalogue import REPOSITORY

_SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
_COLLECTOR = r"\$\{env:(\w+)", ("otel-collector.yaml", "collector-config/*.yaml", "deploy/collector/*.yaml")
_EXPANDED = r"\$\{(\w+)(?::-[^}]*)?\}"
_READ_BY = {
    "demo": (r"`(OTEL_\w+)(?:\*(\w+))?`", ("instrumentation/README.md",)),
    "gateway-0": _COLLECTOR,
    "gateway-1": _COLLECTOR,
    "grafana": (_EXPANDED, ("deploy/grafana/provisioning/**/*.yaml",)),
    "loki": (_EXPANDED, ("deploy/loki/loki.yaml",)),
    "otel-collector": _COLLECTOR,
    "secrets": (r'environ.get\("(\w+)"', ("deploy/flashmm/first_start.py",)),
    "tempo": (_EXPANDED, ("deploy/tempo/tempo.yaml",)),
}
"""How a variable is written, and in which files that its service has."""
_OF_THE_PROGRAM = {"grafana": "GF_", "kafka": "KAFKA_", "mimir": "AWS_SHARED_CREDENTIALS_FILE"}
"""What the image's own program takes; no file here says which."""
_SETTINGS = {"flashmm", "flashmm-1", "stream"}
"""Those with FLASHMM_*, which the settings judge: test_compose.py."""


def _own(name: str) -> set[str]:
    """A service's variables, but for those of its image's program."""
    program = _OF_THE_PROGRAM.get(name)
    return {each for each in _SERVICES[name].get("environment", {}) if not program or not each.startswith(program)}


@pytest.mark.parametrize("name", sorted(set(_SERVICES) - _SETTINGS))
def test_every_variable_is_read(name: str) -> None:
    """By the configuration, script or program that its service runs, under this very name."""
    if own := _own(name):
        pattern, files = _READ_BY[name]
        texts = [path.read_text() for each in files for path in REPOSITORY.glob(each)]
        assert texts
        assert own <= {"".join(found.groups("")) for text in texts for found in re.finditer(pattern, text)}


def test_what_a_gateway_must_be_told_is_set() -> None:
    """Whatever its files read without a default."""
    for name in ("gateway-0", "gateway-1"):
        files = re.findall(r"/etc/otelcol/(\S+\.yaml)", " ".join(_SERVICES[name]["command"]))
        paths = [REPOSITORY / each.replace("deploy/", "deploy/collector/") for each in files]
        required = {each for path in paths for each in re.findall(r"\$\{env:(\w+)\}", path.read_text())}
        assert required
        assert required <= set(_SERVICES[name]["environment"])
