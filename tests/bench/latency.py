"""Emit to visible under a load of 10,000 points a second: what a bot emits, until a query or the page has it.

Events leave by the instrumentation package's own schedule; every delay on the way is in the figure.
`python -m tests.bench.latency [SECONDS]`
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import numpy as np
from tests.product import Product, running_product

from flashmm_instrumentation import BUY, MAKER, Bot, setup
from flashmm_streaming.testing import StreamClient, connected

POINTS_PER_S = 10_000
EXPORT_INTERVAL_MS = 1000
EVERY_S = 0.2
WINDOW_S = 10
"""Events are asked for by their last seconds."""


async def main_async(product: Product, seconds: float) -> None:
    """Emit a fill and a gauge five times a second and wait for each where it should show."""
    os.environ["OTEL_METRIC_EXPORT_INTERVAL"] = str(EXPORT_INTERVAL_MS)
    bot = setup("latency", "bench", endpoint=f"http://{product.otlp_grpc}", system_metrics=False)
    market = bot.market("bench", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
    market.book(100, 1, 101, 1)
    rounds = round(seconds / EVERY_S)
    page, event = [], []
    async with (
        connected(int(product.http.rpartition(":")[2])) as client,
        httpx.AsyncClient(base_url=product.http) as http,
    ):
        await client.subscribe(["trades", "pnl"])
        await client.hear_until("subscribed")
        # The ledger has in memory what came since it was opened: let the window lie within.
        await asyncio.sleep(WINDOW_S)
        for number in range(rounds):
            begin = time.perf_counter()
            market.order(BUY, 100, 1, f"o{number}").filled(f"f{number}", 100, 1, 0, "USDT", MAKER)
            await client.hear_items("trades", number + 1)
            page.append(time.perf_counter() - begin)
            event.append(await until(begin, lambda number=number: _event(http, number)))
            await asyncio.sleep(max(0.0, EVERY_S - (time.perf_counter() - begin)))
        metric = [await _metric(bot, client, http, number) for number in range(1, max(10, rounds // 10))]
    bot.close()
    report("event → page", page)
    report("event → queryable", event)
    for where, took in zip(("page", "queryable"), zip(*metric, strict=True), strict=True):
        report(f"metric → {where} (exported every {EXPORT_INTERVAL_MS} ms)", took)


async def _metric(bot: Bot, client: StreamClient, http: httpx.AsyncClient, number: int) -> tuple[float, float]:
    """Seconds until the page's stream has it, and until a query answers it."""
    begin = time.perf_counter()
    bot.pnl("USDT", number, 0)
    return await asyncio.gather(_shown(begin, client, number), until(begin, lambda: _gauge(http, number)))


async def _shown(begin: float, client: StreamClient, number: int) -> float:
    while not any(item.get("realized") == str(number) for item in client.items.get("pnl", ())[-5:]):
        await client.hear()
    return time.perf_counter() - begin


async def _event(http: httpx.AsyncClient, number: int) -> bool:
    answer = await http.get(
        "/api/events/flashmm.fill", params={"start": f"{WINDOW_S}s", "where": f"fill_id=f{number}"}
    )
    return bool(answer.json()["columns"]["seq"])


async def _gauge(http: httpx.AsyncClient, number: int) -> bool:
    answer = await http.get("/api/v1/query", params={"query": f"flashmm_pnl_realized == {number}"})
    return bool(answer.json()["data"]["result"])


async def until(begin: float, seen: Callable[[], Awaitable[bool]]) -> float:
    """Seconds from begin until it is seen."""
    while not await seen():
        pass
    return time.perf_counter() - begin


def report(name: str, seconds: Sequence[float]) -> None:
    """One line: median and p99 in milliseconds."""
    low, high = np.percentile(np.array(seconds) * 1e3, [50, 99])
    print(f"{name:<52} p50 {low:7.1f} ms   p99 {high:7.1f} ms   n {len(seconds)}")


def main(seconds: float = 60.0) -> None:
    """Start the product and the load, then measure."""
    with tempfile.TemporaryDirectory() as folder, running_product(Path(folder)) as product:
        load = subprocess.Popen(
            [sys.executable, "-m", "tests.bench._load", product.otlp_grpc, str(POINTS_PER_S), str(seconds * 4)]
        )
        asyncio.run(main_async(product, seconds))
        load.kill()
        load.wait()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
