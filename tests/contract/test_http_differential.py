"""What is around the values: discovery, errors and annotations are those of a real Prometheus."""

import re
from typing import Any

import pytest
from tests.contract.peers import Embedded, Peer, RealPrometheus
from tests.contract.telemetry import START_MS, Telemetry

pytestmark = pytest.mark.real
JOB = {"match[]": '{job="around"}'}
AT = START_MS / 1000 + 600


@pytest.fixture
def both(embedded: Embedded, prometheus: RealPrometheus) -> tuple[Peer, Peer]:
    """The two with the same telemetry; sending it to Prometheus again changes nothing."""
    request = Telemetry(seed=5, resets=0.02, odd=0.02).request("around")
    embedded.send(request)
    prometheus.send(request)
    return embedded, prometheus


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("series", JOB),
        ("series", {"match[]": ['test_gauge{job="around"}', 'test_share_ratio{job="around"}']}),
        ("series", {**JOB, "start": 1, "end": 2}),
        ("labels", JOB),
        ("labels", {**JOB, "limit": 2}),
        ("label/a/values", JOB),
        ("label/__name__/values", JOB),
        ("label/nothing/values", JOB),
        ("label/U__a/values", JOB),
        ("label/U__host__name/values", JOB),
        ("label/U___61_/values", JOB),
        ("label/U__a_/values", JOB),
        ("labels", {**JOB, "start": "2023-11-14T22:13:20Z", "end": "2023-11-14T23:13:20.5+01:00"}),
        ("labels", {**JOB, "start": "-292273086-05-16T16:47:06Z", "end": "292277025-08-18T07:12:54.999999999Z"}),
        ("alerts", {}),
    ],
)
def test_discovery(both: tuple[Peer, Peer], path: str, parameters: dict[str, Any]) -> None:
    """Series, label names and values are equal."""
    ours, theirs = (peer.ask(path, **parameters) for peer in both)
    for answer in (ours, theirs):
        answer["data"] = sorted(answer["data"], key=str)
    assert ours == theirs


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("series", {}),
        ("series", {"match[]": "{}"}),
        ("labels", {"match[]": '{job=~".*"}'}),
        ("label/a/values", {"match[]": ["up", "{}"]}),
        ("labels", {**JOB, "start": "2023-11-14t22:13:20z"}),
        ("labels", {**JOB, "limit": "٣"}),
        ("labels", {**JOB, "limit": "9" * 20}),
        ("metadata", {"limit": "x"}),
        ("metadata", {"limit_per_metric": "1_0"}),
        ("rules", {"type": "x"}),
        ("query_exemplars", {"query": "up", "start": 2, "end": 1}),
        ("query", {"query": "up", "lookback_delta": "x"}),
        ("query", {"query": "up", "time": "x"}),
        ("query", {"query": "up", "time": "1e400"}),
        ("query", {"query": "up", "limit": "-1"}),
        ("query", {"query": "up", "timeout": "x"}),
        ("query", {"query": "sum("}),
        ("query_range", {"query": "up"}),
        ("query_range", {"query": "up", "start": 1, "end": 0, "step": 1}),
        ("query_range", {"query": "up", "start": 1, "end": 2, "step": 0}),
        ("query_range", {"query": "up", "start": 1, "end": 2, "step": "-inf"}),
        ("query_range", {"query": "up", "start": 1, "end": 20_000, "step": 1}),
        ("query_range", {"query": "up[1m]", "start": 1, "end": 2, "step": 1}),
    ],
)
def test_errors(both: tuple[Peer, Peer], path: str, parameters: dict[str, Any]) -> None:
    """Type and words are equal, the position in the query apart."""
    ours, theirs = (peer.ask(path, **parameters) for peer in both)
    theirs["error"] = re.sub(r"\d+:\d+: ", "", theirs["error"])
    assert ours == theirs


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path", ["query", "query_range", "query_exemplars", "series", "labels", "label/a/values", "metadata", "rules"]
)
def test_methods(embedded: Embedded, prometheus: RealPrometheus, method: str, path: str) -> None:
    """What may be asked in which way, and the status of a request without parameters."""
    assert embedded.status(method, path) == prometheus.status(method, path)


@pytest.mark.parametrize(
    "query",
    [
        "rate(test_gauge[5m])",
        "rate(target_info[5m]) + rate(test_share_ratio[5m])",
        "rate(test_work_total[5m])",
        "histogram_quantile(2, test_classic_seconds_bucket)",
        "histogram_quantile(0.5, test_gauge)",
        "quantile(2, test_gauge)",
        "delta(test_native_seconds[5m])",
        "idelta(test_native_seconds[5m])",
        "increase(test_native_seconds[5m])",
        "test_native_seconds + 1",
        "test_native_seconds > 1",
        "test_native_seconds == test_gauge",
        "max(test_native_seconds)",
        "topk(1, test_native_seconds)",
        "stddev(test_native_seconds)",
        "sum(test_native_seconds or test_gauge)",
        "max_over_time(test_native_seconds[5m])",
        "deriv(test_native_seconds[5m])",
        "sort(test_native_seconds)",
    ],
)
def test_annotations(both: tuple[Peer, Peer], query: str) -> None:
    """Warnings and infos are equal, the position in the query apart."""
    asked = re.sub(r"(test_\w+|target_info)", r'\1{job="around"}', query)
    ours, theirs = (peer.ask("query", query=asked, time=AT) for peer in both)
    for kind in ("warnings", "infos"):
        told = [re.sub(r" \(\d+:\d+\)$", "", note) for note in theirs.get(kind, [])]
        assert sorted(ours.get(kind, [])) == sorted(told)
