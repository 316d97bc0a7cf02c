"""The live feed, against a local exchange that replays a recording."""

import asyncio
import json
import time
from random import Random

import pytest
from tests.unit.demo.builders import depth, snapshot

from flashmm_demo._book import LocalBook
from flashmm_demo._messages import Depth, Message, Reset, Snapshot, Ticker
from flashmm_demo.feeds import BackOff, BinanceFeed
from flashmm_demo.feeds._depth_chain import DepthChain

from .conftest import Exchange

FAST = BackOff(0.001, 0.01, Random(1))


def live(exchange: Exchange, stream_url: str | None = None) -> BinanceFeed:
    return BinanceFeed(("BTCUSDT",), stream_url or exchange.stream_url, exchange.rest_url, time.time_ns, FAST)


async def heard(feed: BinanceFeed, until) -> list[Message]:
    """Messages up to the first that ends the wait."""
    messages: list[Message] = []
    async with asyncio.timeout(120):
        while not messages or not until(messages):
            message = await feed.next(time.time_ns() + 1_000_000_000)
            if message is not None:
                messages.append(message)
    return messages


def synced_with(exchange: Exchange):
    """All lines and a snapshot have come."""
    wanted = len(exchange.lines) + 1
    return lambda messages: len(messages) >= wanted and any(isinstance(m, Snapshot) for m in messages)


async def test_the_book_is_synced_with_a_snapshot_whenever_that_comes(exchange: Exchange) -> None:
    """The stream's messages and the snapshot give the book that the exchange has, without a gap."""
    async with live(exchange) as feed:
        messages = await heard(feed, synced_with(exchange))
    book = LocalBook()
    for message in messages:
        book.apply(message)
    assert (book.synced, book.gaps) == (True, 0)
    last = [message for message in messages if isinstance(message, Ticker)][-1]
    top = book.top()
    assert top is not None
    assert (top.bid, top.ask) == (last.bid, last.ask)
    assert exchange.paths[0] == "/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@trade"


async def test_messages_are_stamped_with_their_local_arrival(exchange: Exchange) -> None:
    """By the bot's clock, never going back, whatever the exchange's time says."""
    began_ns = time.time_ns()
    async with live(exchange) as feed:
        messages = await heard(feed, lambda got: len(got) >= 50)
    times = [message.received_ns for message in messages]
    assert times == sorted(times)
    assert began_ns <= times[0] <= times[-1] <= time.time_ns()


async def test_a_lost_connection_is_made_again_after_a_reset(exchange: Exchange) -> None:
    """Rudely aborted twice: each time the book is told to forget, and a new snapshot comes."""
    exchange.scripts = [[*exchange.lines[:20], None], [*exchange.lines[:30], None]]

    def recovered(messages: list[Message]) -> bool:
        resets = [n for n, message in enumerate(messages) if isinstance(message, Reset)]
        return len(resets) >= 2 and any(isinstance(m, Snapshot) for m in messages[resets[1] :])

    async with live(exchange) as feed:
        messages = await heard(feed, recovered)
        assert feed.connections == 3
    reset = next(message for message in messages if isinstance(message, Reset))
    assert "ConnectionClosed" in reset.reason


async def test_garbage_is_counted_and_the_rest_goes_on(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    """Text, binary and JSON that make no sense do not end the feed; the first and their number are told."""
    exchange.scripts = [["nonsense", '{"stream":"x","data":{"e":"trade"}}', '{"result":null}', *exchange.lines[:5]]]
    async with live(exchange) as feed:
        messages = await heard(feed, lambda got: sum(not isinstance(m, Snapshot) for m in got) >= 5)
        assert feed.connections == 1
    told = [record.getMessage() for record in caplog.records if record.name.endswith("_malformed")]
    assert told == [told[0], "market data: 2 messages were not understood"]
    assert "nonsense" in told[0]
    assert not any(isinstance(message, Reset) for message in messages)


async def test_a_missing_diff_brings_a_new_snapshot(exchange: Exchange) -> None:
    """The feed notices the gap itself, without a new connection."""
    diffs = [n for n, text in enumerate(exchange.lines) if '"depthUpdate"' in text]
    newest = json.loads(exchange.lines[diffs[8]])["data"]["u"]
    exchange.snapshot = exchange.snapshot.replace('"lastUpdateId":1,', f'"lastUpdateId":{newest},')
    exchange.scripts = [exchange.lines[: diffs[3]] + exchange.lines[diffs[4] : diffs[8]]]

    def answered(messages: list[Message]) -> bool:
        after_gap = [n for n, message in enumerate(messages) if isinstance(message, Depth)][3:]
        return bool(after_gap) and any(isinstance(message, Snapshot) for message in messages[after_gap[0] :])

    async with live(exchange) as feed:
        await heard(feed, answered)
        assert feed.connections == 1


async def test_a_refused_snapshot_is_asked_for_again(exchange: Exchange) -> None:
    """Errors of the REST side only delay the book."""
    exchange.failing_snapshots = 3
    async with live(exchange) as feed:
        await heard(feed, lambda got: isinstance(got[-1], Snapshot))
    assert exchange.snapshots == 4


async def test_no_exchange_at_all_is_waited_for(exchange: Exchange) -> None:
    """Connecting is tried again and again; the bot hears that it sees nothing."""
    async with live(exchange, "ws://127.0.0.1:1/stream") as feed:
        messages = await heard(feed, lambda got: len(got) >= 3)
    assert all(isinstance(message, Reset) for message in messages)


async def test_next_returns_none_when_the_time_has_come(exchange: Exchange) -> None:
    """A silent exchange doesn't hold up what is due."""
    exchange.scripts = [[]]
    async with live(exchange) as feed:
        await heard(feed, lambda got: isinstance(got[-1], Snapshot))
        until_ns = time.time_ns() + 20_000_000
        assert await feed.next(until_ns) is None
        assert time.time_ns() >= until_ns


async def test_a_bot_that_fell_behind_loses_messages_and_is_told(exchange: Exchange) -> None:
    """The queue is bounded: it is emptied, and a reset says so."""
    exchange.scripts = [exchange.lines[:300]]
    feed = BinanceFeed(
        ("BTCUSDT",), exchange.stream_url, exchange.rest_url, time.time_ns, BackOff(0.001, 0.01), queue_max=50
    )
    async with feed, asyncio.timeout(120):
        await exchange.drained.wait()
        messages = await heard(feed, lambda got: isinstance(got[-1], Reset))
    assert "behind" in messages[-1].reason


@pytest.mark.parametrize("attempt", [1, 2, 5, 50, 5000])
def test_the_wait_doubles_up_to_its_limit(attempt: int) -> None:
    """Between a half and the whole of it."""
    longest = min(30.0, 0.5 * 2.0 ** min(attempt - 1, 100))
    assert longest / 2 <= BackOff().wait_s(attempt) <= longest


def test_a_chain_knows_when_it_breaks_and_when_a_snapshot_is_too_old() -> None:
    """Diffs continue each other, and one of them continues the snapshot."""
    chain = DepthChain()
    assert not chain.breaks_at(depth(5, 8))
    assert chain.outdates(snapshot(4, {}, {}))
    assert not chain.outdates(snapshot(7, {}, {}))
    assert not chain.breaks_at(depth(8, 9))
    assert chain.breaks_at(depth(10, 12))
    assert chain.outdates(snapshot(9, {}, {}))


def test_a_chain_that_begins_with_the_snapshot_breaks_at_a_later_diff() -> None:
    """The first diff must not begin after the snapshot's end."""
    chain = DepthChain()
    assert not chain.outdates(snapshot(7, {}, {}))
    assert chain.breaks_at(depth(8, 9))
