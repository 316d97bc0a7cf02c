"""The HTTP application, over ports that hold nothing or one thing."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter

from flashmm_backends.batch import Event, Span, SpanEvent, SpanLink
from flashmm_backends.ports import NotFound, OrderSummary, OrderTrace, Unavailable, Window
from flashmm_orchestration.access import Receive, Scope, Send
from flashmm_orchestration.api import Parts, build_app
from flashmm_orchestration.api._gate import Gate, GateLimits
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._wire import plain
from flashmm_orchestration.api.orders import orders_router
from flashmm_orchestration.api.probes import probes_router
from flashmm_orchestration.api.telemetry import HttpTelemetry
from flashmm_orchestration.api.traces import traces_router
from flashmm_orchestration.health import Health, Status

NOW = 1_800_000_000_000_000_000
SPAN = Span(
    trace_id=b"\x01" * 16,
    span_id=b"\x02" * 8,
    parent_span_id=b"",
    name="order",
    kind=1,
    start_ns=NOW,
    end_ns=NOW + 1500,
    status=2,
    status_message="rejected",
    resource_id=1,
    scope="",
    attributes={"price": Decimal("0.10"), "deep": {"list": [1, b"\xff"]}},
    events=(SpanEvent("seen", NOW, {}),),
    links=(SpanLink(b"\x03" * 16, b"\x04" * 8, {}),),
    service="maker-1",
)
EVENT = Event("kind", NOW, "run", 1, "bot", "main", b"", b"", {"fee": Decimal("-1E-8"), "mid": None})


class OneOrder:
    """A trace store with a single order."""

    def __init__(self) -> None:
        self.asked: list[tuple[Window, Mapping[str, str] | None, int]] = []

    async def trace(self, trace_id: bytes) -> Sequence[Span]:
        raise Unavailable("the trace store", trace_id.hex())

    async def order(self, order_id: str) -> OrderTrace:
        if order_id == "gone":
            raise Unavailable("the ledger", "it restarts")
        if order_id != "o-1":
            raise NotFound(f"order {order_id!r}")
        return OrderTrace("o-1", (SPAN,), (), (EVENT,))

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]:
        self.asked.append((window, where, limit))
        told = "maker-1", "main", "binance", "BTCUSDT", "buy", "100.5", "", "acked"
        return [OrderSummary("o-1", b"\x01" * 16, *told, NOW, 1500)]


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without a page."""
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def client(traces: OneOrder, health: Health | None = None) -> httpx.AsyncClient:
    registry = CollectorRegistry()
    Counter("seen", "Seen.", registry=registry).inc()
    board = health or Health(lambda: NOW)
    gate = Gate("rows", GateLimits(4, 4, 30.0), HttpTelemetry(registry))
    parts = Parts(
        routers=(
            orders_router(traces, lambda: NOW, gate, PageSize(100, 1000)),
            traces_router(traces, gate),
            probes_router(board, registry, lambda: {"more": 1}),
        ),
        socket=nothing,
        page=nothing,
    )
    app = build_app(parts, version="1", hosts=["test"], token="", telemetry=HttpTelemetry(CollectorRegistry()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")  # pyright: ignore[reportArgumentType]


async def test_the_list_of_orders_covers_the_last_quarter_hour_by_default() -> None:
    """The window, the filter and the limit reach the port."""
    traces = OneOrder()
    async with client(traces) as http:
        answer = await http.get("/api/orders", params={"symbol": "BTCUSDT", "limit": 7})
    assert answer.json()["orders"][0]["order_id"] == "o-1"
    assert traces.asked == [(Window(NOW - 900 * 10**9, NOW), {"symbol": "BTCUSDT"}, 7 + 1)]


async def test_one_order_comes_whole() -> None:
    """Spans with exact durations, decimals as strings, ids as hex."""
    async with client(OneOrder()) as http:
        order = (await http.get("/api/orders/o-1")).json()
        assert (await http.get("/api/orders/", params={"id": "o-1"})).json() == order
    span = order["placement"][0]
    assert (span["duration_ns"], span["status"], span["trace_id"]) == (1500, "error", "01" * 16)
    assert span["service"] == "maker-1"
    assert span["attributes"] == {"price": "0.10", "deep": {"list": [1, "ff"]}}
    assert order["events"][0]["fields"] == {"fee": "-0.00000001", "mid": None}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/orders/nope", 404, "order 'nope' is not in the store"),
        ("/api/orders/a%2Fb", 404, "order 'a/b' is not in the store"),
        ("/api/traces/xyz", 404, "trace xyz is not in the store"),
        ("/api/orders/?id=..", 404, "order '..' is not in the store"),
        ("/api/orders/?id=a%0Ab", 404, "order 'a\\nb' is not in the store"),
        ("/api/orders/gone", 503, "it restarts"),
        ("/api/orders?start=yesterday", 400, "start='yesterday'"),
        ("/api/orders?limit=0", 422, "limit: "),
        ("/api/orders?symbl=BTCUSDT", 400, "'symbl': /api/orders has no such parameter, it has start, end, symbol, "),
        ("/api/orders?symbl=BTCUSDT", 400, "; did you mean symbol?"),
        ("/api/orders?start=1h&start=2h", 400, "'start': /api/orders takes one; leave the others out"),
        ("/api/orders?where=side=buy&where=side=sell", 400, "where: one value a field"),
        ("/api/orders?where=symbol=A&symbol=B", 400, "where: one value a field"),
        ("/api/orders?where=side=buy&where=sid=x", 400, "where, 'sid': orders are chosen by"),
        ("/api/orders?limit=0&x=1", 400, "'x': /api/orders has no such parameter"),
        ("/api/orders/?id=o-1&start=1h", 400, "'start': /api/orders/ has no such parameter, it has id"),
        ("/api/orders/o-1?start=1h", 400, "'start': /api/orders/{order_id} has no such parameter, it has none"),
        ("/api/traces/00?limit=1", 400, "'limit': /api/traces/{trace_id} has no such parameter, it has none"),
    ],
)
async def test_errors_have_one_form(path: str, status: int, words: str) -> None:
    """A code for programs, a message for people, the status that fits."""
    async with client(OneOrder()) as http:
        answer = await http.get(path)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/api/ordres", 404, "'/api/ordres' is not an address of this API"),
        ("GET", "/api/traces/a/b", 404, "'/api/traces/a/b' is not an address of this API"),
        ("GET", "/api/orders/%0A0", 404, "order '\\n0' is not in the store"),
        ("GET", "/api/a%0Ab", 404, "'/api/a\\nb' is not an address of this API"),
        ("PUT", "/api/orders", 405, "'/api/orders' takes GET"),
        ("DELETE", "/api/traces/00", 405, "'/api/traces/00' takes GET"),
    ],
)
async def test_what_is_no_route_of_the_api_is_told_in_its_form(
    method: str, path: str, status: int, words: str
) -> None:
    """Not by the page, which knows nothing of methods and addresses here."""
    async with client(OneOrder()) as http:
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert answer.headers.get("allow") == ("GET" if status == 405 else None)


async def test_probes_take_whatever_a_prober_adds() -> None:
    """Load balancers and scrapers put parameters of their own into the address."""
    async with client(OneOrder()) as http:
        assert (await http.get("/livez?probe=1")).status_code == 200
        assert (await http.get("/metrics?name[]=seen")).status_code == 200


async def test_probes_follow_the_health_board() -> None:
    """Alive at once, until only a restart helps; ready when all is up; and both say what is missing."""
    health = Health(lambda: NOW)
    health.add("ledger")
    async with client(OneOrder(), health) as http:
        assert (await http.get("/livez")).status_code == 200
        before = await http.get("/readyz")
        assert (before.status_code, before.text) == (503, "ledger: starting\n")
        health.move("ledger", Status.OK)
        assert (await http.get("/readyz")).status_code == 200
        report = (await http.get("/health")).json()
        assert report["ready"] is True
        assert report["more"] == 1
        assert report["components"][0]["name"] == "ledger"
        assert "seen_total 1.0" in (await http.get("/metrics")).text
        health.move("ledger", Status.PERMANENT_ERROR, "its commit thread ended")
        lost = await http.get("/livez")
        assert (lost.status_code, lost.text) == (503, "ledger: permanent_error\n")


async def test_the_api_documents_itself() -> None:
    """Every route of the OpenAPI document is on the page, which loads nothing from elsewhere."""
    async with client(OneOrder()) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        page = await http.get("/docs")
    assert paths
    assert all(path in page.text for path in paths)
    assert '<a href="/">' in page.text
    assert '<a href="/api/v1/query?query=rate%28flashmm_fills_total%5B1m%5D%29">' in page.text
    assert "script" not in page.text
    assert "`" not in page.text


def test_values_that_json_lacks_become_strings_or_null() -> None:
    """NaN is null, numpy's scalars are Python's, anything unknown is its text."""
    assert plain([float("nan"), np.float64(1.5), np.int64(3), True]) == [None, 1.5, 3, True]
    assert plain(complex(1, 2)) == "(1+2j)"
