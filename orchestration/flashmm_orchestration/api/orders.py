"""`/api/orders`: the list in pages, and one order with everything that happened to it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from flashmm_backends.ledger.remote import parse_where
from flashmm_backends.ports import ORDER_FIELDS, OrderSummary, OrderTrace, QueryRefused, TraceReader
from flashmm_orchestration.api._described import OrderForm, OrdersForm, answers
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._latest import Asked, LatestPage, latest_page
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._rest import rest
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._wire import order_summary, order_trace
from flashmm_orchestration.api.app import Clock


def orders_router(traces: TraceReader, clock: Clock, gate: Gate, size: PageSize) -> APIRouter:
    """Routes over the traces port. size: how long a page is."""
    router = APIRouter(prefix="/api/orders", tags=["orders"])

    @router.get("", responses=answers(OrdersForm))
    async def list_orders(
        start: Annotated[str, Query(description="Nanoseconds, RFC 3339, or a duration back from now.")] = "15m",
        end: Annotated[str, Query(description="The same; empty is now.")] = "",
        symbol: Annotated[str, Query(description="Only this instrument.")] = "",
        where: Annotated[list[str] | None, Query(description=f"field=value, of {', '.join(ORDER_FIELDS)}.")] = None,
        limit: Annotated[int, Query(ge=1, description="Orders of this page.")] = size.default,
        cursor: Annotated[str, Query(description="From `next`; start and end are those of the first page.")] = "",
    ) -> Response:
        """The orders placed in a window, latest first, in pages: `next` is the address of the following one."""
        page = latest_page(Asked(start, end, limit, cursor), size, clock())
        conditions = _conditions(symbol, where or ())
        async with gate.passed():
            found = await _orders(traces, page, conditions)
            return await asyncio.to_thread(_answer, found, page, conditions)

    @router.get("/", responses=answers(OrderForm))
    async def one_order_by_query(id: Annotated[str, Query(description="Any id at all.")]) -> Response:  # noqa: A002
        """One order, also where no path can hold its id, as `..`."""
        return await one_order(id)

    @router.get("/" + rest("order_id"), responses=answers(OrderForm))
    async def one_order(order_id: str) -> Response:
        """One order: its placement's spans, later spans, and events, in order of time."""
        async with gate.passed():
            found = await traces.order(order_id)
            return await asyncio.to_thread(_whole, found)

    del list_orders, one_order_by_query
    return router


def _conditions(symbol: str, where: Sequence[str]) -> Mapping[str, str]:
    conditions = parse_where([*where, *([f"symbol={symbol}"] if symbol else [])])
    if unknown := sorted(set(conditions) - set(ORDER_FIELDS)):
        raise QueryRefused("bad_data", f"where, {unknown[0][:64]!r}: orders are chosen by {', '.join(ORDER_FIELDS)}")
    return conditions


def _whole(order: OrderTrace) -> Response:
    return json(order_trace(order))


async def _orders(traces: TraceReader, page: LatestPage, where: Mapping[str, str]) -> Sequence[OrderSummary]:
    """Those of a page, and one more if there is one; of a nanosecond in order of their ids, late arrivals too."""
    found = await traces.orders(page.window, where, page.limit)
    if (place := page.place) is None:
        return found
    return [order for order in found if (-order.start_ns, order.order_id) > (-place.time_ns, place.id)]


def _answer(found: Sequence[OrderSummary], page: LatestPage, where: Mapping[str, str]) -> Response:
    parameters = [("where", f"{name}={value}") for name, value in where.items()]
    following = page.next("/api/orders", [(order.start_ns, order.order_id) for order in found], *parameters)
    return json({"orders": [order_summary(order) for order in found[: page.rows]], "next": following})
