"""deploy/kubernetes as `kustomize build` gives it: every name, port, probe, variable and secret leads somewhere."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from tests.parts import require
from tests.parts._catalogue import REPOSITORY, catalogue
from tests.parts._collector import COLLECTOR_CONFIG, OVERLAYS, collector_environment

from flashmm_orchestration.api.probes import probes_router
from flashmm_orchestration.health import Health
from flashmm_orchestration.settings import Settings, settings_from
from flashmm_receiver.hosts import KnownHosts

pytestmark = pytest.mark.real

Manifest = dict[str, Any]

_FOLDER = REPOSITORY / "deploy/kubernetes"
_VARIANTS = ["base", "overlays/production", "overlays/green"]
_EXTERNAL_SECRETS = {"flashmm-tokens": {"api-token", "otlp-token"}, "flashmm-s3": {"access-key", "secret-key"}}
"""What docs/how-to/scale.md tells to make first."""
_KINDS = {
    "v1": {"ConfigMap", "Namespace", "Service", "ServiceAccount"},
    "apps/v1": {"Deployment", "StatefulSet"},
    "policy/v1": {"PodDisruptionBudget"},
    "networking.k8s.io/v1": {"NetworkPolicy"},
}
_POD_IP = "10.0.0.7"
_ANSWERS_AT = {"flashmm": 8080, "stream": 8080, "otel-collector": 13133, "prometheus": 9090}
"""Where each container is asked how it is."""
_SCALE = REPOSITORY / "deploy/collector/scale.yaml"
_SHARD = [f"--config={path}" for path in (COLLECTOR_CONFIG, OVERLAYS / "kafka-gateway.yaml", _SCALE)]


@pytest.fixture(scope="module", params=_VARIANTS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """All that one variant makes."""
    return _built(request.param)


def _built(variant: str) -> list[Manifest]:
    command = [require("kustomize"), "build", "--load-restrictor", "LoadRestrictionsNone", _FOLDER / variant]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def _of(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def _name(manifest: Manifest) -> str:
    return manifest["metadata"]["name"]


def _workloads(manifests: list[Manifest]) -> list[Manifest]:
    return _of(manifests, "Deployment", "StatefulSet")


def _pod(workload: Manifest) -> Manifest:
    return workload["spec"]["template"]["spec"]


def _containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Each container that stays, with its workload."""
    for workload in _workloads(manifests):
        for container in _pod(workload)["containers"]:
            yield workload, container


def _pod_labels(manifests: list[Manifest]) -> Iterator[tuple[dict[str, str], Manifest]]:
    """The labels of each pod that there will be, a StatefulSet's with the one that Kubernetes adds."""
    for workload in _workloads(manifests):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        for index in range(workload["spec"]["replicas"]):
            added = {"statefulset.kubernetes.io/pod-name": f"{_name(workload)}-{index}"}
            yield (labels | added if workload["kind"] == "StatefulSet" else labels), _pod(workload)


def _is_ours(container: Manifest) -> bool:
    return container["image"].startswith("flashmm:")


def _ports(pod: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in pod["containers"] for port in each.get("ports", [])}


def _selected(manifests: list[Manifest], wanted: dict[str, str]) -> list[Manifest]:
    return [pod for labels, pod in _pod_labels(manifests) if wanted.items() <= labels.items()]


def _config_maps(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    return {_name(each): each["data"] for each in _of(manifests, "ConfigMap")}


def _environment(manifests: list[Manifest], workload: Manifest, container: Manifest) -> dict[str, str]:
    """What a container of the first pod sees; a secret's value is its key."""
    pod = {
        "metadata.name": f"{_name(workload)}-0",
        "metadata.namespace": workload["metadata"]["namespace"],
        "status.podIP": _POD_IP,
    }
    given: dict[str, str] = {}
    for source in container.get("envFrom", []):
        given |= _config_maps(manifests)[source["configMapRef"]["name"]]
    for variable in container.get("env", []):
        value_from = variable.get("valueFrom", {})
        if "fieldRef" in value_from:
            given[variable["name"]] = pod[value_from["fieldRef"]["fieldPath"]]
        elif "secretKeyRef" in value_from:
            given[variable["name"]] = value_from["secretKeyRef"]["key"]
        else:
            given[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], variable["value"])
    return given


def test_every_kind_is_one_of_kubernetes_own(manifests: list[Manifest]) -> None:
    """Each has a version and kind that every cluster knows, and lies in the namespace; no two are the same."""
    (namespace,) = map(_name, _of(manifests, "Namespace"))
    for each in manifests:
        assert each["kind"] in _KINDS[each["apiVersion"]]
        assert (_name(each) if each["kind"] == "Namespace" else each["metadata"]["namespace"]) == namespace
    assert len({(each["kind"], _name(each)) for each in manifests}) == len(manifests)


def test_a_workload_selects_its_own_pods(manifests: list[Manifest]) -> None:
    """A selector names labels of the template, as do the spread and the disruption budgets."""
    for workload in _workloads(manifests):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        spread = _pod(workload).get("topologySpreadConstraints", [])
        assert bool(spread) == (workload["spec"]["replicas"] > 1)
        for selector in (workload["spec"]["selector"], *(each["labelSelector"] for each in spread)):
            assert selector["matchLabels"].items() <= labels.items()
    for budget in _of(manifests, "PodDisruptionBudget"):
        assert _selected(manifests, budget["spec"]["selector"]["matchLabels"])
        assert budget["spec"]["maxUnavailable"] == 1


def test_every_service_leads_to_pods_that_listen_there(manifests: list[Manifest]) -> None:
    """Some pod is selected, and each port is one of its containers'."""
    for service in _of(manifests, "Service"):
        pods = _selected(manifests, service["spec"]["selector"])
        assert pods, _name(service)
        for port in service["spec"]["ports"]:
            assert all(_ports(pod)[port["targetPort"]] == port["port"] for pod in pods)


def test_each_shard_has_a_page(manifests: list[Manifest]) -> None:
    """As many Services of single shards as replicas, and the headless one that the StatefulSet names."""
    services = {_name(each): each["spec"] for each in _of(manifests, "Service")}
    (shards,) = _of(manifests, "StatefulSet")
    assert services[shards["spec"]["serviceName"]]["clusterIP"] == "None"
    pages = {name for name in services if re.fullmatch(r"flashmm-\d", name)}
    assert pages == {f"flashmm-{index}" for index in range(shards["spec"]["replicas"])}


def test_network_policies_name_ports_of_the_pods(manifests: list[Manifest]) -> None:
    """Every pod is behind a policy, and what it lets in is a port that the pod has."""
    behind = 0
    for policy in _of(manifests, "NetworkPolicy"):
        pods = _selected(manifests, policy["spec"]["podSelector"]["matchLabels"])
        behind += len(pods)
        for rule in policy["spec"]["ingress"]:
            assert all(port["port"] in _ports(pod) for port in rule["ports"] for pod in pods)
    assert behind == len(list(_pod_labels(manifests)))


def test_every_probe_is_answered(manifests: list[Manifest]) -> None:
    """Each container has all three; flashmm's ask what its API has, by a name that it answers to."""
    routes = probes_router(Health(lambda: 0), CollectorRegistry(), dict).routes
    paths = {route.path for route in routes if isinstance(route, APIRoute)}
    for _, container in _containers(manifests):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in (container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")):
            assert ports[probe["port"]] == _ANSWERS_AT[container["name"]]
            if _is_ours(container):
                assert probe["path"] in paths
                assert KnownHosts(()).knows(probe["httpHeaders"][0]["value"])


def test_liveness_asks_less_than_readiness(manifests: list[Manifest]) -> None:
    """A component that is down for a while takes the pod out of its Services but does not restart it."""
    for _, container in _containers(manifests):
        if _is_ours(container):
            asked = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("readiness", "liveness")}
            assert asked == {"readiness": "/readyz", "liveness": "/livez"}


def test_flashmm_takes_its_settings(
    manifests: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every FLASHMM_* is a setting in its range, they don't contradict, and the scraper's name is answered to."""
    monkeypatch.chdir(tmp_path)
    for workload, container in _containers(manifests):
        if container["name"] == "flashmm":
            settings = _settings(_environment(manifests, workload, container), tmp_path)
            assert settings.receiver.http_bind == "127.0.0.1:4318"
            assert settings.archive.prefix == f"{workload['metadata']['namespace']}/flashmm-0"
            assert KnownHosts(settings.http.allowed_hosts).knows("flashmm-0.flashmm:8080")


def _settings(given: dict[str, str], folder: Path) -> Settings:
    """With a secret in each file that they name."""
    for name in [name for name in given if name.endswith("_FILE")]:
        (folder / name).write_text("t0ken")
        given[name] = str(folder / name)
    return settings_from({}, given)


def test_stream_servers_read_every_shard(
    manifests: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shard is among their ledgers, under a name that it answers to; they need nothing that lasts."""
    monkeypatch.chdir(tmp_path)
    (shards,) = _of(manifests, "StatefulSet")
    (stream,) = [each for each in _workloads(manifests) if _name(each) == "stream"]
    (container,) = _pod(stream)["containers"]
    settings = _settings(_environment(manifests, stream, container), tmp_path)
    assert list(settings.ledgers.urls) == [
        f"http://flashmm-{index}.flashmm:8080" for index in range(shards["spec"]["replicas"])
    ]
    assert settings.ledgers.token
    assert all(KnownHosts(settings.http.allowed_hosts).knows(f"{host}:8080") for host in ("stream", _POD_IP))
    assert stream["kind"] == "Deployment"
    assert not any("persistentVolumeClaim" in volume for volume in _pod(stream)["volumes"])


def test_collectors_are_given_what_their_files_read(manifests: list[Manifest]) -> None:
    """Files on the command line are in the ConfigMap; variables without a default are set, each set one is read."""
    for workload, container in _containers(manifests):
        if container["name"] != "otel-collector":
            continue
        files = [argument.rpartition("/")[2] for argument in container["args"]]
        (volume,) = [each for each in _pod(workload)["volumes"] if each["name"] == "collector"]
        held = _config_maps(manifests)[volume["configMap"]["name"]]
        text = "\n".join(held[file] for file in files)
        given = set(_environment(manifests, workload, container))
        assert set(re.findall(r"\$\{env:(\w+)\}", text)) <= given
        assert given <= set(re.findall(r"\$\{env:(\w+)", "\n".join(held.values())))


def test_the_collectors_files_are_those_of_the_repository(manifests: list[Manifest]) -> None:
    """The ConfigMap holds the tested files, to the byte."""
    (held,) = [data for name, data in _config_maps(manifests).items() if name.startswith("collector-")]
    assert held == {
        "otel-collector.yaml": COLLECTOR_CONFIG.read_text(),
        "kafka-agent.yaml": (OVERLAYS / "kafka-agent.yaml").read_text(),
        "kafka-gateway.yaml": (OVERLAYS / "kafka-gateway.yaml").read_text(),
        "scale.yaml": _SCALE.read_text(),
    }


def test_the_collector_takes_the_files_of_a_shard(tmp_path: Path) -> None:
    """otelcol accepts base, gateway and scale.yaml together."""
    (tmp_path / "queues" / "compaction").mkdir(parents=True)
    ports = {"grpc": 1, "http": 2, "health": 3, "metrics": 4}
    given = {**collector_environment(tmp_path, ports), "KAFKA_BROKERS": "[kafka:9092]", "PATH": "/usr/bin:/bin"}
    command = [require("otelcol"), "validate", *_SHARD]
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def _secrets(pod: Manifest) -> Iterator[tuple[str, str]]:
    """The secrets that a pod names, with the keys that it takes."""
    for volume in pod["volumes"]:
        if "secret" in volume:
            secret = volume["secret"]
            for item in secret.get("items", [{"key": key} for key in _EXTERNAL_SECRETS[secret["secretName"]]]):
                yield secret["secretName"], item["key"]
    for container in pod["containers"]:
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield tuple(variable["valueFrom"]["secretKeyRef"][each] for each in ("name", "key"))


def test_secrets_are_named_and_never_held(manifests: list[Manifest]) -> None:
    """None is in the manifests; those that pods take are the ones that the guide tells to make."""
    taken = {each for workload in _workloads(manifests) for each in _secrets(_pod(workload))}
    assert taken == {(name, key) for name, keys in _EXTERNAL_SECRETS.items() for key in keys}
    guide = (REPOSITORY / "docs/how-to/scale.md").read_text()
    assert all(f"{name} " in guide and f"--from-literal={key}=" in guide for name, key in taken)


def test_everything_mounted_is_a_volume(manifests: list[Manifest]) -> None:
    """Each mount names a volume or a claim of its pod, and each volume's ConfigMap is there."""
    for workload in _workloads(manifests):
        pod = _pod(workload)
        claims = {_name(claim) for claim in workload["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod["volumes"]} | claims
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in _config_maps(manifests)


def test_a_file_named_in_the_environment_is_in_a_mounted_folder(manifests: list[Manifest]) -> None:
    """`*_FILE` and the data folder lie where something is mounted."""
    for workload, container in _containers(manifests):
        mounted = tuple(f"{mount['mountPath']}/" for mount in container["volumeMounts"])
        for name, value in _environment(manifests, workload, container).items():
            if name.endswith(("_FILE", "_DIR")):
                assert value.startswith(mounted), name


def test_containers_have_no_more_rights_than_they_need(manifests: list[Manifest]) -> None:
    """Nobody is root, writes to the root file system, gains rights or knows Kubernetes; all is bounded and pinned."""
    versions = {
        "otel/opentelemetry-collector-contrib": catalogue()["collector"].version,
        "prom/prometheus": f"v{catalogue()['prometheus'].version}",
        "flashmm": "0.1.0",
    }
    for workload in _workloads(manifests):
        pod = _pod(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            security = cast("Manifest", container["securityContext"])
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            name, _, tag = container["image"].partition(":")
            assert tag == versions[name]


def test_a_pod_has_time_to_leave(manifests: list[Manifest]) -> None:
    """What waits before the end and what drains requests fit into the time that kubelet leaves."""
    for workload, container in _containers(manifests):
        waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain_s = settings_from({}, {}).receiver.drain_s
        assert waits + drain_s < _pod(workload)["terminationGracePeriodSeconds"]


def test_shards_are_upgraded_one_by_one_and_keep_their_bots(manifests: list[Manifest]) -> None:
    """One pod at a time; its consumer has the pod's name, and Kafka waits for it longer than a pod takes to end."""
    (shards,) = _of(manifests, "StatefulSet")
    assert shards["spec"]["podManagementPolicy"] == "OrderedReady"
    (collector,) = [each for each in _pod(shards)["containers"] if each["name"] == "otel-collector"]
    given = _environment(manifests, shards, collector)
    assert given["KAFKA_GROUP_INSTANCE"] == "flashmm-0"
    session_s = int(given["KAFKA_SESSION_TIMEOUT"].removesuffix("m")) * 60
    assert session_s > 2 * _pod(shards)["terminationGracePeriodSeconds"]


def test_green_shares_the_topics_and_nothing_else() -> None:
    """Beside production: another namespace (so another folder of the bucket), consumer group and tenant."""
    maps = [_config_maps(_built(variant)) for variant in ("overlays/production", "overlays/green")]
    blue, green = ({key: value for each in one.values() for key, value in each.items()} for one in maps)
    differ = {key for key in green if green[key] != blue.get(key)}
    assert differ == {"KAFKA_GROUP", "MIMIR_TENANT", "FLASHMM_METRICS__TENANT"}
