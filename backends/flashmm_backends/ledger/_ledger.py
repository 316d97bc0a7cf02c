"""The ledger: everything a market maker emitted, exact and complete, in one directory that one process owns."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from flashmm_backends.batch import Batch, Labels, Span
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._archive import Archive, ArchiveStatus
from flashmm_backends.ledger._archive_settings import ArchiveSettings
from flashmm_backends.ledger._arrow import Request, write_events
from flashmm_backends.ledger._catalog import Catalog
from flashmm_backends.ledger._committer import Committer, Published
from flashmm_backends.ledger._completeness import completeness, whole
from flashmm_backends.ledger._database import Database
from flashmm_backends.ledger._events import event_table_of, is_large, read_events
from flashmm_backends.ledger._head import Head
from flashmm_backends.ledger._hours import SeriesHours
from flashmm_backends.ledger._journal import Entry, JournalFile
from flashmm_backends.ledger._keys import KeyLists
from flashmm_backends.ledger._labels import SeriesIndex
from flashmm_backends.ledger._lock import directory_lock
from flashmm_backends.ledger._logs import read_logs
from flashmm_backends.ledger._maintenance import Maintenance
from flashmm_backends.ledger._reading import Reading
from flashmm_backends.ledger._recent import RecentEvents, columns_of, latest_times, selected
from flashmm_backends.ledger._recovery import Recovery, recalling
from flashmm_backends.ledger._retention import Retention
from flashmm_backends.ledger._sealing import Sealer
from flashmm_backends.ledger._select import Selector
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ledger._staging import Known
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._telemetry import LedgerMetrics
from flashmm_backends.ledger._traces import (
    read_exemplars,
    read_order,
    read_orders,
    read_trace,
)
from flashmm_backends.ledger.streams import Anchors, Gap, RunState, StreamState, anchors_of
from flashmm_backends.ports import (
    Completeness,
    EventTable,
    LogLine,
    OrderSummary,
    OrderTrace,
    Page,
    Unavailable,
    Window,
)
from flashmm_backends.promql.source import ExemplarSeries, Matcher, Metadata, Selection

Clock = Callable[[], int]
"""UTC nanoseconds."""

_ROWS_AT_ONCE: Final = 1_000
"""Rows in memory that a read may go through on the event loop: about two milliseconds."""


def _untold(_why: str) -> None:
    return


@dataclass(slots=True)
class _Parts:
    """What a ledger is made of."""

    settings: LedgerSettings
    head: Head
    streams: Streams
    committer: Committer
    applier: Applier
    maintenance: Maintenance
    retention: Retention
    selector: Selector
    reading: Reading
    recent: RecentEvents
    metrics: LedgerMetrics
    archive: Archive | None


class Ledger:
    """Store, EventReader, TraceReader and SampleSource over one directory. Made by `Ledger.open`."""

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        directory: Path,
        settings: LedgerSettings,
        clock: Clock,
        registry: CollectorRegistry,
        archive: ArchiveSettings | None = None,
        failed: Callable[[str], None] = _untold,
    ) -> AsyncGenerator["Ledger"]:
        """Own a directory, which is made where it is missing, and serve from it while the context lasts.

        clock: UTC nanoseconds. registry: where the ledger's own metrics go. archive: None or without a bucket, all
        stays on the local disk. failed: called at most once, from a thread of the ledger's, with why it can store
        nothing more until it is opened again; it goes on to answer reads.
        Raises DirectoryInUse, SchemaTooNew, Unavailable (disk full or failing).
        """
        with ExitStack() as stack:
            parts = await _to_its_end(
                asyncio.to_thread(_open, stack, directory, settings, clock, registry, archive, failed)
            )
            try:
                yield cls(parts)
            finally:
                await asyncio.to_thread(stack.close)

    async def append(self, batch: Batch) -> None:
        """See Store."""
        parts = self._parts
        if parts.applier.pending_rows >= parts.settings.pending_rows_max:
            raise self._refusal("rows_behind", "DuckDB does not take rows as fast as they come")
        if parts.head.unsealed_points >= parts.settings.unsealed_points_max:
            raise self._refusal("points_behind", "points cannot be sealed as fast as they come")
        await parts.committer.append(batch)

    def _refusal(self, reason: str, why: str) -> Unavailable:
        self._parts.metrics.refused.labels(reason).inc()
        return Unavailable("the ledger", why)

    async def stream_seqs(self) -> Mapping[tuple[str, str], Sequence[tuple[int, int]]]:
        """See Store."""
        return self._parts.streams.received()

    async def events(
        self, kind: str, window: Window, where: Mapping[str, str] | None = None, page: Page | None = None
    ) -> EventTable:
        """See EventReader; completeness is explained in `_completeness`. page: a part of them, None for all."""
        recent = self._recent(kind, window, where, page)
        if recent is not None:
            return recent
        streams, reading = self._parts.streams, self._parts.reading
        read = reading.read_large if is_large(page) else reading.read
        return await read(lambda view: read_events(view, streams, kind, window, where, page))

    def _recent(
        self, kind: str, window: Window, where: Mapping[str, str] | None, page: Page | None
    ) -> EventTable | None:
        """The answer from memory, where it is there and small: then the loop has it sooner than any thread would."""
        table, parts = event_table_of(kind), self._parts
        rows = parts.recent.within(table, window)
        if rows is None or len(rows) > _ROWS_AT_ONCE or parts.streams.may_miss(kind, window):
            return None
        found = selected(table, rows, where, page)
        if found is None:
            return None
        return EventTable(kind, window, columns_of(table, found), whole(parts.streams, window, len(rows)))

    def events_stream(self, request: Request) -> AsyncGenerator[bytes]:
        """Events as an Arrow stream in pieces; see `_arrow`. The first piece raises QueryRefused, Unavailable."""
        streams = self._parts.streams
        return self._parts.reading.stream(lambda view: write_events(view, streams, request))

    async def completeness(self, kind: str, window: Window) -> Completeness:
        """See EventReader."""
        streams = self._parts.streams
        rows = self._parts.recent.within(event_table_of(kind), window)
        if rows is not None and not streams.may_miss(kind, window):
            return whole(streams, window, len(rows))
        return await self._parts.reading.read(lambda view: completeness(view, streams, kind, window))

    def streams(self, kind: str) -> Mapping[str, StreamState]:
        """What arrived of each stream of a kind, by run. Raises QueryRefused."""
        event_table_of(kind)
        return {run: StreamState(*state) for run, state in self._parts.streams.of(kind).items()}

    def runs(self) -> Mapping[str, RunState]:
        """How far each run's marks go, and whether it was closed."""
        return self._parts.streams.runs.told()

    async def anchors(self, kind: str, gaps: Mapping[str, Sequence[Gap]]) -> Mapping[str, Anchors]:
        """What bounds gaps of a kind's streams in time, by run. Raises QueryRefused, Unavailable."""
        event_table_of(kind)
        return await self._parts.reading.read(lambda view: anchors_of(view, kind, gaps))

    async def trace(self, trace_id: bytes) -> Sequence[Span]:
        """See TraceReader."""
        return await self._parts.reading.read(lambda view: read_trace(view, trace_id))

    async def order(self, order_id: str) -> OrderTrace:
        """See TraceReader."""
        return await self._parts.reading.read(lambda view: read_order(view, order_id))

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]:
        """See TraceReader. where: order_id, venue, symbol, side, outcome."""
        return await self._parts.reading.read(lambda view: read_orders(view, window, where, limit))

    async def logs(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 1_000
    ) -> Sequence[LogLine]:
        """See LogReader. where: any other column by equality too."""
        return await self._parts.reading.read(lambda view: read_logs(view, window, where, limit))

    async def exemplars(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[ExemplarSeries]:
        """Exemplars of matching series in a span of time, both ends included; sorted by labels."""
        index = self._parts.selector.index
        return await self._parts.reading.read(lambda view: read_exemplars(view, index, matchers, start_ms, end_ms))

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Selection:
        """See SampleSource."""
        return self._parts.selector.select(matchers, start_ms, end_ms)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """See SampleSource."""
        return self._parts.selector.series(matchers, start_ms, end_ms)

    def metadata(self) -> Sequence[Metadata]:
        """See SampleSource."""
        return self._parts.selector.metadata()

    @property
    def retention_shortfall(self) -> float:
        """How much of the wanted retention of raw points the size limit took, in seconds; 0 where none."""
        return self._parts.retention.shortfall_s

    @property
    def archive_status(self) -> ArchiveStatus | None:
        """How the archive is; None where there is none."""
        return self._parts.archive.status() if self._parts.archive else None

    async def maintain(self) -> None:
        """Do now what the maintenance thread would do next: seal, merge, forget. Raises what fails."""
        await asyncio.to_thread(self._parts.maintenance.step)

    async def seal(self) -> None:
        """Seal every recent point now, whatever its age."""
        await asyncio.to_thread(self._parts.maintenance.seal_all)


async def _to_its_end(opening: Coroutine[object, object, _Parts]) -> _Parts:
    """Wait for a thread when cancelled too: what it goes on to open would never be closed."""
    task = asyncio.create_task(opening)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def _open(
    stack: ExitStack,
    directory: Path,
    settings: LedgerSettings,
    clock: Clock,
    registry: CollectorRegistry,
    archived: ArchiveSettings | None,
    failed: Callable[[str], None],
) -> _Parts:
    (directory / "journal").mkdir(parents=True, exist_ok=True)
    stack.enter_context(directory_lock(directory))
    database = Database(directory, settings)
    stack.callback(database.close)
    archive = Archive(archived, directory, registry) if archived and archived.bucket else None
    catalog, head, hours, metrics = Catalog(directory, archive), Head(), SeriesHours(), LedgerMetrics(registry)
    known = Known(SeriesIndex(), Streams(clock), set(), settings.series_max, recalling(database))
    applier = Applier(settings, database, catalog, metrics, clock)
    recovery = Recovery(directory, database, catalog, head, hours, known, applier, metrics, clock)
    last, generation = recovery.run()
    applier.start()
    stack.callback(applier.stop)
    applier.flush()
    head.open(generation, clock())
    journal = JournalFile(directory / "journal", generation)
    committer = Committer(settings, known, metrics, journal, last, failed)
    threads = ThreadPoolExecutor(settings.reader_threads, thread_name_prefix="ledger-read")
    stack.callback(threads.shutdown)
    sealer = Sealer(settings, database, catalog, applier, hours, known.streams, clock)
    retention = Retention(
        settings, database, catalog, applier, hours, known.index, known.streams, head, committer, clock
    )
    maintenance = Maintenance(
        settings, catalog, head, known.index, committer, applier, sealer, retention, metrics, clock
    )
    recent = RecentEvents(clock, latest_times(database.reader(), catalog.snapshot))
    committer.publish = _publisher(head, applier, recent, maintenance)
    committer.start()
    stack.callback(committer.stop)
    maintenance.report()
    maintenance.start()
    stack.callback(maintenance.stop)
    if archive is not None:
        archive.start(catalog)
        stack.callback(archive.stop)
    selector = Selector(known.index, head, hours, catalog, database)
    reading = Reading(applier, catalog, KeyLists(directory), database, threads)
    return _Parts(
        settings,
        head,
        known.streams,
        committer,
        applier,
        maintenance,
        retention,
        selector,
        reading,
        recent,
        metrics,
        archive,
    )


def _publisher(head: Head, applier: Applier, recent: RecentEvents, maintenance: Maintenance) -> Published:
    def publish(number: int, entry: Entry) -> None:
        head.add(entry.points, entry.histograms)
        applier.add(number, entry.rows)
        recent.add(entry.rows)
        if maintenance.is_full:
            maintenance.hurry()

    return publish
