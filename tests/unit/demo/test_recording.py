"""Recordings: written, read and replayed."""

import gzip
from pathlib import Path

import pytest

from flashmm_demo._messages import Message, Reset
from flashmm_demo._schedule import FAR_NS
from flashmm_demo._timeline import Timeline
from flashmm_demo._wire import MalformedMessage
from flashmm_demo.feeds import FeedEnded, NoRecording, RecordedFeed, Recorder, read_lines

from .builders import depth, snapshot, ticker, trade

MESSAGES = (
    snapshot(10, {"100.0": "1"}, {"100.1": "2"}),
    ticker(11, "100.0", "100.1"),
    trade("100.0", received_ns=12),
    depth(10, 13, {"99.0": "1"}),
)


def replay(path: Path, *symbols: str, loop: bool = False) -> RecordedFeed:
    return RecordedFeed(path, symbols or ("BTCUSDT",), Timeline(None, shift=False), loop=loop)


async def drained(feed: RecordedFeed) -> list[Message]:
    messages: list[Message] = []
    with pytest.raises(FeedEnded):
        while True:
            message = await feed.next(FAR_NS)
            assert message is not None
            messages.append(message)
    return messages


@pytest.mark.parametrize("name", ["feed.jsonl", "feed.jsonl.gz"])
async def test_what_was_recorded_is_replayed_equal(tmp_path: Path, name: str) -> None:
    """Plain or gzipped, every field of every message comes back."""
    recorder = Recorder(tmp_path / name, ("BTCUSDT",))
    for message in (*MESSAGES, Reset("BTCUSDT", 14, "lost")):
        recorder.write(message)
    recorder.close()
    assert tuple(await drained(replay(tmp_path / name))) == MESSAGES


def test_equal_messages_make_equal_bytes(tmp_path: Path) -> None:
    """A gzipped recording holds neither its name nor the time at which it was made."""
    for name in ("a.gz", "b.gz"):
        recorder = Recorder(tmp_path / name, ("BTCUSDT",))
        recorder.write(MESSAGES[0])
        recorder.close()
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


async def test_snapshots_of_several_symbols_are_told_apart(tmp_path: Path) -> None:
    """In a recording of two symbols each snapshot names its own."""
    recorder = Recorder(tmp_path / "feed", ("BTCUSDT", "ETHUSDT"))
    recorder.write(snapshot(1, {"1": "1"}, {"2": "1"}, symbol="ETHUSDT"))
    recorder.close()
    (message,) = await drained(replay(tmp_path / "feed", "BTCUSDT", "ETHUSDT"))
    assert message.symbol == "ETHUSDT"


async def test_other_symbols_and_garbage_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Garbage is told of; the rest goes on."""
    recorder = Recorder(tmp_path / "feed", ("BTCUSDT",))
    recorder.write(ticker(1, symbol="ETHUSDT"))
    recorder.write(ticker(2))
    recorder.close()
    with (tmp_path / "feed").open("a") as file:
        file.write('5 {"stream": broken\n6 {"result":null}\n')
    feed = replay(tmp_path / "feed")
    assert await drained(feed) == [ticker(2)]
    assert "broken" in caplog.text


async def test_nothing_is_delivered_before_its_time(tmp_path: Path) -> None:
    """None stands for: that time has come, and no message."""
    recorder = Recorder(tmp_path / "feed", ("BTCUSDT",))
    recorder.write(ticker(100))
    recorder.close()
    feed = replay(tmp_path / "feed")
    assert await feed.next(99) is None
    assert await feed.next(100) == ticker(100)


async def test_a_loop_begins_again_a_second_later_after_a_reset(tmp_path: Path) -> None:
    """Times go on; the book is told to forget, for update ids begin again too."""
    recorder = Recorder(tmp_path / "feed", ("BTCUSDT",))
    recorder.write(ticker(100))
    recorder.write(ticker(150))
    recorder.close()
    feed = replay(tmp_path / "feed", loop=True)
    heard = [await feed.next(FAR_NS) for _ in range(4)]
    assert [type(message).__name__ for message in heard] == ["Ticker", "Ticker", "Reset", "Ticker"]
    times = [message.received_ns for message in heard if message is not None]
    assert times == [100, 150, 150, 150 + 1_000_000_000]


async def test_a_recording_that_was_cut_off_ends_there(tmp_path: Path) -> None:
    """What a crash left of a gzipped file is replayed as far as it goes."""
    lines = "".join(f'{n} {{"result":{n}}}\n' for n in range(20_000))
    (tmp_path / "feed.gz").write_bytes(gzip.compress(lines.encode())[:-400])
    assert await drained(replay(tmp_path / "feed.gz")) == []


def test_a_line_without_a_time_is_refused(tmp_path: Path) -> None:
    """That file is no recording."""
    (tmp_path / "feed").write_text("not a recording\n")
    with pytest.raises(MalformedMessage):
        list(read_lines(tmp_path / "feed"))


def test_an_empty_recording_is_none(tmp_path: Path) -> None:
    """And says so."""
    (tmp_path / "feed").write_text("")
    with pytest.raises(NoRecording, match="holds no message"):
        replay(tmp_path / "feed")
