"""The archive: sealed files on object storage; the local disk keeps what is recent or read.

One thread compares what the catalogue has with what the marks say is archived, and does what is missing: uploads,
deletions, evictions. There is no queue that could overflow or be lost, and ingest never waits for it.
"""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from flashmm_backends.ledger._archive_bucket import ArchiveFault, Bucket
from flashmm_backends.ledger._archive_marks import Marks, object_name
from flashmm_backends.ledger._archive_settings import ArchiveSettings
from flashmm_backends.ledger._archive_telemetry import ArchiveMetrics
from flashmm_backends.ledger._tables import EVENT_TABLES
from flashmm_backends.ports import QueryRefused, Unavailable

if TYPE_CHECKING:  # the catalogue asks the archive for files, the archive asks it what there is
    from flashmm_backends.ledger._catalog import Catalog, SealedFile

_log = logging.getLogger("flashmm.ledger")

_LOOK_S: Final = 2.0
_RETRY_S: Final = 0.5
_FETCHES: Final = 4
_DAY_S: Final = 86_400
_OWNER: Final = "owner"
_LEAVE_LAST: Final = frozenset(table.name for table in EVENT_TABLES.values())
"""Events are small, and asked for over all of time."""


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """How the archive is. fault: empty where the last use of the storage worked."""

    fault: str
    waiting_files: int
    waiting_bytes: int


class Archive:
    """Uploads, fetches back, evicts and deletes. `start` begins it, `stop` ends it."""

    def __init__(self, settings: ArchiveSettings, directory: Path, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._directory = directory
        self._metrics = ArchiveMetrics(registry)
        self._bucket = Bucket(settings)
        self._marks = Marks(directory)
        self._fetchers = ThreadPoolExecutor(_FETCHES, thread_name_prefix="ledger-fetch")
        self._fetching: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._ours = False
        self._fault = ""
        self._catalog: Catalog | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-archive", daemon=True)

    def start(self, catalog: "Catalog") -> None:
        """Begin to archive what the catalogue has."""
        self._catalog = catalog
        self._marks.distrust(catalog.paths_known())
        self._thread.start()

    def stop(self) -> None:
        """End after the file in hand; the rest goes on at the next start."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._fetchers.shutdown(cancel_futures=True)

    def hurry(self) -> None:
        """Look for work now."""
        self._wake.set()

    def holds(self, file: "SealedFile") -> bool:
        """Whether the file can be fetched back, whole."""
        return self._marks.holds(file.path, file.bytes)

    def status(self) -> ArchiveStatus:
        """How it is now."""
        waiting = self._waiting()
        return ArchiveStatus(self._fault, len(waiting), sum(file.bytes for file in waiting))

    def fetch(self, files: Sequence["SealedFile"]) -> None:
        """Return once all files are on the local disk. Raises QueryRefused for too much of them, Unavailable."""
        absent = [file for file in files if not (self._directory / file.path).exists() and self.holds(file)]
        if not absent:
            return
        self._admit(sum(file.bytes for file in absent))
        futures = [self._fetched(file) for file in absent]
        done, late = wait(futures, self._settings.read_s)
        self.hurry()
        if late:
            raise Unavailable("the archive", f"{len(late)} files did not come within {self._settings.read_s:g} s")
        for future in done:
            _raise_fault(future)

    def _admit(self, size: int) -> None:
        most = self._settings.read_bytes_max
        if size > most:
            raise QueryRefused(
                "execution",
                f"the query needs {size / 2**20:.0f} MiB from the archive, archive.read_bytes_max is "
                f"{most / 2**20:.0f} MiB: ask for a shorter time, or raise it",
            )

    def _fetched(self, file: "SealedFile") -> Future[None]:
        with self._lock:
            future = self._fetching.get(file.path)
            if future is None or future.done():
                future = self._fetching[file.path] = self._fetchers.submit(self._fetch_one, file)
            return future

    def _fetch_one(self, file: "SealedFile") -> None:
        target = self._directory / file.path
        try:
            if not target.exists():
                self._bucket.get(object_name(file.path), target, file.bytes)
                self._count("fetched", file.bytes)
        finally:
            with self._lock:
                self._fetching.pop(file.path, None)

    def _run(self) -> None:
        wait_s = _LOOK_S
        while not self._stopping:
            self._wake.wait(wait_s)
            self._wake.clear()
            wait_s = _LOOK_S if self._try() else min(self._settings.retry_s_max, max(_RETRY_S, wait_s * 2))

    def _try(self) -> bool:
        try:
            self.step()
        # The boundary of the thread: storage that is away must not end it, nor what nobody foresaw.
        except Exception as error:  # noqa: BLE001
            self._metrics.failures.inc()
            self._tell(str(error))
            return False
        return True

    def _tell(self, fault: str) -> None:
        if fault.partition(" (")[0] != self._fault.partition(" (")[0]:
            _log.error("the archive waits: %s", fault) if fault else _log.info("the archive works")
        self._fault = fault
        self._metrics.up.set(not fault)

    def step(self) -> None:
        """Do all that is due, on this thread. Raises ArchiveFault, OSError."""
        self._claim()
        for name in self._marks.strays(self._known().paths_known()):
            self._bucket.remove(name)
            self._marks.forget(name)
            self._count("removed")
        for file in self._waiting():
            if not self._stopping:
                self._upload(file)
        self._evict()
        self._tell("")
        self._report()

    def _known(self) -> "Catalog":
        assert self._catalog is not None, "the archive was not started"
        return self._catalog

    def _claim(self) -> None:
        """Two ledgers in one folder would overwrite each other's files."""
        if not self._ours:
            owner = self._bucket.claim(_OWNER, self._marks.owner())
            if owner != self._marks.owner():
                raise ArchiveFault(f"{self._settings.prefix!r} belongs to another ledger: change archive.prefix")
            self._ours = True

    def _waiting(self) -> list["SealedFile"]:
        files = self._known().sealed() if self._catalog else []
        return [file for file in files if not self.holds(file)]

    def _upload(self, file: "SealedFile") -> None:
        self._report()
        source = self._directory / file.path
        if not source.exists():
            self._known().miss(file)
            return
        self._marks.begin(file.path)
        self._bucket.put(source, object_name(file.path))
        self._marks.end(file.path, file.bytes)
        self._count("uploaded", file.bytes)

    def _evict(self) -> None:
        """Let go of archived files that are too old or too much, the least recently read first, events last."""
        catalog = self._known()
        local = [file for file in catalog.sealed() if (self._directory / file.path).exists()]
        excess = sum(file.bytes for file in local) - self._settings.local_bytes_max
        horizon = time.time() - self._settings.local_days * _DAY_S
        for file in sorted(local, key=lambda file: (file.kind in _LEAVE_LAST, catalog.last_read(file))):
            due = excess > 0 or catalog.last_read(file) < horizon
            if due and self.holds(file) and catalog.evict(file):
                excess -= file.bytes
                self._count("evicted", file.bytes)

    def _report(self) -> None:
        status = self.status()
        self._metrics.waiting_files.set(status.waiting_files)
        self._metrics.waiting_bytes.set(status.waiting_bytes)
        local = (file for file in self._known().sealed() if (self._directory / file.path).exists())
        self._metrics.local_bytes.set(sum(file.bytes for file in local))

    def _count(self, work: str, size: int = 0) -> None:
        self._metrics.files.labels(work).inc()
        self._metrics.bytes.labels(work).inc(size)


def _raise_fault(future: Future[None]) -> None:
    try:
        future.result()
    except (ArchiveFault, OSError) as error:
        raise Unavailable("the archive", str(error)) from error
