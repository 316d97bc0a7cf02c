"""Recordings: our own, and the real exchange's where they are at hand."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from flashmm_demo import DemoSettings, record
from flashmm_demo._book import LocalBook
from flashmm_demo._messages import Message, Snapshot, Ticker
from flashmm_demo._schedule import FAR_NS
from flashmm_demo._timeline import Timeline
from flashmm_demo._wire import decode, encode
from flashmm_demo.feeds import FeedEnded, RecordedFeed, read_lines

from .conftest import RECORDING

REAL = Path(__file__).parents[4] / "shared" / "data" / "market"
FILES = {
    "BTCUSDT": (REAL / "binance-usdm-btcusdt-20240808.jsonl.gz", (66_089, 6_551, 21_313)),
    "ETHUSDT": (REAL / "binance-usdm-ethusdt-20240808.jsonl.gz", (53_992, 6_586, 14_076)),
}


async def test_the_recording_here_is_what_its_command_makes(tmp_path: Path) -> None:
    """The simulated market of seed 7, message by message."""
    again = tmp_path / "again.gz"
    count = await record(DemoSettings(speed=None, shift=False, duration_s=300, seed=7, record=again))
    assert list(read_lines(again)) == list(read_lines(RECORDING))
    assert count == sum(1 for _ in read_lines(RECORDING))
    assert RECORDING.stat().st_size < 300_000


async def test_recording_a_replay_gives_the_recording(tmp_path: Path) -> None:
    """Record, replay, record: the same lines."""
    again = tmp_path / "again.jsonl"
    await record(DemoSettings(feed=f"file:{RECORDING}", speed=None, shift=False, record=again))
    assert list(read_lines(again)) == list(read_lines(RECORDING))


@pytest.mark.parametrize("symbol", sorted(FILES))
def test_the_real_feed_is_understood_to_the_byte(symbol: str) -> None:
    """Every message of the exchange is typed, and encodes to its own text again."""
    path, expected = FILES[symbol]
    if not path.exists():
        pytest.skip(f"the recording {path.name} is not at hand")
    counts: Counter[str] = Counter()
    for line in read_lines(path):
        message = decode(line.text, line.received_ns, symbol)
        assert message is not None
        assert encode(message) == line.text
        counts[type(message).__name__] += 1
    assert (counts["Ticker"], counts["Depth"], counts["Trade"], counts["Snapshot"]) == (*expected, 1)


@pytest.mark.parametrize("symbol", sorted(FILES))
async def test_the_real_book_stays_in_sequence_and_agrees_with_every_ticker(symbol: str) -> None:
    """After each ticker the book's top is the ticker's; no diff is missing; it is never crossed."""
    path, _ = FILES[symbol]
    if not path.exists():
        pytest.skip(f"the recording {path.name} is not at hand")
    feed = RecordedFeed(path, (symbol,), Timeline(None, shift=False))
    book, agreed, seen_snapshot = LocalBook(), 0, False
    with pytest.raises(FeedEnded):
        while True:
            message: Message | None = await feed.next(FAR_NS)
            assert message is not None
            changed = book.apply(message)
            seen_snapshot = seen_snapshot or isinstance(message, Snapshot)
            top = book.top()
            assert top is None or top.spread > 0
            if changed and isinstance(message, Ticker):
                assert top is not None
                assert (top.bid, top.bid_quantity, top.ask, top.ask_quantity) == (
                    message.bid,
                    message.bid_quantity,
                    message.ask,
                    message.ask_quantity,
                )
                agreed += 1
    assert (seen_snapshot, book.synced, book.gaps) == (True, True, 0)
    assert agreed > 50_000


async def test_a_paced_replay_takes_its_time(tmp_path: Path) -> None:
    """Two hundred times the speed: the first 20 s in a tenth of a second, and not less."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await record(
        DemoSettings(feed=f"file:{RECORDING}", speed=200.0, shift=False, duration_s=20, record=tmp_path / "again")
    )
    assert loop.time() - began_s >= 0.09
