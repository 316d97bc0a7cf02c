"""The demo as a process of its own that talks OTLP only."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.otlp_peer import GrpcPeer
from tests.product import running_product
from tests.waiting import until

from .conftest import Exchange


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flashmm_demo", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_signal_ends_it_cleanly(collector: GrpcPeer, tmp_path: Path) -> None:
    """On SIGTERM orders are cancelled, streams closed, books written and told; all that was booked was also sent."""
    received = collector.received
    books = tmp_path / "books.json"
    process = start("--endpoint", collector.endpoint, "--books", str(books), "--speed", "4", "--json")
    try:
        received.wait(lambda: len(received.bodies("flashmm.fill")) >= 3)
        received.wait(lambda: "flashmm.pnl.realized" in received.gauges())
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    told = json.loads(books.read_text())
    started, ended = map(json.loads, output.splitlines())
    assert (started["event"], started["endpoint"]) == ("started", collector.endpoint)
    assert ended | {"fills": told["fills"]} == {"event": "ended", **told}
    fills = received.bodies("flashmm.fill")
    assert told["final"] is True
    assert len(fills) == told["symbols"]["BTCUSDT"]["fills"]
    assert [fill["fill_id"] for fill in fills] == [
        json.loads(line)["fill_id"] for line in Path(f"{books}.fills").read_text().splitlines()
    ]
    last = {event["order_id"]: event["state"] for event in received.bodies("flashmm.order")}
    assert set(last.values()) <= {"filled", "cancelled", "rejected"}
    assert received.gauges()["flashmm.pnl.realized"] == float(told["realized"])
    assert received.gauges()["flashmm.pnl.unrealized"] == float(told["unrealized"])
    assert {"order", "receive", "decide", "risk_check", "sign", "submit", "ack"} <= {
        span.name for span in received.spans()
    }
    assert any(event["mark"] == "close" for event in received.bodies("flashmm.stream"))


async def test_the_live_feed_drives_the_bot_through_a_lost_connection(
    collector: GrpcPeer, exchange: Exchange, tmp_path: Path
) -> None:
    """What it logs of that goes out too."""
    received = collector.received
    exchange.scripts = [[*exchange.lines[:100], None]]
    process = start(
        "--feed", "binance", "--binance-stream-url", exchange.stream_url, "--binance-rest-url", exchange.rest_url,
        "--endpoint", collector.endpoint, "--record", str(tmp_path / "live.jsonl"),
    )  # fmt: skip
    try:
        await asyncio.to_thread(
            received.wait,
            lambda: any("market data lost" in text for text in received.log_texts()),
        )
        await asyncio.to_thread(received.wait, lambda: received.bodies("flashmm.spread.sample"))
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert (tmp_path / "live.jsonl").read_text().count('"bookTicker"') > 20


async def test_up_hands_the_live_feeds_addresses_on(exchange: Exchange, tmp_path: Path) -> None:
    """By the same options as the demo's own."""
    flags = ("--demo", "--feed", "binance", "--binance-stream-url", exchange.stream_url)
    product = running_product(tmp_path / "data", *flags, "--binance-rest-url", exchange.rest_url)
    with contextlib.ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, product)
        await until(lambda: exchange.connections > 0 and exchange.snapshots > 0, 60)
        await asyncio.to_thread(stack.close)
