"""One contract for readers of events: a ledger, and several ledgers read as one, however the events were split."""

import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from tests.product import Product, running_product
from tests.unit.backends.ledger.batches import events, mark, transfer

from flashmm_backends.batch import Event
from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.ledger.remote import RemoteEvents
from flashmm_backends.ports import EventPosition, EventReader, EventTable, Page, QueryRefused, Unavailable, Window
from flashmm_backends.shards import ShardedEvents
from flashmm_orchestration.api import _errors
from flashmm_orchestration.api._gate import Gate, GateLimits
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api.events import events_router
from flashmm_orchestration.api.streams import streams_router
from flashmm_orchestration.api.telemetry import HttpTelemetry

PagedReader = ShardedEvents | RemoteEvents
KIND = "flashmm.transfer"
EVER = Window(0, 2**62)
QUIET = LedgerSettings(maintenance_interval_s=3_600.0, telemetry_days=40_000.0, events_days=40_000.0)
RUNS = ("01999999-0000-7000-8000-000000000001", "01999999-0000-7000-8000-000000000002")
BEGIN_NS = (0x01999999_0000) * 1_000_000


def application(store: Ledger | ShardedEvents) -> FastAPI:
    """The routes that a reader over several ledgers asks, and those that it offers itself."""
    app = FastAPI()
    telemetry = HttpTelemetry(CollectorRegistry())
    _errors.install(app, telemetry)
    gate = Gate("rows", GateLimits(8, 64, 30.0), telemetry)
    app.include_router(events_router(store, time.time_ns, gate, PageSize(100, 1_000)))
    if isinstance(store, Ledger):
        app.include_router(streams_router(store, gate))
    return app


def remote(store: Ledger | ShardedEvents) -> httpx.AsyncClient:
    """A client of a process that serves them."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(store)), base_url="http://ledger")


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[Ledger, httpx.AsyncClient]]:
    async with (
        Ledger.open(folder, QUIET, time.time_ns, CollectorRegistry()) as ledger,
        remote(ledger) as client,
    ):
        yield ledger, client


def history(chance: random.Random) -> list[Event]:
    """Two runs with marks, of which some events and marks were lost on the way."""
    found: list[Event] = []
    for run in RUNS:
        length = chance.randrange(5, 40)
        found += [transfer(seq, BEGIN_NS + seq * 1_000_000, run=run) for seq in range(1, length + 1)]
        for number in range(1, length // 5 + 2):
            high = min(number * 5, length)
            found.append(mark(number, BEGIN_NS + high * 1_000_000 + 10, KIND, high, run=run))
    return [event for event in found if chance.random() > 0.2]


async def same(one: EventReader, other: EventReader, window: Window) -> None:
    """Both answer alike: rows, order, types of columns, completeness."""
    expected, found = await one.events(KIND, window), await other.events(KIND, window)
    assert rows(found) == rows(expected)
    assert {name: each.dtype for name, each in found.columns.items()} == {
        name: each.dtype for name, each in expected.columns.items()
    }
    assert found.completeness == expected.completeness == await other.completeness(KIND, window)


def rows(table: EventTable) -> list[tuple[object, ...]]:
    return list(zip(*(column.tolist() for column in table.columns.values()), strict=True))


@pytest.mark.parametrize("seed", range(4))
async def test_ledgers_together_answer_as_one(tmp_path: Path, seed: int) -> None:
    """Split in any way over three ledgers, some events in two of them: rows and completeness are one ledger's."""
    chance = random.Random(seed)
    emitted = history(chance)
    async with AsyncExitStack() as stack:
        whole, _ = await stack.enter_async_context(opened(tmp_path / "whole"))
        parts = [await stack.enter_async_context(opened(tmp_path / name)) for name in "abc"]
        sharded = ShardedEvents([client for _, client in parts])
        await same(whole, sharded, EVER)
        for event in emitted:
            await whole.append(events(event))
            for ledger, _ in chance.sample(parts, 2 if seed % 2 and chance.random() < 0.2 else 1):
                await ledger.append(events(event))
        through = RemoteEvents(await stack.enter_async_context(remote(sharded)))
        for window in (EVER, *windows(chance)):
            await same(whole, sharded, window)
            await same(whole, through, window)
            await same_pages(whole, [sharded, through], window, chance.randrange(1, 9))


async def same_pages(whole: Ledger, others: Sequence[PagedReader], window: Window, size: int) -> None:
    """Read in pages of any size each gives the same pages, down to the empty one after the last."""
    after: EventPosition | None = None
    while True:
        page = Page(size, after)
        expected = await whole.events(KIND, window, page=page)
        for other in others:
            found = await other.events(KIND, window, page=page)
            assert rows(found) == rows(expected)
            assert found.completeness == expected.completeness
        if not len(expected):
            return
        time_ns, run, seq = (expected.columns[name][-1] for name in ("time_ns", "run", "seq"))
        after = EventPosition(int(time_ns), str(run), int(seq))


async def test_events_of_a_bot_and_of_an_account(tmp_path: Path) -> None:
    """Every reader chooses by who sent the event, as by its fields."""
    async with AsyncExitStack() as stack:
        one, client = await stack.enter_async_context(opened(tmp_path / "one"))
        other, beside = await stack.enter_async_context(opened(tmp_path / "other"))
        for seq, (bot, account) in enumerate((("a", "main"), ("b", "main"), ("b", "hedge")), 1):
            sent = replace(transfer(seq, BEGIN_NS + seq), bot=bot, account=account)
            await one.append(events(sent))
            await other.append(events(sent))
        readers: list[EventReader] = [one, RemoteEvents(client), ShardedEvents([client, beside])]
        for reader in readers:
            for where, expected in (
                ({"bot": "b"}, [2, 3]),
                ({"account": "main"}, [1, 2]),
                ({"bot": "b", "account": "main", "currency": "USDT"}, [2]),
                ({"bot": "c"}, []),
            ):
                assert (await reader.events(KIND, EVER, where)).columns["seq"].tolist() == expected


async def test_a_long_stream_comes_in_pieces(tmp_path: Path) -> None:
    """More events than are in memory at a time, in two ledgers, some in both: the stream over them has each once."""
    async with opened(tmp_path / "a") as (first, a), opened(tmp_path / "b") as (second, b):
        await overlap(first, second)
        async with remote(ShardedEvents([a, b])) as client:
            table = await RemoteEvents(client).events(KIND, EVER)
    assert table.columns["seq"].tolist() == list(range(1, 24_001))
    assert (table.completeness.received, table.completeness.expected) == (24_000, 24_000)


async def overlap(first: Ledger, second: Ledger) -> None:
    """24,000 events of one run, over two ledgers that have some in common."""
    for low in range(1, 24_001, 4_000):
        some = [transfer(seq, BEGIN_NS + seq // 3) for seq in range(low, low + 4_000)]
        await first.append(events(*(event for event in some if event.seq % 3)))
        await second.append(events(*(event for event in some if event.seq % 3 == 0 or event.seq % 5 == 0)))


async def test_events_in_common_are_counted_in_pieces(tmp_path: Path) -> None:
    """A page of one row asks no ledger for a whole window, and yet says how many different events there are."""
    asked: list[httpx.QueryParams] = []

    async def take(request: httpx.Request) -> None:
        if request.url.path.startswith("/api/events/"):
            asked.append(request.url.params)

    async with opened(tmp_path / "a") as (first, a), opened(tmp_path / "b") as (second, b):
        await overlap(first, second)
        a.event_hooks = b.event_hooks = {"request": [take]}
        table = await ShardedEvents([a, b]).events(KIND, EVER, page=Page(1))
    assert (len(table), table.completeness.received) == (1, 24_000)
    assert max(int(each.get("limit", 10**9)) for each in asked) <= 10_000


@pytest.mark.parametrize("after", ["", "1", "1,2", "x,run,1", "1,,1", "1,run,-1", "99999999999999999999,run,1"])
async def test_a_place_that_is_none(tmp_path: Path, after: str) -> None:
    """A place that names no event is refused with its form; an empty one is the beginning."""
    async with opened(tmp_path / "a") as (_, client):
        answer = await client.get(f"/api/events/{KIND}", params={"start": "0", "end": "9", "after": after})
    assert answer.status_code == (400 if after else 200)
    assert not after or "<time_ns>,<run>,<seq>" in answer.json()["error"]["message"]


def windows(chance: random.Random) -> Sequence[Window]:
    """Some pieces of the history."""
    begins = [BEGIN_NS + chance.randrange(0, 30) * 1_000_000 for _ in range(4)]
    return [Window(begin, begin + chance.randrange(1, 20) * 1_000_000) for begin in begins]


async def test_a_bot_that_moved_is_complete(tmp_path: Path) -> None:
    """The first half of a run in one ledger and the second in another: nothing is missing."""
    async with opened(tmp_path / "a") as (first, a), opened(tmp_path / "b") as (second, b):
        for seq in range(1, 11):
            await (first if seq <= 5 else second).append(events(transfer(seq, BEGIN_NS + seq)))
        assert (await second.completeness(KIND, EVER)).ratio == 0.5
        assert (await ShardedEvents([a, b]).completeness(KIND, EVER)).ratio == 1.0


async def test_one_ledger_away_is_not_half_an_answer(tmp_path: Path) -> None:
    """With one of the ledgers unreachable the answer is Unavailable; a bad question is refused."""
    async with opened(tmp_path / "a") as (_, a), httpx.AsyncClient(base_url="http://127.0.0.1:9") as nobody:
        with pytest.raises(Unavailable):
            await ShardedEvents([a, nobody]).events(KIND, EVER)
        with pytest.raises(QueryRefused):
            await ShardedEvents([a]).events(KIND, EVER, {"nonsense": "1"})


async def test_two_real_ledgers_answer_as_one(tmp_path: Path) -> None:
    """Two `flashmm up` with a bot that moved between them, read over HTTP: complete, in order, each event once."""
    with running_product(tmp_path / "a") as first, running_product(tmp_path / "b") as second:
        for seq in range(1, 21):
            deliver(first if seq <= 12 else second, seq)
        deliver(second, 12)
        async with client_of(first) as a, client_of(second) as b:
            table = await ShardedEvents([a, b]).events(KIND, EVER)
    assert table.columns["seq"].tolist() == list(range(1, 21))
    assert table.completeness.received == table.completeness.expected == 20


def client_of(product: Product) -> httpx.AsyncClient:
    """A client of a process of its own."""
    return httpx.AsyncClient(base_url=product.http, timeout=60)


def deliver(product: Product, seq: int) -> None:
    """One event by OTLP over HTTP, as JSON."""
    body = {"transfer_id": f"t{seq}", "amount": "0.10", "currency": "USDT", "venue": "binance"}
    values = [{"key": key, "value": {"stringValue": value}} for key, value in body.items()]
    record = {
        "timeUnixNano": str(BEGIN_NS + seq),
        "eventName": KIND,
        "attributes": [{"key": "flashmm.seq", "value": {"intValue": str(seq)}}],
        "body": {"kvlistValue": {"values": values}},
    }
    about = {"flashmm.run": RUNS[0], "flashmm.bot": "maker-1", "flashmm.account": "main", "service.name": "maker-1"}
    resource = {"attributes": [{"key": key, "value": {"stringValue": value}} for key, value in about.items()]}
    request = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    answer = httpx.post(f"http://{product.otlp_http}/v1/logs", json=request, timeout=60)
    assert answer.is_success, answer.text
    assert "rejected" not in answer.text, answer.text
