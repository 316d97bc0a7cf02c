"""`/api/orders`: the list in pages, and one order with everything that happened to it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from flashmm_backends.ports import OrderSummary, OrderTrace, TraceReader, Window
from flashmm_orchestration.api._cursor import OrderCursor, encoded, link, order_cursor
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._times import parse_window
from flashmm_orchestration.api._wire import order_summary, order_trace
from flashmm_orchestration.api.app import Clock


@dataclass(frozen=True, slots=True)
class _Asked:
    """One page of the list."""

    window: Window
    symbol: str
    size: int
    place: OrderCursor | None


def orders_router(traces: TraceReader, clock: Clock, gate: Gate, size: PageSize) -> APIRouter:
    """Routes over the traces port. size: how long a page is."""
    router = APIRouter(prefix="/api/orders", tags=["orders"])

    @router.get("")
    async def list_orders(
        start: Annotated[str, Query(description="Nanoseconds, RFC 3339, or a duration back from now.")] = "15m",
        end: Annotated[str, Query(description="The same; empty is now.")] = "",
        symbol: Annotated[str, Query(description="Only this instrument.")] = "",
        limit: Annotated[int, Query(ge=1, description="Orders of this page.")] = size.default,
        cursor: Annotated[str, Query(description="From `next`; start and end are those of the first page.")] = "",
    ) -> Response:
        """The orders placed in a window, latest first, in pages: `next` is the address of the following one."""
        place = order_cursor(cursor) if cursor else None
        window = place.window if place else parse_window(start, end, clock())
        asked = _Asked(window, symbol, size.checked(limit), place)
        async with gate.passed():
            found = await _orders(traces, asked)
            return await asyncio.to_thread(_page, found, asked)

    @router.get("/{order_id:path}")
    async def one_order(order_id: str) -> Response:
        """One order: its placement's spans, later spans, and events, in order of time."""
        async with gate.passed():
            found = await traces.order(order_id)
            return await asyncio.to_thread(_whole, found)

    del list_orders, one_order
    return router


def _whole(order: OrderTrace) -> Response:
    return json(order_trace(order))


async def _orders(traces: TraceReader, asked: _Asked) -> Sequence[OrderSummary]:
    """One more than the page holds, if there are as many."""
    where = {"symbol": asked.symbol} if asked.symbol else None
    place = asked.place
    if place is None:
        return await traces.orders(asked.window, where, asked.size + 1)
    window = Window(asked.window.start_ns, place.placed_ns + 1)
    found = await traces.orders(window, where, asked.size + 1 + place.ties)
    return [order for order in found if (-order.start_ns, order.order_id) > (-place.placed_ns, place.order_id)]


def _page(found: Sequence[OrderSummary], asked: _Asked) -> Response:
    orders = found[: asked.size]
    return json({"orders": [order_summary(order) for order in orders], "next": _next(found, asked)})


def _next(found: Sequence[OrderSummary], asked: _Asked) -> str | None:
    if len(found) <= asked.size:
        return None
    last = found[asked.size - 1]
    ties = sum(order.start_ns == last.start_ns for order in found[: asked.size])
    if asked.place and asked.place.placed_ns == last.start_ns:
        ties += asked.place.ties
    cursor = OrderCursor(asked.window.start_ns, asked.window.end_ns, last.start_ns, last.order_id, ties)
    symbol = [("symbol", asked.symbol)] if asked.symbol else []
    return link("/api/orders", *symbol, ("limit", str(asked.size)), ("cursor", encoded(cursor)))
