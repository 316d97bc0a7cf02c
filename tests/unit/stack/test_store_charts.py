"""deploy/kubernetes/stores: values for the stores' own charts agree with the rest of deploy/."""

import re
from typing import Any

import yaml
from tests.parts._catalogue import REPOSITORY

from flashmm_backends.naming import PROMOTED_ATTRIBUTES

_DEPLOY = REPOSITORY / "deploy"


def _yaml(path: str) -> dict[str, Any]:
    return yaml.safe_load((_DEPLOY / path).read_text())


def test_mimir_is_what_prometheus_is() -> None:
    """The same promoted labels, window, exemplars and retention as the Prometheus that it takes the place of."""
    limits = _yaml("kubernetes/stores/mimir.yaml")["mimir"]["structuredConfig"]["limits"]
    prometheus = _yaml("prometheus/prometheus.yml")
    assert _yaml("mimir/mimir.yaml")["limits"] == limits
    assert limits["promote_otel_resource_attributes"].split(",") == sorted(PROMOTED_ATTRIBUTES)
    assert limits["out_of_order_time_window"] == prometheus["storage"]["tsdb"]["out_of_order_time_window"]
    assert limits["compactor_blocks_retention_period"] == prometheus["storage"]["tsdb"]["retention"]["time"]
    assert limits["max_global_exemplars_per_user"] == prometheus["storage"]["exemplars"]["max_exemplars"]
    assert limits["native_histograms_ingestion_enabled"]
    assert limits["otel_metric_suffixes_enabled"]


def test_loki_keeps_its_limits_and_labels() -> None:
    """The distributed Loki has the very limits of the one in one process."""
    values, alone = _yaml("kubernetes/stores/loki.yaml")["loki"], _yaml("loki/loki.yaml")
    assert values["limits_config"] == alone["limits_config"]
    assert values["schemaConfig"]["configs"][0]["schema"] == alone["schema_config"]["configs"][0]["schema"]


def test_tempo_keeps_as_long() -> None:
    """Traces stay as long as in the Tempo in one process."""
    alone = _yaml("tempo/tempo.yaml")["overrides"]["defaults"]["compaction"]
    assert _yaml("kubernetes/stores/tempo.yaml")["compactor"]["config"]["compaction"] == alone


def test_the_shards_call_the_charts_services() -> None:
    """Hosts of stores in the base are `<release>-<part>.<namespace>` of the commands that the values begin with."""
    installed: set[str] = set()
    for path in (_DEPLOY / "kubernetes/stores").glob("*.yaml"):
        (found,) = re.findall(r"helm install (\S+) \S+ --version \d+\.\d+\.\d+ -n (\S+) -f (\S+)", path.read_text())
        assert REPOSITORY / found[2] == path
        installed.add(f"{found[0]}.{found[1]}")
    literals = re.findall(r"- [A-Z_]+=(?:http://)?([a-z-]+)\.([a-z]+)(?=[:/\n])", _base())
    called = {f"{host.split('-')[0]}.{namespace}" for host, namespace in literals}
    assert called == installed
    watched = re.findall(r'"([a-z-]+)\.([a-z]+):\d+"', (_DEPLOY / "prometheus/kubernetes.yml").read_text())
    assert {f"{host.split('-')[0]}.{namespace}" for host, namespace in watched} == installed


def _base() -> str:
    return (_DEPLOY / "kubernetes/base/kustomization.yaml").read_text()
