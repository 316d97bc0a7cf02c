"""One contract for readers of events: the ledger itself, and over HTTP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse
from tests.unit.backends.ledger.batches import events, transfer
from tests.unit.backends.ledger.conftest import START_NS

from flashmm_backends.ledger import MEDIA_TYPE, Ledger, Request
from flashmm_backends.ledger.remote import PATH, RemoteEvents, parse_where
from flashmm_backends.ports import Completeness, EventReader, Page, QueryRefused, Unavailable, Window

KIND = "flashmm.transfer"
EVER = Window(0, 2**62)


def application(ledger: Ledger) -> FastAPI:
    """The route, as any owner of a ledger would serve it."""
    app = FastAPI()

    @app.get(PATH)
    async def get(kind: str, start: int, end: int, rows: bool = True, where: list[str] = Query(())) -> Response:  # noqa: B008
        page = None if rows else Page(0)
        try:
            pieces = ledger.events_stream(Request(kind, Window(start, end), parse_where(where), page))
            first = await anext(pieces)
        except QueryRefused as error:
            return JSONResponse({"error": str(error)}, 400)

        async def body() -> AsyncIterator[bytes]:
            yield first
            async for piece in pieces:
                yield piece

        return StreamingResponse(body(), media_type=MEDIA_TYPE)

    return app


@pytest.fixture(params=["local", "remote"])
async def reader(request: pytest.FixtureRequest, ledger: Ledger) -> AsyncIterator[EventReader]:
    """Each implementation over the same ledger."""
    async with AsyncExitStack() as stack:
        if request.param == "local":
            yield ledger
            return
        transport = httpx.ASGITransport(application(ledger))
        yield RemoteEvents(
            await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://l"))
        )


async def test_events_arrive_exact_and_typed(ledger: Ledger, reader: EventReader) -> None:
    """Decimals to the last digit, absent values, ids as bytes, numbers as numbers."""
    exact = Decimal("12345678901234567890.123456789012345678")
    await ledger.append(events(transfer(1, START_NS, amount=exact), transfer(3, START_NS + 1, exchange_time_ns=7)))
    table = await reader.events(KIND, EVER)
    assert table.columns["amount"].tolist() == [exact, Decimal("0.1")]
    assert table.columns["exchange_time_ns"].tolist() == [None, 7]
    assert table.columns["seq"].dtype == np.int64
    assert table.columns["seq"].tolist() == [1, 3]
    assert table.columns["trace_id"].tolist() == [b"\x01" * 16] * 2
    assert (table.kind, table.window, table.completeness) == (KIND, EVER, Completeness(2, 3))
    assert await reader.completeness(KIND, EVER) == Completeness(2, 3)


async def test_windows_and_conditions(ledger: Ledger, reader: EventReader) -> None:
    """Windows are half-open; conditions hold with whatever text they contain."""
    await ledger.append(events(*(transfer(i, START_NS + i, currency=f"C={i}&") for i in range(1, 5))))
    table = await reader.events(KIND, Window(START_NS + 2, START_NS + 4), {"currency": "C=3&"})
    assert table.columns["seq"].tolist() == [3]


async def test_many_events(ledger: Ledger, reader: EventReader) -> None:
    """More than fit one record batch."""
    await ledger.append(events(*(transfer(i, START_NS + i) for i in range(1, 20_001))))
    assert (await reader.events(KIND, EVER)).columns["seq"].tolist() == list(range(1, 20_001))


async def test_nothing(reader: EventReader) -> None:
    """An empty table has its columns."""
    table = await reader.events(KIND, EVER)
    assert len(table) == 0
    assert "amount" in table.columns


async def test_refusals(reader: EventReader) -> None:
    """Unknown kinds and fields are refused by both, in the same words."""
    with pytest.raises(QueryRefused, match="not an event kind"):
        await reader.events("flashmm.nothing", EVER)
    with pytest.raises(QueryRefused, match="no column"):
        await reader.events(KIND, EVER, {"nothing": "1"})


async def test_a_peer_that_is_away_or_strange() -> None:
    """What is no answer is unavailable, and may be tried again."""
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as client:
        with pytest.raises(Unavailable):
            await RemoteEvents(client).events(KIND, EVER)
    app = FastAPI()

    @app.get(PATH)
    async def get(kind: str) -> Response:  # noqa: ARG001
        return Response(b"hello", 200)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://l") as client:
        with pytest.raises(Unavailable, match="not an Arrow stream"):
            await RemoteEvents(client).events(KIND, EVER)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(FastAPI()), base_url="http://l") as client:
        with pytest.raises(Unavailable, match="404"):
            await RemoteEvents(client).events(KIND, EVER)


def test_conditions_need_a_field() -> None:
    """A where without `=` says nothing."""
    with pytest.raises(QueryRefused):
        parse_where(["x"])
