"""`/api/orders`: the list, and one order with everything that happened to it."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from flashmm_backends.ports import TraceReader
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._times import parse_window
from flashmm_orchestration.api._wire import order_summary, order_trace
from flashmm_orchestration.api.app import Clock


def orders_router(traces: TraceReader, clock: Clock) -> APIRouter:
    """Routes over the traces port."""
    router = APIRouter(prefix="/api/orders", tags=["orders"])

    @router.get("")
    async def list_orders(
        start: Annotated[str, Query(description="Nanoseconds, RFC 3339, or a duration back from now.")] = "15m",
        end: Annotated[str, Query(description="The same; empty is now.")] = "",
        symbol: Annotated[str, Query(description="Only this instrument.")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """The orders placed in a window, latest first."""
        where = {"symbol": symbol} if symbol else None
        found = await traces.orders(parse_window(start, end, clock()), where, limit)
        return json({"orders": [order_summary(order) for order in found]})

    @router.get("/{order_id}")
    async def one_order(order_id: str) -> Response:
        """One order: its placement's spans, later spans, and events, in order of time."""
        return json(order_trace(await traces.order(order_id)))

    del list_orders, one_order
    return router
