"""Requests as a fuzzer sends them, to every route that the product describes: an answer each, never a failure."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.product import BIN, running_product
from tests.unit.receiver.strategies import soaked

PROMETHEUS = (
    "query", "query_range", "query_exemplars", "series", "labels", "label/job/values", "label/U__/values", "metadata",
    "status/buildinfo", "status/tsdb", "rules", "alerts", "targets", "",
)  # fmt: skip
OF_PROMETHEUS = ("query", "time", "start", "end", "step", "timeout", "limit", "match[]", "lookback_delta", "metric")
ODD_NAMES = ("", "strat", "limt", "a.b", "x" * 200, "\x00", "ü", "where[]")
HALF_RIGHT = (
    "15m", "1h", "0", "1", "-1", "1e3", "NaN", "inf", "2026-01-31T12:00:00Z", "2026-13-45", "0001-01-01", "9" * 30,
    "true", "false", "null", "error", "24", "25", "venue=x", "price=NaN", "price=1e999999", "seq=1", "seq=x", "=",
    "a=b=c", "1,run,1", ",,", "eyJzdGFydF9ucyI6MX0", "flashmm.stream", "flashmm.fill", "BTCUSDT", "00" * 16,
    "zz" * 16,
    "up", '{job=~".+"}', '{a=~"(a+)+$"}', "rate(up[5m])", "(" * 80, "up offset inf", "9" * 400 + "d", "٣", "²",
)  # fmt: skip

values = st.sampled_from(HALF_RIGHT) | st.text(max_size=20) | st.integers(-(2**70), 2**70).map(str)
bodies = st.recursive(
    st.none() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@dataclass(frozen=True, slots=True)
class Route:
    """A route as the product describes it."""

    method: str
    path: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """The product, and all that it serves."""

    http: httpx.Client
    routes: tuple[Route, ...] = field(repr=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The product with a metric, a span, a log line and an event in it."""
    with running_product(tmp_path_factory.mktemp("data")) as product, httpx.Client(base_url=product.http) as http:
        probe = [BIN / "flashmm", "doctor", "--url", product.http, "--otlp", f"http://{product.otlp_http}"]
        subprocess.run(probe, check=True, capture_output=True)
        described = http.get("/openapi.json").json()["paths"]
        own = [_route(path, method, told) for path, methods in described.items() for method, told in methods.items()]
        theirs = [Route(way, f"/api/v1/{path}", OF_PROMETHEUS) for path in PROMETHEUS for way in ("GET", "POST")]
        yield Served(http, (*own, *theirs))


def _route(path: str, method: str, told: dict[str, Any]) -> Route:
    names = [each["name"] for each in told.get("parameters", ()) if each["in"] == "query"]
    return Route(method.upper(), path, tuple(names))


@given(data=st.data())
@settings(max_examples=soaked(20_000))
@pytest.mark.soak
def test_no_request_is_a_failure_of_ours(served: Served, data: st.DataObject) -> None:
    """Nothing is answered 500; what is refused names what is wrong, in the form of its API."""
    route = data.draw(st.sampled_from(served.routes))
    known = route.parameters or ODD_NAMES
    names = st.sampled_from((*known, *ODD_NAMES) if data.draw(st.booleans()) else known)
    fields = data.draw(st.lists(st.tuples(names, values), max_size=4))
    body = data.draw(bodies) if route.method == "POST" else None
    answer = _sent(served.http, route, _path(route.path, data.draw(values)), fields, body)
    _check(answer, ["body", "id", *route.parameters, *(repr(name[:64]) for name, _ in fields)])


def _sent(http: httpx.Client, route: Route, path: str, fields: list[tuple[str, str]], body: object) -> httpx.Response:
    if body is None:
        return http.request(route.method, path, params=fields)
    if route.path.startswith("/api/v1/"):
        return http.request(route.method, path, data=dict(fields))
    return http.request(route.method, path, params=fields, content=json.dumps(body))


def _path(path: str, value: str) -> str:
    begin, brace, rest = path.partition("{")
    return begin + quote(value or "x", safe="") + rest.partition("}")[2] if brace else path


def _check(answer: httpx.Response, names: list[str]) -> None:
    if answer.is_success or not answer.request.url.path.startswith("/api/"):
        assert answer.status_code < 500
        return
    told = answer.json()
    if answer.request.url.path.startswith("/api/v1/"):
        assert answer.status_code in {400, 404, 405, 422, 503}
        assert (told["status"], bool(told["errorType"]), bool(told["error"])) == ("error", True, True)
        return
    assert answer.status_code in {400, 404, 405, 422}
    message = told["error"]["message"]
    assert answer.status_code in {404, 405} or any(name in message for name in names), message
