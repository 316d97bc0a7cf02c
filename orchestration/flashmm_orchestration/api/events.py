"""`/api/events/<kind>`: events of one kind, in pages as JSON or whole as an Arrow stream."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from flashmm_backends import ledger
from flashmm_backends.ledger.remote import parse_position
from flashmm_backends.ports import Completeness, EventPosition, EventTable, NotFound, Page, Unavailable, Window
from flashmm_instrumentation.semconv import EVENT_KINDS
from flashmm_instrumentation.semconv import events as names
from flashmm_orchestration.api._cursor import EventCursor, encoded, event_cursor, link
from flashmm_orchestration.api._described import EventsForm, answers
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._times import parse_window
from flashmm_orchestration.api._where import kinds_like, parse_conditions
from flashmm_orchestration.api._wire import Json, completeness_alone, event_table
from flashmm_orchestration.api.app import Clock

_ROWS_AT_ONCE: Final = 100
"""Rows that are sooner encoded than handed to a thread."""
_ALL_ROWS: Final = 2**62

_log = logging.getLogger(__name__)


class EventPages(Protocol):
    """Events in pages, or as a stream: a ledger, or several."""

    async def events(
        self, kind: str, window: Window, where: Mapping[str, str] | None = None, page: Page | None = None
    ) -> EventTable: ...

    async def completeness(self, kind: str, window: Window) -> Completeness: ...

    def events_stream(self, request: ledger.Request) -> AsyncGenerator[bytes]: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """One page of a list of events."""

    kind: str
    window: Window
    where: Mapping[str, str]
    size: int
    after: EventPosition | None


def events_router(store: EventPages, clock: Clock, gate: Gate, size: PageSize) -> APIRouter:
    """Routes over the ledger's events. size: how long a page of JSON is."""
    router = APIRouter(prefix="/api/events", tags=["events"])

    @router.get("")
    async def kinds() -> Response:
        """The kinds of events."""
        return json(
            {"kinds": [{"name": each.name, "description": each.description} for each in EVENT_KINDS.values()]}
        )

    @router.get("/{kind}", responses=answers(EventsForm))
    async def events(
        request: Request,
        kind: Annotated[str, Path(examples=[names.FILL.name])],
        start: Annotated[
            str, Query(description="Nanoseconds, RFC 3339, or a duration back from now.", examples=["1h"])
        ] = "15m",
        end: Annotated[str, Query(description="The same; empty is now.")] = "",
        where: Annotated[list[str] | None, Query(description="field=value; may be repeated.")] = None,
        rows: Annotated[bool, Query(description="False: only how complete they are.")] = True,
        limit: Annotated[int | None, Query(ge=1, description="Rows; of an Arrow stream all, unless given.")] = None,
        cursor: Annotated[str, Query(description="From `next`; start and end are those of the first page.")] = "",
        after: Annotated[str, Query(description="time_ns,run,seq of the event to go on after; no cursor then.")] = "",
    ) -> Response:
        """Events of one kind in a window with their completeness, in columns, in order of time, run and number.

        JSON comes in pages: `next` is the address of the following one, null at the end. An Arrow stream, where
        Accept asks for one, holds the whole window, or the `limit` rows after `after`.
        """
        if kind not in EVENT_KINDS:
            raise NotFound(f"event kind {kind[:64]!r} ({kinds_like(kind)})")
        conditions = parse_conditions(kind, where or [])
        place = event_cursor(cursor) if cursor else None
        window = place.window if place else parse_window(start, end, clock())
        begin = place.after if place else parse_position(after) if after else None
        if ledger.MEDIA_TYPE in request.headers.get("accept", ""):
            page = _stream_page(limit if rows else 0, begin)
            return await _streamed(store, ledger.Request(kind, window, conditions, page), gate)
        asked = _Asked(kind, window, conditions, size.checked(limit or size.default), begin)
        async with gate.passed():
            return await _page(store, asked) if rows else await _completeness(store, asked)

    del kinds, events
    return router


def _stream_page(limit: int | None, after: EventPosition | None) -> Page | None:
    """None for all of a window."""
    if limit is None:
        return Page(_ALL_ROWS, after) if after else None
    return Page(limit, after)


async def _completeness(store: EventPages, asked: _Asked) -> Response:
    return json(completeness_alone(asked.kind, asked.window, await store.completeness(asked.kind, asked.window)))


async def _page(store: EventPages, asked: _Asked) -> Response:
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


async def _streamed(store: EventPages, request: ledger.Request, gate: Gate) -> Response:
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
        try:
            async with self._held:
                await super().__call__(scope, receive, send)
        except Unavailable as error:
            _log.warning("%s ends early: %s", scope["path"], error)


async def _all_pieces(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece
