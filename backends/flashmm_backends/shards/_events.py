"""The events port over several ledgers: asked at once, merged in order of time, complete only together.

A ledger that does not answer makes the whole answer unavailable: a part of the events would look like all of them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import httpx

from flashmm_backends.ledger import streams
from flashmm_backends.ledger.remote import RemoteEvents
from flashmm_backends.ports import Completeness, EventTable, Window
from flashmm_backends.shards import _streams
from flashmm_backends.shards._merge import merged


class ShardedEvents:
    """An `EventReader` over ledgers partitioned by bot. One client a ledger; the caller closes them. At least one.

    clock: UTC nanoseconds.
    """

    def __init__(self, clients: Sequence[httpx.AsyncClient], clock: Callable[[], int] = time.time_ns) -> None:
        self._clients = tuple(clients)
        self._clock = clock
        self._ledgers = [RemoteEvents(client) for client in clients]

    async def events(self, kind: str, window: Window, where: Mapping[str, str] | None = None) -> EventTable:
        """See EventReader. Raises QueryRefused, Unavailable."""
        tables = await asyncio.gather(*(ledger.events(kind, window, where) for ledger in self._ledgers))
        told = await self._completeness(kind, window, tables)
        return await asyncio.to_thread(merged, tables, told)

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
        tables = await asyncio.gather(*(ledger.events(kind, window) for ledger in self._ledgers))
        found = await asyncio.to_thread(merged, tables, Completeness(0, 0))
        return len(found)
