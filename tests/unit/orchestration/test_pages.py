"""Lists in pages: nothing lost, nothing twice, whatever is added meanwhile; and how many are read at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import RUN, events, transfer

from flashmm_backends.ledger import MEDIA_TYPE, Ledger, LedgerSettings
from flashmm_backends.ledger.remote import RemoteEvents
from flashmm_backends.ports import LogLine, NotFound, OrderSummary, OrderTrace, QueryRefused, Unavailable, Window
from flashmm_instrumentation.semconv import EVENT_KINDS, FieldType
from flashmm_orchestration.access import Receive, Scope, Send
from flashmm_orchestration.api import Parts, build_app
from flashmm_orchestration.api._cursor import EventCursor, LatestCursor, encoded, event_cursor, latest_cursor
from flashmm_orchestration.api._gate import Busy, Gate, GateLimits
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._where import parse_conditions
from flashmm_orchestration.api.events import events_router
from flashmm_orchestration.api.logs import logs_router
from flashmm_orchestration.api.orders import orders_router
from flashmm_orchestration.api.telemetry import HttpTelemetry

NOW = 1_790_000_000_000_000_000
KIND = "flashmm.transfer"
SIZE = PageSize(3, 5)
WIDE = GateLimits(4, 4, 30.0)


def gate(limits: GateLimits = WIDE, registry: CollectorRegistry | None = None) -> Gate:
    return Gate("rows", limits, HttpTelemetry(registry or CollectorRegistry()))


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without a page."""


def served(*routers: Any) -> httpx.AsyncClient:
    parts, telemetry = Parts(routers=routers, socket=nothing, page=nothing), HttpTelemetry(CollectorRegistry())
    app = build_app(parts, version="1", hosts=["test"], token="", telemetry=telemetry)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def events_client(
    directory: Path, limits: GateLimits = WIDE
) -> AsyncGenerator[tuple[Ledger, httpx.AsyncClient]]:
    settings = LedgerSettings(maintenance_interval_s=3_600.0)
    async with (
        Ledger.open(directory, settings, lambda: NOW, CollectorRegistry()) as ledger,
        served(events_router(ledger, lambda: NOW, gate(limits), SIZE)) as http,
    ):
        yield ledger, http


@pytest.mark.parametrize(
    ("kind", "hint"),
    [("flashmm.fil", "did you mean flashmm.fill?"), ("x", "/api/events lists the kinds"), ("y" * 999, "lists")],
)
async def test_a_kind_that_is_none_is_told_with_the_near_one(tmp_path: Path, kind: str, hint: str) -> None:
    """404, with what was meant, or where all kinds are."""
    async with events_client(tmp_path) as (_, http):
        answer = await http.get(f"/api/events/{kind}")
    assert answer.status_code == 404
    assert hint in answer.json()["error"]["message"]
    assert len(answer.text) < 300


async def pages(http: httpx.AsyncClient, address: str) -> AsyncIterator[Mapping[str, Any]]:
    following: str | None = address
    while following:
        page = (await http.get(following)).raise_for_status().json()
        yield page
        following = page["next"]


async def test_the_pages_of_a_window_are_the_window(tmp_path: Path) -> None:
    """Every event once, in order of time, run and number, though many share a nanosecond and runs are mixed."""
    runs = (RUN, "another-run", "")
    sent = [(NOW - 10 + i // 4, run, i + 1) for i in range(8) for run in runs]
    async with events_client(tmp_path) as (ledger, http):
        for at, run, seq in sent:
            await ledger.append(events(transfer(seq, at, run=run)))
        found = [page async for page in pages(http, f"/api/events/{KIND}?start=1m&end={NOW}")]
    got = [
        row for page in found for row in zip(*(page["columns"][n] for n in ("time_ns", "run", "seq")), strict=True)
    ]
    assert got == sorted(sent)
    assert [len(page["columns"]["seq"]) for page in found] == [3] * 8
    assert {page["completeness"]["received"] for page in found} == {24}


async def test_what_arrives_meanwhile_moves_nothing(tmp_path: Path) -> None:
    """What was there at first is given once each; the relative window of the first page stays."""
    async with events_client(tmp_path) as (ledger, http):
        await ledger.append(events(*(transfer(2 * i, NOW - 100 + 2 * i) for i in range(1, 13))))
        seen: list[int] = []
        windows: set[tuple[int, int]] = set()
        async for page in pages(http, f"/api/events/{KIND}?start=1m&limit=5"):
            late = len(seen) * 2 + 1
            await ledger.append(events(transfer(late, NOW - 100 + late)))
            seen += page["columns"]["seq"]
            windows.add((page["start_ns"], page["end_ns"]))
    assert len(seen) == len(set(seen))
    assert [seq for seq in seen if seq % 2 == 0] == list(range(2, 26, 2))
    assert windows == {(NOW - 60 * 10**9, NOW)}


async def test_a_page_keeps_the_conditions_and_the_size(tmp_path: Path) -> None:
    """The next address asks for the same, with text that must be quoted in an address."""
    odd = "a&b=c d\u00e9"
    async with events_client(tmp_path) as (ledger, http):
        await ledger.append(events(*(transfer(i, NOW - i, currency=odd) for i in range(1, 8)), transfer(8, NOW - 8)))
        address = httpx.URL(f"/api/events/{KIND}", params={"where": f"currency={odd}", "limit": "4"})
        found = [page async for page in pages(http, str(address))]
    assert [page["columns"]["currency"] for page in found] == [[odd] * 4, [odd] * 3]


async def test_an_arrow_stream_is_not_cut(tmp_path: Path) -> None:
    """Other processes read whole windows, in pieces; and completeness needs no rows."""
    async with events_client(tmp_path) as (ledger, http):
        await ledger.append(events(*(transfer(i, NOW - i) for i in range(1, 21))))
        assert len(await RemoteEvents(http).events(KIND, Window(0, NOW))) == 20
        alone = (await http.get(f"/api/events/{KIND}?rows=false")).json()
    assert (alone["columns"], alone["completeness"]["received"]) == ({}, 20)


async def test_a_stream_gives_its_place_back(tmp_path: Path) -> None:
    """One place: the second stream would wait for ever if the first kept it."""
    async with events_client(tmp_path, GateLimits(1, 0, 30.0)) as (_, http):
        for _ in range(3):
            answer = await http.get(f"/api/events/{KIND}", headers={"accept": MEDIA_TYPE})
            assert answer.status_code == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=6", "at most 5"),
        ("cursor=x", "take it from"),
        ("cursor=" + "A" * 5000, "take it from"),
        ("where=price:x", "'price:x'"),
        ("where=nope=1", "'nope'"),
        ("where=amount%3E=1", "'amount>'"),
        ("where=amount=abc", "'amount'"),
        ("where=amount=NaN", "'amount'"),
        ("where=amount=1&where=amount=2", "'amount'"),
    ],
)
async def test_what_cannot_be_asked_is_named(tmp_path: Path, query: str, words: str) -> None:
    """400 with the parameter and the field, never an empty answer."""
    async with events_client(tmp_path) as (_, http):
        answer = await http.get(f"/api/events/{KIND}?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ("levels=1", True),
        ("levels=1.5", False),
        ("levels=99999999999999999999", False),
        ("value=1e-3", True),
        ("value=one", False),
        ("two_sided=true", True),
        ("two_sided=yes", False),
    ],
)
def test_a_condition_has_its_fields_type(condition: str, fits: bool) -> None:
    """Whole numbers of 64 bits, numbers, true and false."""
    kind, parameter = _kind_with(condition)
    if fits:
        assert parse_conditions(kind, [parameter])
    else:
        with pytest.raises(QueryRefused):
            parse_conditions(kind, [parameter])


def _kind_with(condition: str) -> tuple[str, str]:
    """A kind that has a field of the type that the condition is about, and the condition on it."""
    wanted = {"levels": FieldType.INT, "value": FieldType.FLOAT, "two_sided": FieldType.BOOL}
    name, _, value = condition.partition("=")
    for kind in EVENT_KINDS.values():
        for field in kind.fields:
            if field.type is wanted[name]:
                return kind.name, f"{field.name}={value}"
    pytest.skip(f"no field is {wanted[name]}")


@given(st.integers(0, 2**63 - 1), st.text(max_size=50), st.integers(0, 2**63 - 1))
def test_a_cursor_survives_its_journey(number: int, text: str, other: int) -> None:
    """What is encoded is what is decoded, in characters that an address may hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    where = EventCursor(number, other, number, text, other)
    assert event_cursor(encoded(where)) == where
    assert encoded(where).replace("-", "").replace("_", "").isalnum()
    latest = LatestCursor(number, other, number, text, 1)
    assert latest_cursor(encoded(latest)) == latest


@given(st.text(max_size=200))
def test_any_other_text_is_no_cursor(text: str) -> None:
    """Refused, whatever it is."""
    with pytest.raises(QueryRefused):
        event_cursor(text)


class ManyOrders:
    """A trace store of orders; more are placed whenever it is asked."""

    def __init__(self, placed: Sequence[tuple[int, str]], later: Iterator[tuple[int, str]]) -> None:
        self.placed = list(placed)
        self._later = later

    async def trace(self, trace_id: bytes) -> Any:
        raise NotFound(trace_id.hex())

    async def order(self, order_id: str) -> OrderTrace:
        raise NotFound(order_id)

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]:
        assert where == {"symbol": "S"}
        inside = [each for each in self.placed if window.start_ns <= each[0] < window.end_ns]
        self.placed += [each for _, each in zip(range(1), self._later, strict=False)]
        latest = sorted(inside, key=lambda each: (-each[0], each[1]))[:limit]
        told = "maker-1", "main", "binance", "S", "buy", "", "1", "acked"
        return [OrderSummary(name, b"", *told, at, 1) for at, name in latest]


@given(st.lists(st.integers(0, 6), max_size=20), st.lists(st.integers(0, 40), max_size=6))
def test_the_pages_of_orders_lose_none(times: list[int], later: list[int]) -> None:
    """Latest first, many in one nanosecond, more placed while it is read: each that was there at first once."""
    placed = [(NOW - 1 - at, f"o{i:02}") for i, at in enumerate(times)]
    added = iter([(NOW - 1 - at, f"z{i}") for i, at in enumerate(later)])
    store = ManyOrders(placed, added)

    async def read() -> list[str]:
        async with served(orders_router(store, lambda: NOW, gate(), PageSize(3, 40))) as http:
            found = [page async for page in pages(http, "/api/orders?start=1m&symbol=S")]
            return [order["order_id"] for page in found for order in page["orders"]]

    got = asyncio.run(read())
    assert len(got) == len(set(got))
    assert [name for name in got if name.startswith("o")] == [
        name for _, name in sorted(placed, key=lambda each: (-each[0], each[1]))
    ]


class AskedFor(ManyOrders):
    """No orders and no log lines, but what was asked for."""

    def __init__(self) -> None:
        super().__init__((), iter(()))
        self.asked: list[tuple[Window, Mapping[str, str] | None, int]] = []

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]:
        self.asked.append((window, where, limit))
        return ()

    async def logs(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 1_000
    ) -> Sequence[LogLine]:
        self.asked.append((window, where, limit))
        return ()


@pytest.mark.parametrize("path", ["/api/orders", "/api/logs"])
async def test_a_cursor_that_a_client_made_up_asks_for_no_more_than_a_page_may_hold(path: str) -> None:
    """Twice `rows_max` rows are read at most, whatever number of ties is told."""
    store = AskedFor()
    routers = orders_router(store, lambda: NOW, gate(), SIZE), logs_router(store, lambda: NOW, gate(), SIZE)
    async with served(*routers) as http:
        answers = [
            await http.get(path, params={"cursor": encoded(LatestCursor(0, NOW, NOW, "", ties)), "limit": "5"})
            for ties in (5, 6, 1_000_000)
        ]
    assert [answer.status_code for answer in answers] == [200, 400, 400]
    assert "over 5 rows (http.rows_max) have one time" in answers[1].json()["error"]["message"]
    assert store.asked == [(Window(0, NOW + 1), {}, 11)]


async def test_a_full_gate_sends_away_and_counts() -> None:
    """One runs, one waits, the third is told to come back; the waiting one is let in afterwards."""
    registry = CollectorRegistry()
    narrow, begun, end = gate(GateLimits(1, 1, 30.0), registry), asyncio.Event(), asyncio.Event()

    async def read() -> str:
        async with narrow.passed():
            begun.set()
            await end.wait()
            return "read"

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(read())
        await begun.wait()
        second = tasks.create_task(read())
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="rows"):
            await read()
        end.set()
    assert (first.result(), second.result()) == ("read", "read")
    assert registry.get_sample_value("flashmm_http_reads_refused_total", {"gate": "rows"}) == 1
    assert registry.get_sample_value("flashmm_http_reads_running", {"gate": "rows"}) == 0


async def test_a_read_that_the_store_cannot_answer_is_counted() -> None:
    """And told; a wrong question is none of them."""
    registry = CollectorRegistry()
    wide = gate(registry=registry)
    for error in (Unavailable("the ledger", "no memory"), QueryRefused("bad_data", "no such field")):
        with pytest.raises(type(error)):
            async with wide.passed():
                raise error
    assert registry.get_sample_value("flashmm_http_reads_failed_total", {"gate": "rows"}) == 1


async def test_a_queue_that_does_not_move_is_left() -> None:
    """After its time a waiting read is told to come back, and its place in the queue is free."""
    narrow = gate(GateLimits(1, 1, 0.01))
    async with narrow.passed():
        for _ in range(2):
            with pytest.raises(Busy):
                async with narrow.passed():
                    pytest.fail("two at a time")


async def test_a_busy_answer_says_when_to_come_back() -> None:
    """503 with Retry-After, in the API's own form."""
    shut = gate(GateLimits(1, 0, 1.0))
    store = ManyOrders([], iter(()))
    async with shut.passed(), served(orders_router(store, lambda: NOW, shut, SIZE)) as http:
        answer = await http.get("/api/orders")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "busy"


def test_amounts_of_conditions_are_decimals() -> None:
    """A field named with its exact value."""
    assert parse_conditions(KIND, [f"amount={Decimal('0.10')}"]) == {"amount": "0.10"}
