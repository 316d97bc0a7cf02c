"""The thread that seals, merges, rolls up and forgets, one small step at a time."""

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from flashmm_backends.ledger import _journal
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import Catalog, counts
from flashmm_backends.ledger._committer import Committer
from flashmm_backends.ledger._head import Generation, Head
from flashmm_backends.ledger._labels import SeriesIndex
from flashmm_backends.ledger._retention import Retention
from flashmm_backends.ledger._sealing import Sealer
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ledger._telemetry import LedgerMetrics
from flashmm_backends.memory import give_back

_log = logging.getLogger("flashmm.ledger")


@dataclass(slots=True)
class Maintenance:
    """What has to be done to keep the ledger small; `step` does all that is due and may be called by tests."""

    settings: LedgerSettings
    catalog: Catalog
    head: Head
    index: SeriesIndex
    committer: Committer
    applier: Applier
    sealer: Sealer
    retention: Retention
    metrics: LedgerMetrics
    clock: Callable[[], int]
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _busy: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look for work."""
        self._thread = threading.Thread(target=self._run, name="ledger-maintenance", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the work in hand."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def hurry(self) -> None:
        """Look for work now."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self.settings.maintenance_interval_s)
            self._wake.clear()
            for name, work in self._work().items():
                if not self._stopping:
                    self._try(name, work)

    def _work(self) -> dict[str, Callable[[], None]]:
        return {
            "seal": self.seal_due,
            "seal_rows": self.seal_rows_due,
            "merge": self.merge_due,
            "retention": self.retention.enforce,
            "report": self.report,
        }

    def _try(self, name: str, work: Callable[[], None]) -> None:
        try:
            with self._busy:
                work()
        # The boundary of the thread: a full disk or a lost file must not end it, nor what nobody foresaw.
        except Exception as error:  # noqa: BLE001
            self.metrics.failures.labels(name).inc()
            _log.error("%s failed and will be tried again: %s", name, error)
            self.applier.heal(error)

    def step(self) -> None:
        """Put waiting rows into their tables and do all that is due, on this thread. Raises what fails."""
        self.applier.flush()
        for work in self._work().values():
            with self._busy:
                work()

    def seal_all(self) -> None:
        """Seal every recent point, whatever its age."""
        with self._busy:
            if self.head.generations[-1].size:
                self.rotate()
            self.seal_due()

    def seal_due(self) -> None:
        """Seal generations that are full, old or closed."""
        if self.is_full or (self.committer.journal_bytes and self._age_s() >= self.settings.seal_age_s):
            self.rotate()
        for generation in self.head.generations[:-1]:
            if not generation.sealed:
                self._seal(generation)
        horizon_ms = self.clock() // 1_000_000 - int(self.settings.resident_age_s * 1e3)
        self.head.evict(self.settings.resident_points, horizon_ms)

    @property
    def is_full(self) -> bool:
        """Whether the newest generation has as much as one may have."""
        settings = self.settings
        points, size = self.head.generations[-1].size, self.committer.journal_bytes
        return points >= settings.seal_points or size >= settings.seal_journal_bytes

    def _age_s(self) -> float:
        return (self.clock() - self.head.generations[-1].opened_ns) / 1e9

    def rotate(self) -> None:
        """Go on in a new generation, so that the newest can be sealed."""

        def make() -> _journal.JournalFile:
            number = self.head.generations[-1].number + 1
            journal = _journal.JournalFile(self.catalog.directory / "journal", number)
            self.head.open(number, self.clock())
            return journal

        self.committer.rotate(make)

    def _seal(self, generation: Generation) -> None:
        # The journal file goes away afterwards, so its rows must be in their tables before.
        self.applier.flush()
        sealed = self.sealer.seal_points(generation)
        self.head.seal(generation.number, sealed.points, sealed.histograms)
        _journal.remove(self.catalog.directory / "journal", generation.number)
        give_back()

    def seal_rows_due(self) -> None:
        """Seal tables of rows that are full or old."""
        for table in self.applier.closed_tables():
            self.sealer.seal_rows(table)

    def merge_due(self) -> None:
        """Merge the files of hours that are over."""
        while not self._stopping and self.sealer.merge_due():
            pass

    def report(self) -> None:
        """Set the gauges."""
        snapshot, metrics = self.catalog.snapshot, self.metrics
        for kind, (files, size) in counts(snapshot).items():
            metrics.sealed_files.labels(kind).set(files)
            metrics.sealed_bytes.labels(kind).set(size)
        for kind, tables in snapshot.tables.items():
            metrics.recent_rows.labels(kind).set(sum(table.rows for table in tables))
        metrics.recent_points.set(self.head.unsealed_points)
        metrics.resident_points.set(self.head.resident_points)
        metrics.pending_rows.set(self.applier.pending_rows)
        metrics.series.set(len(self.index))
        metrics.damaged_files.set(len(self.catalog.damaged))
        metrics.disk_free_bytes.set(shutil.disk_usage(self.catalog.directory).free)
        metrics.disk_bytes.set(self._disk_bytes())
        metrics.raw_horizon.set(self.retention.raw_horizon_ms / 1e3)
        metrics.shortfall.set(self.retention.shortfall_s)

    def _disk_bytes(self) -> int:
        own = [*self.catalog.directory.glob("ledger.duckdb*"), *(self.catalog.directory / "journal").iterdir()]
        sealed = sum(size for _, size in counts(self.catalog.snapshot).values())
        return sealed + sum(path.stat().st_size for path in own if path.exists())
