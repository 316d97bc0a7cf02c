"""`/api/events/<kind>`: events of one kind, as JSON or as an Arrow stream."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from flashmm_backends import ledger
from flashmm_backends.ledger.remote import parse_where
from flashmm_backends.ports import NotFound, QueryRefused
from flashmm_instrumentation.semconv import EVENT_KINDS
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._times import parse_window
from flashmm_orchestration.api._wire import event_table
from flashmm_orchestration.api.app import Clock


def events_router(store: ledger.Ledger, clock: Clock) -> APIRouter:
    """Routes over the ledger's events."""
    router = APIRouter(prefix="/api/events", tags=["events"])

    @router.get("")
    async def kinds() -> Response:
        """The kinds of events."""
        return json(
            {"kinds": [{"name": each.name, "description": each.description} for each in EVENT_KINDS.values()]}
        )

    @router.get("/{kind}")
    async def events(
        request: Request,
        kind: str,
        start: Annotated[str, Query(description="Nanoseconds, RFC 3339, or a duration back from now.")] = "15m",
        end: Annotated[str, Query(description="The same; empty is now.")] = "",
        where: Annotated[list[str] | None, Query(description="field=value; may be repeated.")] = None,
        rows: Annotated[bool, Query(description="False: only how complete they are.")] = True,
    ) -> Response:
        """Events of one kind in a window with their completeness, in columns; Arrow where Accept says so."""
        if kind not in EVENT_KINDS:
            raise NotFound(f"event kind {kind!r}")
        window, conditions = parse_window(start, end, clock()), _conditions(kind, where or [])
        if ledger.MEDIA_TYPE in request.headers.get("accept", ""):
            return await _streamed(store.events_stream(ledger.Request(kind, window, conditions, rows)))
        return json(event_table(await store.events(kind, window, conditions), rows=rows))

    del kinds, events
    return router


def _conditions(kind: str, where: list[str]) -> dict[str, str]:
    conditions = parse_where(where)
    if unknown := conditions.keys() - {field.name for field in EVENT_KINDS[kind].fields}:
        raise QueryRefused("bad_data", f"where: {kind} has no field {min(unknown)!r}")
    return conditions


async def _streamed(pieces: AsyncIterator[bytes]) -> Response:
    """The stream, once its first piece is there: until then it may still be refused."""
    first = await anext(pieces)

    async def all_pieces() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(all_pieces(), media_type=ledger.MEDIA_TYPE)
