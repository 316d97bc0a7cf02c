"""`/api/events/<kind>`: events of one kind, in pages as JSON or whole as an Arrow stream."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from flashmm_backends import ledger
from flashmm_backends.ports import EventPosition, EventTable, NotFound, Page, Unavailable, Window
from flashmm_instrumentation.semconv import EVENT_KINDS
from flashmm_orchestration.api._cursor import EventCursor, encoded, event_cursor, link
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._times import parse_window
from flashmm_orchestration.api._where import parse_conditions
from flashmm_orchestration.api._wire import Json, completeness_alone, event_table
from flashmm_orchestration.api.app import Clock

_ROWS_AT_ONCE: Final = 100
"""Rows that are sooner encoded than handed to a thread."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One page of a list of events."""

    kind: str
    window: Window
    where: Mapping[str, str]
    size: int
    after: EventPosition | None


def events_router(store: ledger.Ledger, clock: Clock, gate: Gate, size: PageSize) -> APIRouter:
    """Routes over the ledger's events. size: how long a page of JSON is."""
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
        limit: Annotated[int, Query(ge=1, description="Rows of this page; an Arrow stream has all.")] = size.default,
        cursor: Annotated[str, Query(description="From `next`; start and end are those of the first page.")] = "",
    ) -> Response:
        """Events of one kind in a window with their completeness, in columns, in order of time, run and number.

        JSON comes in pages: `next` is the address of the following one, null at the end. An Arrow stream, where
        Accept asks for one, holds the whole window.
        """
        if kind not in EVENT_KINDS:
            raise NotFound(f"event kind {kind!r}")
        conditions = parse_conditions(kind, where or [])
        place = event_cursor(cursor) if cursor else None
        window = place.window if place else parse_window(start, end, clock())
        if ledger.MEDIA_TYPE in request.headers.get("accept", ""):
            return await _streamed(store, ledger.Request(kind, window, conditions, rows), gate)
        asked = _Asked(kind, window, conditions, size.checked(limit), place.after if place else None)
        async with gate.passed():
            return await _page(store, asked) if rows else await _completeness(store, asked)

    del kinds, events
    return router


async def _completeness(store: ledger.Ledger, asked: _Asked) -> Response:
    return json(completeness_alone(asked.kind, asked.window, await store.completeness(asked.kind, asked.window)))


async def _page(store: ledger.Ledger, asked: _Asked) -> Response:
    page = Page(asked.size + 1, asked.after)
    table = await store.events(asked.kind, asked.window, asked.where, page)
    if len(table) <= _ROWS_AT_ONCE:
        return _encoded(table, asked)
    return await asyncio.to_thread(_encoded, table, asked)


def _encoded(table: EventTable, asked: _Asked) -> Response:
    told: Json = event_table(table, rows=asked.size)
    return json({**told, "next": _next(table, asked) if len(table) > asked.size else None})


def _next(table: EventTable, asked: _Asked) -> str:
    time_ns, run, seq = (table.columns[name][asked.size - 1] for name in ("time_ns", "run", "seq"))
    cursor = EventCursor(asked.window.start_ns, asked.window.end_ns, int(time_ns), str(run), int(seq))
    where = [("where", f"{name}={value}") for name, value in asked.where.items()]
    return link(f"/api/events/{asked.kind}", *where, ("limit", str(asked.size)), ("cursor", encoded(cursor)))


async def _streamed(store: ledger.Ledger, request: ledger.Request, gate: Gate) -> Response:
    """The stream, once its first piece is there: until then it may be refused. It holds its place to the end."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gate.passed())
        pieces = await stack.enter_async_context(aclosing(store.events_stream(request)))
        first = await anext(pieces)
        held = stack.pop_all()
    return _Stream(held, _all_pieces(first, pieces))


class _Stream(StreamingResponse):
    """Gives back what it holds however it ends, also where the client has gone before it began."""

    def __init__(self, held: AsyncExitStack, pieces: AsyncIterator[bytes]) -> None:
        super().__init__(pieces, media_type=ledger.MEDIA_TYPE)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces. Where they end early the connection is cut, so that nobody takes a part for the whole."""
        async with self._held:
            try:
                await super().__call__(scope, receive, send)
            except Unavailable as error:
                _log.warning("%s ends early: %s", scope["path"], error)


async def _all_pieces(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece
