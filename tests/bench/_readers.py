"""Who looks on: a client of the stream as the live page is one, and the Trader's board as its page asks for it.

`python -m tests.bench._readers HTTP SECONDS`
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
from tests.boards import Asked, panels

from flashmm_streaming import STREAMS
from flashmm_streaming.testing import connected

BOARD: Final = "trader/trading"
EVERY_S: Final = 5
SPAN_S: Final = 900
STEP_S: Final = 3
OVER_TIME: Final = ("timeseries", "heatmap")
"""Kinds of panel that show a course; the others show the newest values."""

Request = tuple[str, Mapping[str, str | int]]


def requests(now_s: int) -> Iterator[Request]:
    """All that one refresh of the board asks, panel by panel: path and parameters."""
    end_s = now_s // STEP_S * STEP_S
    window = {"start": end_s - SPAN_S, "end": end_s}
    for board, panel in panels():
        if board == BOARD:
            yield from _of_panel(panel, window)


def _of_panel(panel: dict[str, Any], window: Mapping[str, int]) -> Iterator[Request]:
    if panel["type"] == "logs":
        yield "/api/logs", {"start": f"{SPAN_S}s", "limit": 100}
        return
    for target in panel["targets"]:
        query = {"query": Asked(BOARD, panel["title"], target["datasource"]["uid"], target["expr"]).filled_in}
        if panel["type"] in OVER_TIME:
            yield "/api/v1/query_range", {**query, **window, "step": STEP_S}
        else:
            yield "/api/v1/query", query
        if target.get("exemplar"):
            yield "/api/v1/query_exemplars", {**query, **window}


async def board(http: httpx.AsyncClient) -> None:
    """Refresh the board every five seconds, one question after another. Raises httpx.HTTPStatusError."""
    while True:
        begin = time.monotonic()
        for path, parameters in requests(int(time.time())):
            (await http.get(path, params=parameters)).raise_for_status()
        await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - begin)))


async def page(port: int) -> None:
    """Hear all that the live page subscribes to."""
    async with connected(port) as client:
        await client.subscribe(STREAMS, recent=200)
        async for _ in client.socket:
            pass


async def look_on(address: str, seconds: float) -> None:
    """Both, for so long; ends early, with the error, where either is refused."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as http:
        watching = [asyncio.create_task(board(http)), asyncio.create_task(page(int(address.rpartition(":")[2])))]
        done, _ = await asyncio.wait(watching, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in watching:
            each.cancel()
        for each in done:
            each.result()


if __name__ == "__main__":
    asyncio.run(look_on(sys.argv[1], float(sys.argv[2])))
