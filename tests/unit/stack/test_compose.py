"""docker-compose.yml and the files it mounts, without an engine: nothing missing, nothing open, nothing unnamed."""

import json
import re
import resource
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from tests.parts import require
from tests.parts._catalogue import REPOSITORY, catalogue
from tests.parts._prometheus import PROMETHEUS_FLAGS

from flashmm_backends.naming import PROMOTED_ATTRIBUTES
from flashmm_orchestration.settings import settings_from
from flashmm_receiver import ReceiverSettings

_COMPOSE = cast("dict[str, Any]", yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text()))
_SERVICES = cast("dict[str, dict[str, Any]]", _COMPOSE["services"])
_ONE_SHOTS = {"secrets", "otel-collector-ready", "grafana-boards"}
_NOTHING_TO_ASK_WITH = {"otel-collector", "gateway-0", "gateway-1", "mimir"}
_LONG_RUNNING = sorted(set(_SERVICES) - _ONE_SHOTS)
_LISTENS = {
    "alertmanager": {9093},
    "flashmm": {8080, 4317, 4318},
    "flashmm-1": {8080, 4317, 4318},
    "flashmm-stream-1": {8080},
    "flashmm-stream-2": {8080},
    "gateway-0": {13133, 8888},
    "gateway-1": {13133, 8888},
    "grafana": {3000},
    "kafka": {9092},
    "loki": {3100},
    "mimir": {9009, 7946},
    "otel-collector": {4317, 4318, 13133, 8888},
    "prometheus": {9090},
    "storage": {7070},
    "stream": {8080},
    "tempo": {3200, 4317},
}
"""What each service listens on beyond loopback; the tests with real servers prove it from the same files."""
_CONFIGURATIONS = [
    REPOSITORY / "otel-collector.yaml",
    REPOSITORY / "docker-compose.yml",
    *(path for path in sorted((REPOSITORY / "collector-config").glob("*.yaml")) if path.name != "builder.yaml"),
    *(path for path in sorted((REPOSITORY / "deploy").rglob("*.y*ml")) if "kubernetes" not in path.parts),
]
_ADDRESS = re.compile(r"(?<![\w.@-])([a-z](?:[a-z-]*[a-z]|[a-z-]+-\d)):(\d{4,5})(?![\d.])")
_ELSEWHERE = {"localhost", "kafka-1", "kafka-2"}


def _mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    return [(source, target) for source, target, *_ in (each.split(":") for each in service.get("volumes", []))]


@pytest.mark.real
def test_compose_reads_the_file() -> None:
    """Compose's own reader accepts it: schema, references between services, volumes, interpolation."""
    command = [require("compose-spec"), "-format=json", "docker-compose.yml"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(_SERVICES)


@pytest.mark.parametrize("name", _SERVICES)
def test_every_mounted_file_exists(name: str) -> None:
    """A path of this repository is there; anything else is a declared volume."""
    for source, _ in _mounts(_SERVICES[name]):
        if source.startswith("."):
            assert (REPOSITORY / source).exists(), source
        else:
            assert source in _COMPOSE["volumes"]


@pytest.mark.parametrize("name", _SERVICES)
def test_every_path_on_a_command_line_is_mounted(name: str) -> None:
    """A configuration named in a command lies in a mounted folder, under that name."""
    service = _SERVICES[name]
    for path in re.findall(r"(/etc/[\w/.-]+\.ya?ml)", " ".join(service.get("command", []))):
        (mount,) = [(source, target) for source, target in _mounts(service) if path.startswith(target)]
        source, target = mount
        assert Path(f"{REPOSITORY / source}{path.removeprefix(target)}").is_file(), path


@pytest.mark.parametrize("path", _CONFIGURATIONS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_address_is_a_service_that_listens_there(path: Path) -> None:
    """Every host:port in a configuration is a service of the stack at a port of its own."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    for host, port in _ADDRESS.findall(text):
        if host not in _ELSEWHERE:
            assert int(port) in _LISTENS[host], f"{host}:{port}"


def test_only_the_page_grafana_and_otlp_are_published() -> None:
    """Other ports are reached from inside alone, and these from this machine alone unless told otherwise."""
    published = {name: service["ports"] for name, service in _SERVICES.items() if "ports" in service}
    assert published == {
        "flashmm": ["${PUBLISH_PAGES:-127.0.0.1}:8080:8080"],
        "flashmm-1": ["${PUBLISH_PAGES:-127.0.0.1}:8081:8080"],
        "grafana": ["${PUBLISH_PAGES:-127.0.0.1}:3000:3000"],
        "stream": ["${PUBLISH_PAGES:-127.0.0.1}:8090-8091:8080"],
        "otel-collector": ["${PUBLISH_OTLP:-127.0.0.1}:4317:4317", "${PUBLISH_OTLP:-127.0.0.1}:4318:4318"],
    }


@pytest.mark.parametrize("name", _SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    """Read-only root, no capabilities (one chown apart), no new privileges, a memory limit."""
    service = _SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["CHOWN"] if name == "secrets" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service


@pytest.mark.parametrize("name", _LONG_RUNNING)
def test_a_service_is_watched_and_started_again(name: str) -> None:
    """Each is restarted when it ends; all have a health check but those whose images have nothing that could ask."""
    service = _SERVICES[name]
    assert service["restart"] == "unless-stopped"
    from_image = service["image"].startswith("flashmm:")
    assert "healthcheck" in service or from_image or name in _NOTHING_TO_ASK_WITH


@pytest.mark.parametrize("name", _SERVICES)
def test_images_are_pinned(name: str) -> None:
    """An image names a full version, never latest."""
    assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", _SERVICES[name]["image"])


@pytest.mark.parametrize(
    ("service", "part"),
    [
        ("prometheus", "prometheus"),
        ("loki", "loki"),
        ("alertmanager", "alertmanager"),
        ("otel-collector", "collector"),
        ("gateway-0", "collector"),
        ("gateway-1", "collector"),
        ("storage", "s3"),
    ],
)
def test_the_image_is_what_the_tests_run(service: str, part: str) -> None:
    """Compose and `make parts` have the same release."""
    tag = _SERVICES[service]["image"].rpartition(":")[2]
    assert tag.removeprefix("v") == catalogue()[part].version


def test_the_manifest_is_of_one_release() -> None:
    """collector-config/builder.yaml is of the release that parts.toml names, throughout."""
    manifest = yaml.safe_load((REPOSITORY / "collector-config/builder.yaml").read_text())
    version = catalogue()["collector"].version
    assert manifest["dist"]["version"] == version
    groups = ("receivers", "processors", "exporters", "connectors", "extensions")
    for module in (each["gomod"] for group in groups for each in manifest[group]):
        assert module.endswith(f" v{version}")


def test_prometheus_runs_with_the_flags_of_the_tests() -> None:
    """What the tests prove of Prometheus holds for the deployed one: the same flags."""
    assert set(PROMETHEUS_FLAGS) <= set(_SERVICES["prometheus"]["command"])


def test_promoted_attributes_are_those_of_the_embedded_engine() -> None:
    """prometheus.yml and flashmm_backends.naming promote the same resource attributes."""
    config = yaml.safe_load((REPOSITORY / "deploy/prometheus/prometheus.yml").read_text())
    assert sorted(config["otlp"]["promote_resource_attributes"]) == sorted(PROMOTED_ATTRIBUTES)


_SECRET_KEY = re.compile(r"(?i)(password|token|secret|credentials)$")


def _secret_values(node: Any, key: str = "") -> Iterator[str]:
    """The text under every key that names a secret itself, not the file it is in."""
    if isinstance(node, dict):
        for name, value in cast("dict[str, Any]", node).items():
            yield from _secret_values(value, name)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _secret_values(value, key)
    elif isinstance(node, str) and _SECRET_KEY.search(key):
        yield node


@pytest.mark.parametrize("path", _CONFIGURATIONS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_secret_is_written_down(path: Path) -> None:
    """A password or token comes from the environment or a file, never from a configuration."""
    for value in _secret_values(yaml.safe_load(path.read_text())):
        assert value.startswith("${env:"), value


_SCALE = dict(
    line.split("=", 1)
    for line in (REPOSITORY / "deploy/scale/compose.env").read_text().splitlines()
    if not line.startswith("#")
)


def _interpolated(text: str, given: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)


@pytest.mark.parametrize("given", [{}, _SCALE], ids=["alone", "scale"])
@pytest.mark.parametrize("name", ["flashmm", "flashmm-1"])
def test_a_ledger_takes_its_settings(name: str, given: dict[str, str], tmp_path: Path) -> None:
    """With what the first start writes and what compose sets: known, in range, the archive on in `scale` alone."""
    _first_start(tmp_path)
    environment = {
        key: _interpolated(value, given).replace("/run/flashmm", str(tmp_path))
        for key, value in _SERVICES[name]["environment"].items()
    }
    settings = settings_from({}, environment)
    assert settings.archive.bucket == ("flashmm-ledger" if given else "")
    assert settings.archive.prefix == name
    assert settings.metrics.kind == ("prometheus" if given else "embedded")
    assert name in settings.http.allowed_hosts


def test_stream_servers_read_both_ledgers(tmp_path: Path) -> None:
    """Their settings name every ledger that a gateway feeds, at its page, and the same Mimir."""
    _first_start(tmp_path)
    given = _SERVICES["stream"]["environment"]
    settings = settings_from({}, {key: value.replace("/run/flashmm", str(tmp_path)) for key, value in given.items()})
    fed = [_SERVICES[name]["environment"]["FLASHMM_OTLP_URL"] for name in ("gateway-0", "gateway-1")]
    assert list(settings.ledgers.urls) == [url.replace(":4318", ":8080") for url in fed]
    assert settings.ledgers.token == (tmp_path / "api-token").read_text()
    assert settings.metrics.url == _SCALE["METRICS_URL"]


def test_scale_starts_two_tiers() -> None:
    """The variables make the Collector the first tier, with Kafka; each gateway has a ledger and a name."""
    assert (REPOSITORY / f"{_SCALE['COLLECTOR_OVERLAY']}.yaml").is_file()
    assert "kafka:9092" in (REPOSITORY / _SCALE["COLLECTOR_ENV"]).read_text()
    assert set(_SCALE) <= set(re.findall(r"\$\{(\w+)", (REPOSITORY / "docker-compose.yml").read_text()))
    gateways = {name: _SERVICES[name]["environment"] for name in ("gateway-0", "gateway-1")}
    assert {each["KAFKA_GROUP_INSTANCE"] for each in gateways.values()} == set(gateways)
    assert [each["FLASHMM_OTLP_URL"] for each in gateways.values()] == [
        "http://flashmm:4318",
        "http://flashmm-1:4318",
    ]


def test_every_bucket_is_made() -> None:
    """What Mimir and the ledgers write to is a folder that the storage begins with."""
    made = set(
        re.findall(r"[a-z]+-[a-z]+", re.findall(r"for bucket in (.*); do", _SERVICES["storage"]["entrypoint"][2])[0])
    )
    mimir = yaml.safe_load((REPOSITORY / "deploy/mimir/mimir.yaml").read_text())
    wanted = {
        mimir[part]["s3"]["bucket_name"] for part in ("blocks_storage", "ruler_storage", "alertmanager_storage")
    }
    assert made == wanted | {_SCALE["ARCHIVE_BUCKET"]}


def _first_start(folder: Path) -> str:
    command = ["python3", REPOSITORY / "deploy/flashmm/first_start.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_full_disk_leaves_no_secret(tmp_path: Path) -> None:
    """Where nothing can be written the first start fails; the next one, with room, makes all of them."""
    command = ["python3", REPOSITORY / "deploy/flashmm/first_start.py", tmp_path]
    no_room = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (0, 0))
    assert subprocess.run(command, capture_output=True, check=False, timeout=60, preexec_fn=no_room).returncode == 1
    assert "bot-tokens" in _first_start(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert all(made.values())
    assert not [name for name in made if name.endswith(".new")]


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """The first start makes secrets, the second leaves them; two stacks have different ones; none is printed."""
    made = _first_start(tmp_path)
    first = {path.name: path.read_text() for path in tmp_path.iterdir()}
    written = {"flashmm.toml", "s3-credentials"}
    assert set(first) == written | {
        "api-token", "bot-tokens", "grafana-admin-password", "otlp-token", "s3-secret-key"
    }  # fmt: skip
    assert _first_start(tmp_path) == f"made nothing: all there in {tmp_path}\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == first
    assert all(len(first[name]) == 32 and first[name] not in made for name in set(first) - written)
    other = tmp_path / "other"
    other.mkdir()
    _first_start(other)
    assert (other / "otlp-token").read_text() != first["otlp-token"]


def test_a_new_token_reaches_the_configuration(tmp_path: Path) -> None:
    """Deleting a secret's file changes it everywhere at the next start."""
    _first_start(tmp_path)
    (tmp_path / "otlp-token").unlink()
    _first_start(tmp_path)
    settings = tomllib.loads((tmp_path / "flashmm.toml").read_text())
    assert settings["receiver"]["token"] == (tmp_path / "otlp-token").read_text()


def test_the_page_answers_to_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PAGE_HOST is answered to, besides the name by which Prometheus calls."""
    monkeypatch.setenv("PAGE_HOST", "maker.example.com")
    _first_start(tmp_path)
    settings = tomllib.loads((tmp_path / "flashmm.toml").read_text())
    assert settings["http"]["allowed_hosts"] == ["flashmm", "maker.example.com"]


def test_the_configuration_is_one_that_the_receiver_knows(tmp_path: Path) -> None:
    """The receiver's settings exist and are allowed beyond loopback: they carry the token."""
    _first_start(tmp_path)
    settings = tomllib.loads((tmp_path / "flashmm.toml").read_text())
    assert set(settings["receiver"]) <= {field.name for field in fields(ReceiverSettings)}
    ReceiverSettings(**settings["receiver"]).check()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv takes capabilities away")
def test_the_secrets_service_runs_twice_with_its_one_capability(tmp_path: Path) -> None:
    """The very script of compose makes the secrets, hands over the Collector's volume, and does so again."""
    _, _, script, name = _SERVICES["secrets"]["entrypoint"]
    if subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout != "0\n":
        pytest.skip("only root can give a folder away")
    for inside, outside in (
        ("/opt/flashmm/first_start.py", REPOSITORY / "deploy/flashmm/first_start.py"),
        ("/run/flashmm", tmp_path / "secrets"),
        ("/var/lib/otelcol", tmp_path / "otelcol"),
    ):
        script = script.replace(inside, str(outside))
    for folder in ("secrets", "otelcol"):
        (tmp_path / folder).mkdir()
    bare = ["setpriv", "--bounding-set=-all,+chown", "--inh-caps=-all,+chown"]
    for _ in range(2):
        command = [*bare, "/bin/sh", "-ec", script.replace("$$", "$"), name, "make"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        (tmp_path / "otelcol" / "compaction").chmod(0o750)
    for volume in ("otelcol", "otelcol-gateway-0", "otelcol-gateway-1"):
        assert (tmp_path / volume / "compaction").stat().st_uid == 10001
    show = ["/bin/sh", "-ec", script.replace("$$", "$"), name, "show", "api-token"]
    shown = subprocess.run(show, check=True, capture_output=True, text=True, timeout=60).stdout
    assert shown.strip() == (tmp_path / "secrets" / "api-token").read_text()


_DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def test_the_image_is_slim_pinned_and_not_root() -> None:
    """Each stage starts from a full version of a slim image; the last one runs as a numbered user, and is watched."""
    assert all(re.search(r":\d+\.\d+\.\d+-slim", line) for line in re.findall(r"^FROM .*", _DOCKERFILE, re.M))
    assert "USER 10001:10001" in _DOCKERFILE
    assert "HEALTHCHECK" in _DOCKERFILE


def test_everything_copied_into_the_image_exists_and_is_sent() -> None:
    """Each COPY names files of the repository that .dockerignore lets through, and every package is among them."""
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.*)$", _DOCKERFILE, re.M) for source in line.split()[:-1]
    ]
    sent = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in copied:
        assert (REPOSITORY / source).exists(), source
        assert any(source == each or source.startswith(f"{each}/") for each in sent), source
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.split("/")[0] for package in packages} <= set(copied)
