"""The Prometheus of deploy/kubernetes: every pod is found, and what it sees goes to the shards' Mimir."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.stack.queries import eventually, prometheus
from tests.parts import require, running_prometheus
from tests.parts._catalogue import REPOSITORY
from tests.parts._prometheus import PROMETHEUS_CONFIG

pytestmark = pytest.mark.real

Manifest = dict[str, Any]
_CONFIG = PROMETHEUS_CONFIG.with_name("kubernetes.yml")
_RULES = PROMETHEUS_CONFIG.parent / "rules/stack.yml"
_JOBS: dict[str, Manifest] = {
    each["job_name"]: each for each in yaml.safe_load(_CONFIG.read_text())["scrape_configs"]
}


def _built(variant: str) -> list[Manifest]:
    folder = REPOSITORY / "deploy/kubernetes" / variant
    command = [require("kustomize"), "build", "--load-restrictor", "LoadRestrictionsNone", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return list(yaml.safe_load_all(done.stdout))


def _named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def _stores(manifests: list[Manifest]) -> dict[str, str]:
    (found,) = [each for each in manifests if each["metadata"]["name"].startswith("stores-")]
    return found["data"]


def _filled_in(manifests: list[Manifest], folder: Path) -> str:
    """What the init container's very script writes, given what it is given."""
    pod = _named(manifests, "Deployment", "prometheus")["spec"]["template"]["spec"]
    *shell, script = pod["initContainers"][0]["command"]
    script = script.replace("/etc/prometheus/prometheus.yml", str(_CONFIG))
    script = script.replace("/configuration/prometheus.yml", str(folder / "prometheus.yml"))
    subprocess.run([*shell, script], env=_stores(manifests) | {"PATH": "/usr/bin:/bin"}, check=True, timeout=60)
    return (folder / "prometheus.yml").read_text()


@pytest.mark.parametrize("variant", ["base", "overlays/production", "overlays/green"])
def test_it_writes_where_the_shards_write(variant: str, tmp_path: Path) -> None:
    """To the Mimir and as the tenant that the shards' Collectors have; its other files are mounted."""
    manifests = _built(variant)
    stores, text = _stores(manifests), _filled_in(manifests, tmp_path)
    (write,) = yaml.safe_load(text)["remote_write"]
    assert write == {
        "url": f"{stores['MIMIR_URL']}/api/v1/push",
        "headers": {"X-Scope-OrgID": stores["MIMIR_TENANT"]},
    }
    assert "${" not in text.partition("global:")[2]
    (held,) = [each["data"] for each in manifests if each["metadata"]["name"].startswith("prometheus-")]
    assert held == {
        "prometheus.yml": _CONFIG.read_text(),
        "stack.yml": _RULES.read_text(),
    }


def test_it_finds_every_pod() -> None:
    """Each job's name is a headless Service's, of pods ready or not, and all but its own pods are found."""
    manifests, found = _built("base"), set[str]()
    for job, config in _JOBS.items():
        for source in config.get("dns_sd_configs", []):
            (name,) = source["names"]
            port, service = re.fullmatch(r"(?:_(\w+)\._tcp\.)?([a-z-]+)", name).groups()  # type: ignore[union-attr]
            spec = _named(manifests, "Service", service)["spec"]
            assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True), job
            ports = {each["name"]: each["port"] for each in spec["ports"]}
            assert port in ports if port else source["port"] in ports.values()
            found |= set(spec["selector"].values())
    workloads = {each["metadata"]["name"] for each in manifests if each["kind"] in {"Deployment", "StatefulSet"}}
    assert found == workloads - {"prometheus"}


def test_it_watches_as_that_of_compose_does() -> None:
    """The same interval and histograms; our own servers are shown the token."""
    alone = yaml.safe_load(PROMETHEUS_CONFIG.read_text())
    assert yaml.safe_load(_CONFIG.read_text())["global"] == alone["global"]
    assert {job for job, config in _JOBS.items() if "authorization" in config} == {"flashmm", "stream"}


def _by_address(text: str, address: str) -> str:
    """Without DNS, which the Prometheus of the tests is built without, and the stores at one address."""
    text = re.sub(r"dns_sd_configs: .*", 'static_configs: [{ targets: ["127.0.0.1:9"] }]', text)
    return re.sub(r'"[a-z-]+\.[a-z]+:\d+"', f'"{address}"', text)


def test_what_it_sees_arrives(tmp_path: Path) -> None:
    """A real one takes the file and writes who is down, the alert, and of a store whether it answers, no more."""
    with running_prometheus(tmp_path, flags=["--web.enable-remote-write-receiver"]) as store:
        written = tmp_path / "written"
        written.mkdir()
        text = _by_address(_filled_in(_built("base"), written), store.base_url.removeprefix("http://"))
        text = re.sub(r"url: .*", f"url: {store.base_url}/api/v1/write", text)
        (written / "config.yml").write_text(text.replace("/etc/prometheus/stack.yml", str(_RULES)))
        with running_prometheus(written, config=written / "config.yml"):
            eventually(lambda: prometheus(store, 'up{job="tempo"} == 1'))
            eventually(lambda: prometheus(store, 'ALERTS{alertname="FlashmmServerDown", job="gateway"}'))
            assert not prometheus(store, '{job="tempo", __name__!~"up|scrape_.*"}')
