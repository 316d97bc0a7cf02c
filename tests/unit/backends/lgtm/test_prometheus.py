"""The metrics port over Prometheus's HTTP API: forms, retries, and failures that say what to change."""

import asyncio
import base64
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.backends.lgtm.store import Answer, Passing, Store, running_store

from flashmm_backends.lgtm import (
    EndpointSettings,
    HandedThrough,
    NotConfigured,
    PrometheusMetrics,
    prometheus_endpoint,
)
from flashmm_backends.ports import InstantResult, QueryRefused, RangeResult, Unavailable

UP = {"__name__": "up", "job": "x"}


def success(kind: str, result: object, **more: object) -> Answer:
    """An answer with data."""
    return Answer({"status": "success", "data": {"resultType": kind, "result": result}, **more})


def failure(kind: str, message: str, status: int) -> Answer:
    """An error that the API tells."""
    return Answer({"status": "error", "errorType": kind, "error": message}, status)


NOTHING = success("vector", [])


async def ask(store: Store | str, passing: Passing | None = None, **settings: object) -> InstantResult:
    """An instant query with these settings."""
    url = store if isinstance(store, str) else store.url
    told = replace(EndpointSettings(url=url), **settings)
    async with prometheus_endpoint(told, (passing or Passing()).time) as endpoint:
        return await PrometheusMetrics(endpoint).query("up", 1_700_000_000_123)


async def ask_range(store: Store) -> RangeResult:
    """A range query."""
    async with prometheus_endpoint(EndpointSettings(url=store.url), Passing().time) as endpoint:
        return await PrometheusMetrics(endpoint).query_range("up", -1_500, 30_000, 15_000)


async def why_not(store: Store | str, passing: Passing | None = None, **settings: object) -> str:
    """How the query fails."""
    with pytest.raises(Unavailable) as failed:
        await ask(store, passing, **settings)
    return str(failed.value)


async def test_a_vector_of_floats_and_histograms() -> None:
    """Labels sorted, times in milliseconds, warnings and infos together."""
    native = {"count": "3", "sum": "4.5", "buckets": [[3, "-0.5", "0.5", "1"], [0, "1", "2", "2"]]}
    rows = [
        {"metric": {"z": "1", "a": "2"}, "value": [1700000000.123, "+Inf"]},
        {"metric": UP, "histogram": [1700000000.123, native]},
    ]
    with running_store(success("vector", rows, warnings=["PromQL warning: w"], infos=["PromQL info: i"])) as store:
        found = await ask(store)
    assert store.asked[0].method == "POST"
    assert store.asked[0].path == "/api/v1/query"
    assert store.asked[0].fields == {"query": ["up"], "time": ["1700000000.123"]}
    first, second = found.samples
    assert (first.labels, first.time_ms, first.value) == ((("a", "2"), ("z", "1")), 1_700_000_000_123, float("inf"))
    assert not isinstance(second.value, float)
    assert (second.value.schema, second.value.zero_threshold, second.value.positive.offset) == (0, 0.5, 1)
    assert found.annotations == ("PromQL warning: w", "PromQL info: i")


async def test_scalars_strings_and_matrices() -> None:
    """Whatever an instant query may answer."""
    series = {"metric": UP, "values": [[1, "2"], [2.5, "NaN"]]}
    with running_store(
        success("scalar", [5, "1e3"]), success("string", [5, "x"]), success("matrix", [series])
    ) as store:
        scalar, text, matrix = [await ask(store) for _ in range(3)]
    assert (scalar.type, scalar.samples[0].value, scalar.samples[0].labels) == ("scalar", 1000.0, ())
    assert (text.type, text.text) == ("string", "x")
    assert matrix.matrix[0].times_ms.tolist() == [1000, 2500]
    assert matrix.matrix[0].values[0] == 2.0


async def test_a_range_is_sorted_by_labels() -> None:
    """And asked for in seconds, before 1970 too."""
    rows = [{"metric": {"a": name}, "values": [[0, "1"]]} for name in ("b", "a")]
    with running_store(success("matrix", rows)) as store:
        found = await ask_range(store)
    assert [row.labels for row in found.series] == [(("a", "a"),), (("a", "b"),)]
    fields = store.asked[0].fields
    assert (fields["start"], fields["end"], fields["step"]) == (["-1.500"], ["30.000"], ["15.000"])


async def test_custom_buckets_are_refused() -> None:
    """The port's histograms are exponential: others aren't bent to fit."""
    held = {"count": "1", "sum": "1", "buckets": [[0, "0", "5", "1"]]}
    row = {"metric": {}, "histogram": [1, held]}
    with running_store(success("vector", [row])) as store, pytest.raises(QueryRefused, match="custom buckets"):
        await ask(store)


@pytest.mark.parametrize(("kind", "status"), [("bad_data", 400), ("execution", 422), ("timeout", 503)])
async def test_what_prometheus_refuses_is_refused(kind: str, status: int) -> None:
    """In its words, after one attempt."""
    with running_store(failure(kind, "its words", status)) as store:
        found = await asyncio.gather(ask(store), return_exceptions=True)
    assert found == [QueryRefused(kind, "its words")]
    assert len(store.asked) == 1


async def test_headers_carry_tenant_and_credentials() -> None:
    """A token before a name and password; a base path before the API's."""
    with running_store(NOTHING) as store:
        await ask(store.url + "/prometheus/", tenant="team-1", token="secret", username="unused")
        await ask(store, username="12", password="key")
        await ask(store)
    first, second, third = store.asked
    assert first.path == "/prometheus/api/v1/query"
    assert (first.headers["X-Scope-OrgID"], first.headers["Authorization"]) == ("team-1", "Bearer secret")
    assert second.headers["Authorization"] == f"Basic {base64.b64encode(b'12:key').decode()}"
    assert "Authorization" not in third.headers
    assert "X-Scope-OrgID" not in third.headers


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_may_pass_is_asked_again(status: int) -> None:
    """With a wait between, until it passes."""
    passing = Passing()
    with running_store(Answer(b"busy", status), failure("unavailable", "no", status), NOTHING) as store:
        assert (await ask(store, passing)).type == "vector"
    assert len(passing.slept) == 2


async def test_retry_after_is_obeyed() -> None:
    """The next attempt waits as long as it was told to."""
    passing = Passing()
    with running_store(Answer(b"", 429, {"retry-after": "17"}), NOTHING) as store:
        await ask(store, passing)
    assert passing.slept == [17.0]


async def test_the_deadline_ends_it() -> None:
    """All attempts together stay within it, and the error counts them; a wait that would exceed it isn't begun."""
    passing = Passing()
    with running_store(Answer(b"overloaded", 503)) as store:
        told = await why_not(store, passing, deadline_s=20.0)
        assert passing.now_s <= 20.0
        assert f"{store.url}/api/v1/query" in told
        assert "HTTP 503 (overloaded)" in told
        assert f"tried {len(store.asked)} times" in told
        assert len(store.asked) > 4
    with running_store(Answer(b"", 503, {"retry-after": "3600"})) as store:
        assert "tried once" in await why_not(store, passing)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"token expired", 401), ("HTTP 401", "expired", "metrics.token (FLASHMM_METRICS__TOKEN)")),
        (failure("x", "forbidden", 403), ("HTTP 403", "metrics.tenant")),
        (Answer(b"404 page", 404), ("HTTP 404", "no Prometheus API", "metrics.url", "/prometheus")),
        (Answer(b"", 302, {"location": "/login"}), ("sends elsewhere (/login)", "metrics.url")),
        (Answer(b"<html>Grafana</html>"), ("isn't Prometheus's JSON", "text/html", "<html>Grafana", "metrics.url")),
        (Answer(b"no org id", 400), ("HTTP 400 (no org id)", "metrics.tenant (FLASHMM_METRICS__TENANT)")),
        (Answer({"status": "success", "data": {"resultType": "other", "result": [1, 2]}}), ("isn't Prometheus's",)),
        (Answer({"status": "error"}), ("isn't Prometheus's",)),
        (Answer([1]), ("isn't Prometheus's",)),
    ],
)
async def test_a_wrong_address_or_credential_is_named(answer: Answer, words: tuple[str, ...]) -> None:
    """At once, with the address that was asked and the setting to change."""
    with running_store(answer) as store:
        told = await why_not(store)
        assert all(word in told for word in (*words, store.url)), told
        assert len(store.asked) == 1


async def test_a_range_that_is_no_matrix_is_no_answer() -> None:
    """Range queries have one form."""
    with running_store(NOTHING) as store, pytest.raises(Unavailable, match="isn't Prometheus's JSON"):
        await ask_range(store)


async def test_a_certificate_of_an_unknown_authority(certificates: Path) -> None:
    """It isn't asked again; with the authority in the settings it is trusted."""
    with running_store(NOTHING, tls=certificates) as store:
        told = await why_not(store)
        assert "self-signed certificate" in told
        assert "metrics.ca_file (FLASHMM_METRICS__CA_FILE)" in told
        assert "tried once" in told
        assert (await ask(store, ca_file=str(certificates / "cert.pem"))).type == "vector"


async def test_nobody_listens() -> None:
    """It is tried until the deadline: a store that restarts comes back."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told = await why_not(f"http://127.0.0.1:{taken.getsockname()[1]}", Passing(), deadline_s=5.0)
    assert "cannot connect" in told
    assert "metrics.url" in told
    assert "times in" in told


async def test_a_store_that_says_nothing() -> None:
    """An attempt is ended, and the setting for its length named."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = await why_not(url, Passing(), attempt_s=0.05, deadline_s=0.01)
    assert "no answer in time" in told
    assert "metrics.attempt_s" in told


@pytest.mark.parametrize("url", ["", "prometheus:9090", "ftp://x", "http://", "http://[::1", "http://x:port"])
async def test_addresses_that_are_none(url: str) -> None:
    """They are refused before anything is asked."""
    with pytest.raises(NotConfigured, match=r"metrics\.url"):
        await ask(url)


async def test_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, and one that is no certificate."""
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("absent.pem", "bad.pem"):
        with pytest.raises(NotConfigured, match=r"metrics\.ca_file.*pem"):
            await ask("https://localhost", ca_file=str(tmp_path / name))


async def handed(store: Store, method: str, path: str, *rest: object) -> tuple[int, bytes]:
    """A request handed through."""
    settings = EndpointSettings(url=store.url + "/base", deadline_s=5.0)
    async with prometheus_endpoint(settings, Passing().time) as endpoint:
        answer = await HandedThrough(endpoint).handle(method, path, *rest)  # type: ignore[arg-type]
    return answer.status, answer.body


async def test_answers_are_handed_through_word_for_word() -> None:
    """What we don't know of them stays: statistics, limits, errors."""
    odd = Answer(b'{"status":"success","data": 1.50}', headers={"content-type": "application/json"})
    with running_store(odd, odd, odd, failure("bad_data", "parse error", 400)) as store:
        form = ("limit=3", b"match[]=up&match[]=x", "application/x-www-form-urlencoded; charset=utf-8")
        assert await handed(store, "POST", "series", *form) == (200, odd.content)
        assert await handed(store, "GET", "label/na me/values", "start=1") == (200, odd.content)
        assert await handed(store, "GET", "metadata") == (200, odd.content)
        assert (await handed(store, "GET", "query", "query=("))[0] == 400
    series, values, metadata, _ = store.asked
    assert (series.path, series.fields) == ("/base/api/v1/series", {"limit": ["3"], "match[]": ["up", "x"]})
    assert (values.path, values.fields) == ("/base/api/v1/label/na%20me/values", {"start": ["1"]})
    assert metadata.method == "GET"


@pytest.mark.parametrize(
    "path",
    [
        "admin/tsdb/delete_series",
        "label/../../admin/values",
        "label/../values",
        "label//values",
        "targets",
        "",
        "query/x",
    ],
)
async def test_nothing_but_reading_is_handed_through(path: str) -> None:
    """Administration behind the same address stays out of reach, however it is spelled."""
    with running_store(NOTHING) as store:
        status, _ = await handed(store, "POST", path)
    assert status == 404
    assert not store.asked


async def test_what_cannot_be_handed_through() -> None:
    """Other methods, broken forms, and a store that isn't there, each in the API's own form."""
    with running_store(Answer(b"<html>")) as store:
        assert (await handed(store, "DELETE", "query"))[0] == 405
        broken = await handed(store, "POST", "query", "", b"\xff=1", "application/x-www-form-urlencoded")
        status, body = await handed(store, "GET", "query", "query=up")
    assert broken[0] == 400
    assert status == 503
    assert b'"errorType":"unavailable"' in body
    assert b"metrics.url" in body
