"""The events port over several ledgers: asked at once, merged in order of time, complete only together.

A ledger that does not answer makes the whole answer unavailable: a part of the events would look like all of them.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

import httpx

from flashmm_backends.ledger import Request, streams, write_tables
from flashmm_backends.ledger.remote import RemoteEvents
from flashmm_backends.ports import Completeness, EventPosition, EventTable, Page, Window
from flashmm_backends.shards import _streams
from flashmm_backends.shards._merge import merged

_PIECE_ROWS: Final = 10_000
"""Rows of a stream that are in memory at a time, from each ledger."""
_ALL: Final = Page(2**62)


class ShardedEvents:
    """An `EventReader` over ledgers partitioned by bot. One client a ledger; the caller closes them. At least one.

    clock: UTC nanoseconds.
    """

    def __init__(self, clients: Sequence[httpx.AsyncClient], clock: Callable[[], int] = time.time_ns) -> None:
        self._clients = tuple(clients)
        self._clock = clock
        self._ledgers = [RemoteEvents(client) for client in clients]

    async def events(
        self, kind: str, window: Window, where: Mapping[str, str] | None = None, page: Page | None = None
    ) -> EventTable:
        """See EventReader. page: a part of them, None for all. Raises QueryRefused, Unavailable."""
        tables = await self._tables(kind, window, where, page)
        told = await self._completeness(kind, window, tables)
        return await asyncio.to_thread(_merged, tables, told, page)

    async def _tables(
        self, kind: str, window: Window, where: Mapping[str, str] | None, page: Page | None
    ) -> Sequence[EventTable]:
        return await asyncio.gather(*(ledger.events(kind, window, where, page) for ledger in self._ledgers))

    async def events_stream(self, request: Request) -> AsyncGenerator[bytes]:
        """Events as an Arrow stream in pieces, as a ledger's. The first piece raises QueryRefused, Unavailable."""
        page = request.page or _ALL
        part = _piece(page)
        first = await self.events(request.kind, request.window, request.where, part)
        async with aclosing(self._pieces(request, _rest(page, part, first))) as others:
            async for piece in write_tables(first, others):
                yield piece

    async def _pieces(self, request: Request, page: Page) -> AsyncGenerator[EventTable]:
        """A page's events in tables that are in memory one at a time, without their completeness."""
        while page.limit:
            part = _piece(page)
            tables = await self._tables(request.kind, request.window, request.where, part)
            table = await asyncio.to_thread(_merged, tables, Completeness(0, 0), part)
            yield table
            page = _rest(page, part, table)

    async def completeness(self, kind: str, window: Window) -> Completeness:
        """See EventReader. Raises QueryRefused, Unavailable."""
        parts = await asyncio.gather(*(ledger.completeness(kind, window) for ledger in self._ledgers))
        return await self._whole(kind, window, parts)

    async def _completeness(self, kind: str, window: Window, tables: Sequence[EventTable]) -> Completeness:
        return await self._whole(kind, window, [table.completeness for table in tables])

    async def _whole(self, kind: str, window: Window, told: Sequence[Completeness]) -> Completeness:
        received = sum(each.received for each in told)
        known = await asyncio.gather(*(_streams.states(client, kind) for client in self._clients))
        parts = [each.streams for each in known]
        unclosed = streams.unclosed(window, [each.runs for each in known], self._clock())
        if streams.overlap(parts):
            received = await self._distinct(kind, window)
        gaps = streams.gaps_of(parts)
        if not gaps:
            return Completeness(received, received, unclosed)
        bounds = await asyncio.gather(*(_streams.anchors(client, kind, gaps) for client in self._clients))
        anchors = {run: streams.joined(each[run] for each in bounds) for run in gaps}
        return Completeness(received, received + streams.missing(window, gaps, anchors), unclosed)

    async def _distinct(self, kind: str, window: Window) -> int:
        """How many different events there are where ledgers have some in common."""
        return sum([len(table) async for table in self._pieces(Request(kind, window), _ALL)])


def _merged(tables: Sequence[EventTable], told: Completeness, page: Page | None) -> EventTable:
    """Those of all ledgers, and of a page no more than it holds: each ledger gave as many."""
    whole = merged(tables, told)
    if page is None or len(whole) <= page.limit:
        return whole
    columns = {name: column[: page.limit] for name, column in whole.columns.items()}
    return EventTable(whole.kind, whole.window, columns, told)


def _piece(page: Page) -> Page:
    return Page(min(_PIECE_ROWS, page.limit), page.after)


def _rest(page: Page, part: Page, table: EventTable) -> Page:
    """What is left of a page after its first part; nothing where that had fewer rows than it may."""
    return Page(page.limit - len(table), _last(table)) if 0 < len(table) == part.limit else Page(0)


def _last(table: EventTable) -> EventPosition:
    time_ns, run, seq = (table.columns[name][-1] for name in ("time_ns", "run", "seq"))
    return EventPosition(int(time_ns), str(run), int(seq))
