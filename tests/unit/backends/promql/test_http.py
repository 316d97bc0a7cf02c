"""The HTTP API answers as Prometheus does: forms, times, JSON, errors."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from flashmm_backends.batch import Exemplar
from flashmm_backends.histogram import NO_BUCKETS, Buckets, NativeHistogram
from flashmm_backends.ports import InstantResult, RangeResult, RangeSeries, Unavailable, VectorSample
from flashmm_backends.promql import Engine, ExemplarSeries, Limits, Matcher, Metadata, PrometheusApi, PromqlMetrics
from flashmm_backends.promql.testing import MemorySource, labels_of

UP = labels_of("up", job="a")
LATENCY = labels_of("latency", job="a")
FORM = "application/x-www-form-urlencoded"
HISTOGRAM = NativeHistogram(0, 1e-128, 1.0, 4.0, 5.5, Buckets(1, np.array([3.0])), NO_BUCKETS)


class Exemplars:
    """One exemplar on one series."""

    async def exemplars(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[ExemplarSeries]:
        """Whatever is asked."""
        held = Exemplar(1, 1500, 0.25, b"\x01" * 16, b"", (("a", "b"),))
        return (
            [ExemplarSeries(LATENCY, [held])] if matchers[0].value == "latency" and start_ms <= 1500 <= end_ms else []
        )


@pytest.fixture
async def api() -> AsyncIterator[PrometheusApi]:
    """The API over a few samples, at second 60."""
    source = MemorySource(
        [Metadata("up", "gauge", "", "Whether it is up."), Metadata("latency", "histogram", "s", "")]
    )
    source.add_floats(UP, [1.0, 0.5, 1e-9, 1e22, float("inf")])
    source.add_floats(labels_of("up", job="b"), [float("nan")] * 5)
    source.add(LATENCY, [(t * 15_000, HISTOGRAM) for t in range(5)])
    metrics = PromqlMetrics(Engine(source))
    yield PrometheusApi(metrics, source, exemplars=Exemplars(), clock=lambda: 60_000)
    metrics.close()


async def answer(api: PrometheusApi, path: str, status: int = 200, **parameters: object) -> Any:
    """The parsed body of a GET."""
    response = await api.handle("GET", path, urlencode(parameters, doseq=True))
    assert response.status == status, response.body
    assert response.headers["content-type"] == "application/json"
    return json.loads(response.body)


async def test_an_instant_query_answers_at_the_present(api: PrometheusApi) -> None:
    """Without a time, the clock's; samples keep Prometheus's number format."""
    body = await answer(api, "query", query='up{job="a"}')
    assert body == {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [{"metric": {"__name__": "up", "job": "a"}, "value": [60, "+Inf"]}],
        },
    }


@pytest.mark.parametrize(
    ("query", "time", "kind", "result"),
    [
        ("1e22", "1.5", "scalar", [1.5, "10000000000000000000000"]),
        ('"hé"', "0", "string", [0, "hé"]),
        ("up{job='a'}[20s]", "16", "matrix", [{"metric": dict(UP), "values": [[0, "1"], [15, "0.5"]]}]),
        ("up{job='a'}", "30.25", "vector", [{"metric": dict(UP), "value": [30.25, "1e-09"]}]),
        ("up{job='a'}", "1970-01-01T00:00:45Z", "vector", [{"metric": dict(UP), "value": [45, "1e+22"]}]),
        (
            "up{job='b'}",
            "1970-01-01T01:00:00.5+01:00",
            "vector",
            [{"metric": {"__name__": "up", "job": "b"}, "value": [0.5, "NaN"]}],
        ),
    ],
)
async def test_each_type_of_result(api: PrometheusApi, query: str, time: str, kind: str, result: list[Any]) -> None:
    """Scalars, strings, matrices, vectors and histograms have their forms."""
    assert (await answer(api, "query", query=query, time=time))["data"] == {"resultType": kind, "result": result}


async def test_a_range_query_by_post(api: PrometheusApi) -> None:
    """A posted form counts before the address; floats and histograms are kept apart."""
    form = urlencode({"query": '{job="a"}', "start": 0, "end": "30", "step": "15s"}).encode()
    response = await api.handle("POST", "query_range", "query=nonsense(", form, f"{FORM}; charset=utf-8")
    data = json.loads(response.body)["data"]
    assert data["resultType"] == "matrix"
    assert data["result"][-1] == {"metric": dict(UP), "values": [[0, "1"], [15, "0.5"], [30, "1e-09"]]}


async def test_limits_truncate_with_a_warning(api: PrometheusApi) -> None:
    """A limit is no error."""
    for path, more in (("query", {}), ("query_range", {"start": 0, "end": 1, "step": 1})):
        body = await answer(api, path, query="up", limit=1, **more)
        assert (len(body["data"]["result"]), body["warnings"]) == (1, ["results truncated due to limit"])
    body = await answer(api, "labels", limit=1)
    assert (body["data"], body["warnings"]) == (["__name__"], ["results truncated due to limit"])


class Canned:
    """A metrics port with one answer: a histogram, a warning and an info."""

    notes = ("PromQL warning: careful", "PromQL info: by the way")

    async def query(self, _: str, at_ms: int) -> InstantResult:
        """A vector."""
        return InstantResult("vector", [VectorSample(LATENCY, at_ms, HISTOGRAM)], annotations=self.notes)

    async def query_range(self, *_: object) -> RangeResult:
        """A float, then an empty histogram."""
        empty = NativeHistogram(0, 0.0, 0.0, 0.0, 0.0, NO_BUCKETS, NO_BUCKETS)
        return RangeResult([RangeSeries(UP, np.array([1]), np.array([2.0]), [1500], [empty])], self.notes)


async def test_histograms_and_annotations() -> None:
    """Histograms show their populated buckets; warnings and infos are told apart."""
    api = PrometheusApi(Canned(), MemorySource())
    body = await answer(api, "query", query="x", time=1)
    buckets = [[3, "-1e-128", "1e-128", "1"], [0, "1", "2", "3"]]
    assert body["data"]["result"] == [
        {"metric": dict(LATENCY), "histogram": [1, {"count": "4", "sum": "5.5", "buckets": buckets}]}
    ]
    assert (body["warnings"], body["infos"]) == ([Canned.notes[0]], [Canned.notes[1]])
    body = await answer(api, "query_range", query="x", start=1, end=2, step=1)
    assert body["data"]["result"] == [
        {"metric": dict(UP), "values": [[0.001, "2"]], "histograms": [[1.5, {"count": "0", "sum": "0"}]]}
    ]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "message"),
    [
        ("query", {"query": "up("}, 400, "bad_data", 'invalid parameter "query": '),
        (
            "query",
            {"query": "up", "time": "noon"},
            400,
            "bad_data",
            'invalid parameter "time": invalid time value for \'time\': cannot parse "noon"',
        ),
        ("query", {"query": "up", "time": "2024-13-01T00:00:00Z"}, 400, "bad_data", "cannot parse"),
        ("query", {"query": "up", "time": "1e300"}, 400, "bad_data", "cannot parse"),
        ("query", {"query": "up", "limit": "x"}, 400, "bad_data", 'invalid parameter "limit"'),
        ("query", {"query": "up", "limit": "-1"}, 400, "bad_data", "limit must be non-negative"),
        ("query", {"query": "up", "timeout": "later"}, 400, "bad_data", 'invalid parameter "timeout"'),
        ("query", {"query": "up", "lookback_delta": "1m"}, 400, "bad_data", "lookback_delta is not supported"),
        ("query", {"query": "up * on() up"}, 422, "execution", "many"),
        ("query", {"query": "up", "timeout": "0.000000001"}, 503, "timeout", "query timed out"),
        ("query_range", {"query": "up"}, 400, "bad_data", 'invalid parameter "start": cannot parse ""'),
        ("query_range", {"query": "up", "start": 2, "end": 1, "step": 1}, 400, "bad_data", "must not be before"),
        ("query_range", {"query": "up", "start": 0, "end": 1, "step": 0}, 400, "bad_data", "zero or negative"),
        ("query_range", {"query": "up", "start": 0, "end": 1, "step": "-1m"}, 400, "bad_data", "cannot parse"),
        ("query_range", {"query": "up", "start": 0, "end": 1, "step": "1e11y"}, 400, "bad_data", "cannot parse"),
        ("query_range", {"query": "up", "start": 0, "end": 1, "step": "300y"}, 400, "bad_data", "overflows"),
        ("query_range", {"query": "up", "start": 0, "end": 11001, "step": 1}, 400, "bad_data", "11,000 points"),
        (
            "query_range",
            {"query": "up[1m]", "start": 0, "end": 1, "step": 1},
            400,
            "bad_data",
            "invalid expression type",
        ),
        ("series", {}, 400, "bad_data", "no match[] parameter provided"),
        ("series", {"match[]": "sum(up)"}, 400, "bad_data", 'invalid parameter "match[]"'),
        ("series", {"match[]": '{a=~".*"}'}, 400, "bad_data", "match[]"),
        ("label//values", {}, 400, "bad_data", "invalid label name"),
        ("metadata", {"limit": "many"}, 400, "bad_data", "limit"),
        ("nowhere", {}, 404, "not_found", "/api/v1/nowhere is not served here"),
    ],
)
async def test_errors(
    api: PrometheusApi, path: str, parameters: dict[str, object], status: int, kind: str, message: str
) -> None:
    """Each has Prometheus's status, type and words."""
    body = await answer(api, path, status, **parameters)
    assert (body["status"], body["errorType"]) == ("error", kind)
    assert message in body["error"]


async def test_bad_requests(api: PrometheusApi) -> None:
    """A form that is no text, a form with a thousand fields."""
    assert (await api.handle("POST", "query", "", b"query=\xff", FORM)).status == 400
    assert (await api.handle("GET", "query", "a=b&" * 2000)).status == 400


async def test_series_labels_and_values(api: PrometheusApi) -> None:
    """What Grafana's query builder asks, with and without selectors."""
    assert (await answer(api, "series", **{"match[]": ["up", '{job="a"}']}))["data"] == [
        dict(LATENCY),
        dict(UP),
        {"__name__": "up", "job": "b"},
    ]
    assert (await answer(api, "labels"))["data"] == ["__name__", "job"]
    assert (await answer(api, "label/__name__/values"))["data"] == ["latency", "up"]
    assert (await answer(api, "label/job/values", **{"match[]": "latency"}))["data"] == ["a"]
    assert (await answer(api, "label/job/values", start=1000, end=2000))["data"] == []


async def test_metadata(api: PrometheusApi) -> None:
    """Type, unit and help by family."""
    assert (await answer(api, "metadata", metric="latency"))["data"] == {
        "latency": [{"type": "histogram", "unit": "s", "help": ""}]
    }
    assert list((await answer(api, "metadata", limit=1, limit_per_metric=1))["data"]) == ["latency"]


async def test_exemplars(api: PrometheusApi) -> None:
    """Of every selector of the query, with the trace's id as a label."""
    assert (await answer(api, "query_exemplars", query="histogram_quantile(1, rate(latency[1m])) + up"))["data"] == [
        {
            "seriesLabels": dict(LATENCY),
            "exemplars": [{"labels": {"a": "b", "trace_id": "01" * 16}, "value": "0.25", "timestamp": 1.5}],
        }
    ]
    assert (await answer(api, "query_exemplars", query="latency", start=2))["data"] == []


async def test_what_a_data_source_probes(api: PrometheusApi) -> None:
    """The version whose behaviour it may expect; no rules, no alerts."""
    assert (await answer(api, "status/buildinfo"))["data"]["version"].startswith("3.")
    assert (await answer(api, "rules"))["data"] == {"groups": []}
    assert (await answer(api, "alerts"))["data"] == {"alerts": []}


class Broken:
    """A metrics port whose store is away."""

    async def query(self, *_: object) -> InstantResult:
        """Never."""
        raise Unavailable("the store", "it is being repaired")

    async def query_range(self, *_: object) -> RangeResult:
        """Never."""
        raise Unavailable("the store", "it is being repaired")


async def test_an_unavailable_store_may_be_asked_again() -> None:
    """503, with the reason; without a store of exemplars there are none."""
    api = PrometheusApi(Broken(), MemorySource())
    body = await answer(api, "query", 503, query="up")
    assert body == {
        "status": "error",
        "errorType": "unavailable",
        "error": "the store is unavailable: it is being repaired",
    }
    assert (await answer(api, "query_exemplars", query="up"))["data"] == []


async def test_methods(api: PrometheusApi) -> None:
    """Forms for queries, series and labels; everything may be asked what it takes, nothing may be changed."""
    assert (await api.handle("POST", "label/job/values")).status == 405
    assert (await api.handle("HEAD", "query", "query=1")).status == 405
    assert (await api.handle("DELETE", "query")).status == 405
    told = await api.handle("OPTIONS", "query")
    assert (told.status, told.body) == (204, b"")


@pytest.mark.parametrize("asked", ["0", "300", "5m"])
async def test_the_own_lookback_may_be_asked_for(api: PrometheusApi, asked: str) -> None:
    """As may the default."""
    assert (await answer(api, "query", query="1", lookback_delta=asked))["data"]["resultType"] == "scalar"


@pytest.mark.parametrize("steps", [5, 20_000])
async def test_the_points_of_a_range_query_are_bounded_by_the_setting(steps: int) -> None:
    """Below Prometheus's 11,000 and above."""
    source, limits = MemorySource(), Limits(steps=steps)
    metrics = PromqlMetrics(Engine(source, limits))
    api = PrometheusApi(metrics, source, limits=limits)
    most = await answer(api, "query_range", query="vector(1)", start=0, end=steps, step=1)
    more = await answer(api, "query_range", 400, query="vector(1)", start=0, end=steps + 1, step=1)
    metrics.close()
    assert len(most["data"]["result"][0]["values"]) == steps + 1
    assert more["error"].startswith(f"exceeded maximum resolution of {steps:,} points per timeseries.")
