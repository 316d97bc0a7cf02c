"""What docker-compose.yml calls its servers with, against the real programs of the same releases."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from tests.parts import find, require, running_loki, running_tempo
from tests.parts._catalogue import REPOSITORY

pytestmark = pytest.mark.real

_COMPOSE = cast("dict[str, Any]", yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text()))
_SERVICES = cast("dict[str, dict[str, Any]]", _COMPOSE["services"])
_PROGRAMS = {
    "alertmanager": ["alertmanager", "--help"],
    "gateway-0": ["otelcol", "--help"],
    "gateway-1": ["otelcol", "--help"],
    "loki": ["loki", "-help"],
    "otel-collector": ["otelcol", "--help"],
    "prometheus": ["prometheus", "--help"],
    "storage": ["versitygw", "--help"],
    "tempo": ["tempo", "-help"],
}
_NO_PROGRAM_HERE = {"grafana", "kafka", "mimir"}

no_tempo = pytest.mark.skipif(find("tempo") is None, reason="no tempo: put a release's `tempo` on PATH")


def _flags(words: list[str]) -> set[str]:
    """The names of the options among a command line's words."""
    return {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}


def _known(*command: str) -> set[str]:
    """Every option that a program's help names."""
    program, *arguments = command
    done = subprocess.run([require(program), *arguments], capture_output=True, text=True, timeout=60)
    named = re.findall(r"^\s+(?:-\w, )?(--?[a-z][\w.-]*|--\[no-\][\w.-]+)", done.stdout + done.stderr, re.MULTILINE)
    return {name.replace("[no-]", "") for name in named}


def _health(service: str) -> list[str]:
    """A health check's arguments, where it calls the service's own program."""
    test = cast("list[str]", _SERVICES[service]["healthcheck"]["test"])
    assert Path(test[1]).name == service
    return test[2:]


def test_every_image_of_others_has_its_program_here() -> None:
    """Those that cannot be had as programs apart."""
    others = {name for name, each in _SERVICES.items() if not each["image"].startswith("flashmm:")}
    assert others == set(_PROGRAMS) | _NO_PROGRAM_HERE


@pytest.mark.parametrize(
    "service", [pytest.param(name, marks=no_tempo) if name == "tempo" else name for name in sorted(_PROGRAMS)]
)
def test_a_program_knows_every_option_of_its_command_line(service: str) -> None:
    """By its own help."""
    for command, words in _calls(service):
        assert _flags(words)
        assert _flags(words) <= _known(*command)


def _calls(service: str) -> list[tuple[list[str], list[str]]]:
    """How to ask for help, and the words that it must explain: for each part of a command line."""
    if service != "storage":
        return [(_PROGRAMS[service], _SERVICES[service]["command"])]
    words = shlex.split(_SERVICES[service]["entrypoint"][2].splitlines()[-1])
    split = words.index("posix")
    return [(_PROGRAMS[service], words[:split]), (["versitygw", "posix", "--help"], words[split:])]


def _says(program: str, *arguments: str) -> int:
    return subprocess.run([require(program), *arguments], capture_output=True, check=False, timeout=60).returncode


def test_lokis_health_check_tells_up_from_down(tmp_path: Path) -> None:
    """Its image has no shell: the program asks itself."""
    with running_loki(tmp_path) as server:
        where = f"-health.url={server.base_url}/ready"
        assert _says("loki", *_health("loki"), where) == 0
        server.kill()
        assert _says("loki", *_health("loki"), where) == 1


@no_tempo
def test_tempos_health_check_tells_up_from_down(tmp_path: Path) -> None:
    """The same of Tempo."""
    with running_tempo(tmp_path) as server:
        where = f"-health.url={server.base_url}/ready"
        assert _says("tempo", *_health("tempo"), where) == 0
        server.kill()
        assert _says("tempo", *_health("tempo"), where) == 1


def test_grafana_leaves_the_plugins_of_its_image_alone() -> None:
    """It would stop those of the data sources to replace them, which a read-only root file system forbids."""
    given = _SERVICES["grafana"]["environment"]
    assert _SERVICES["grafana"]["read_only"]
    assert given["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert given["GF_PLUGINS_PREINSTALL_AUTO_UPDATE"] == "false"
