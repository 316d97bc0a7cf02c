"""`/api/orders`: the list in pages, and one order with everything that happened to it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from flashmm_backends.ledger.remote import parse_where
from flashmm_backends.ports import OrderSummary, OrderTrace, QueryRefused, TraceReader, Window
from flashmm_orchestration.api._cursor import OrderCursor, encoded, link, order_cursor
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._rest import rest
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._times import parse_window
from flashmm_orchestration.api._wire import order_summary, order_trace
from flashmm_orchestration.api.app import Clock

_FIELDS: Final = ("order_id", "venue", "symbol", "side", "outcome")
"""What orders may be chosen by."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One page of the list."""

    window: Window
    where: Mapping[str, str]
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
        where: Annotated[list[str] | None, Query(description=f"field=value, of {', '.join(_FIELDS)}.")] = None,
        limit: Annotated[int, Query(ge=1, description="Orders of this page.")] = size.default,
        cursor: Annotated[str, Query(description="From `next`; start and end are those of the first page.")] = "",
    ) -> Response:
        """The orders placed in a window, latest first, in pages: `next` is the address of the following one."""
        place = order_cursor(cursor) if cursor else None
        window = place.window if place else parse_window(start, end, clock())
        asked = _Asked(window, _conditions(symbol, where or ()), size.checked(limit), place)
        async with gate.passed():
            found = await _orders(traces, asked)
            return await asyncio.to_thread(_page, found, asked)

    @router.get("/")
    async def one_order_by_query(id: Annotated[str, Query(description="Any id at all.")]) -> Response:  # noqa: A002
        """One order, also where no path can hold its id, as `..`."""
        return await one_order(id)

    @router.get("/" + rest("order_id"))
    async def one_order(order_id: str) -> Response:
        """One order: its placement's spans, later spans, and events, in order of time."""
        async with gate.passed():
            found = await traces.order(order_id)
            return await asyncio.to_thread(_whole, found)

    del list_orders, one_order_by_query
    return router


def _conditions(symbol: str, where: Sequence[str]) -> Mapping[str, str]:
    conditions = parse_where([*where, *([f"symbol={symbol}"] if symbol else [])])
    if unknown := sorted(set(conditions) - set(_FIELDS)):
        raise QueryRefused("bad_data", f"where, {unknown[0][:64]!r}: orders are chosen by {', '.join(_FIELDS)}")
    return conditions


def _whole(order: OrderTrace) -> Response:
    return json(order_trace(order))


async def _orders(traces: TraceReader, asked: _Asked) -> Sequence[OrderSummary]:
    """One more than the page holds, if there are as many."""
    place = asked.place
    if place is None:
        return await traces.orders(asked.window, asked.where, asked.size + 1)
    window = Window(asked.window.start_ns, place.placed_ns + 1)
    found = await traces.orders(window, asked.where, asked.size + 1 + place.ties)
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
    where = [("where", f"{name}={value}") for name, value in asked.where.items()]
    return link("/api/orders", *where, ("limit", str(asked.size)), ("cursor", encoded(cursor)))
