"""Group commit: one thread makes everything durable that waits, then tells those who wait."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, cast

from flashmm_backends.batch import Batch
from flashmm_backends.ledger._journal import Entry, JournalFile, encode
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ledger._staging import Known, Staged, confirm, merged, stage, unstage
from flashmm_backends.ledger._telemetry import LedgerMetrics
from flashmm_backends.ports import BatchRefused, Unavailable

_T = TypeVar("_T")
_log = logging.getLogger("flashmm.ledger")


@dataclass(slots=True)
class Waiting:
    """A batch and who waits for it."""

    batch: Batch
    points: int
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"


Published = Callable[[int, Entry], None]
"""Called with a durable entry's number before its waiters are told."""


def _nobody(_number: int, _entry: Entry) -> None:
    return


class Committer:
    """The queue and the thread that drains it into the journal.

    failed: called once, from that thread, with why it has ended before its time; then nothing is stored any more.
    """

    def __init__(
        self,
        settings: LedgerSettings,
        known: Known,
        metrics: LedgerMetrics,
        journal: JournalFile,
        number: int,
        failed: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._known = known
        self._metrics = metrics
        self._journal = journal
        self._number = number
        self._queue: deque[Waiting] = deque()
        self._queued_points = 0
        self._wake = threading.Condition()
        self._failed = failed
        self._stopping = False
        self._failure = ""
        self._last_commit = 0.0
        self._errands: deque[tuple[Callable[[], object], Future[object]]] = deque()
        self._thread = threading.Thread(target=self._run, name="ledger-commit", daemon=True)
        self.publish: Published = _nobody

    @property
    def number(self) -> int:
        """Number of the last durable record."""
        return self._number

    @property
    def journal_bytes(self) -> int:
        """Bytes of records in the newest journal file."""
        return self._journal.size

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._journal.close()

    async def append(self, batch: Batch) -> None:
        """Return once the batch is durable. Raises Unavailable, BatchRefused."""
        loop = asyncio.get_running_loop()
        points = len(batch.points.series_id) + len(batch.histograms.series_id)
        waiting = Waiting(batch, points, loop, loop.create_future())
        with self._wake:
            self._admit(waiting)
            self._queue.append(waiting)
            self._queued_points += points
            self._wake.notify()
        await waiting.future

    def _admit(self, waiting: Waiting) -> None:
        if self._failure:
            raise self._refusal("failed", self._failure)
        if self._stopping:
            raise self._refusal("stopping", "it is shutting down")
        if len(self._queue) >= self._settings.queue_batches_max:
            raise self._refusal("queue_full", f"{len(self._queue)} batches are waiting to be stored")
        if self._queue and self._queued_points + waiting.points > self._settings.queue_points_max:
            raise self._refusal("queue_full", f"{self._queued_points} points are waiting to be stored")

    def _refusal(self, reason: str, why: str) -> Unavailable:
        self._metrics.refused.labels(reason).inc()
        return Unavailable("the ledger", why)

    def rotate(self, make: Callable[[], JournalFile]) -> None:
        """Have the thread go on in another journal file. Raises Unavailable, and what `make` raises."""

        def go_on() -> None:
            fresh, old = make(), self._journal
            self._journal = fresh
            old.close()

        self.between(go_on)

    def between(self, errand: Callable[[], _T]) -> _T:
        """Have the thread run an errand between two commits, when readers see all that was staged; wait for it.

        Raises Unavailable where the thread has ended, and what the errand raises.
        """
        done: Future[object] = Future()
        with self._wake:
            if self._failure:
                raise Unavailable("the ledger", self._failure)
            self._errands.append((errand, done))
            self._wake.notify()
        return cast("_T", done.result())

    def _run(self) -> None:
        waiting: list[Waiting] | None = []
        try:
            while (waiting := self._take()) is not None:
                if waiting:
                    self._commit(waiting)
        # The boundary of the thread: a record may be durable that no reader was shown. Only a start puts that right.
        except Exception as error:  # noqa: BLE001
            _log.critical("the ledger can store nothing more until it is started again", exc_info=True)
            self._fail(f"its commit thread ended: {type(error).__name__}: {error}", waiting or ())

    def _fail(self, why: str, taken: Sequence[Waiting]) -> None:
        with self._wake:
            self._failure = why
            left, errands = [*taken, *self._queue], list(self._errands)
            self._queue.clear()
        self._metrics.failures.labels("commit").inc()
        _tell([(each, Unavailable("the ledger", why)) for each in left])
        for _, done in errands:
            done.set_exception(Unavailable("the ledger", why))
        self._failed(why)

    def _take(self) -> list[Waiting] | None:
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._errands or self._stopping)
            if not self._stopping and not self._errands:
                self._pace()
            errands = list(self._errands)
            self._errands.clear()
        for errand, done in errands:
            _run(errand, done)
        with self._wake:
            if self._stopping and not self._queue:
                return None
            taken = list(self._queue)
            self._queue.clear()
            self._queued_points = 0
            return taken

    def _pace(self) -> None:
        rest = self._last_commit + self._settings.commit_interval_s - time.monotonic()
        if rest > 0:
            self._wake.wait_for(lambda: self._stopping or self._errands, rest)

    def _commit(self, waiting: Sequence[Waiting]) -> None:
        begun = time.monotonic()
        self._last_commit = begun
        staged = self._stage(waiting)
        if staged:
            self._store(staged)
        self._metrics.commit_seconds.observe(time.monotonic() - begun)
        self._metrics.queue_depth.set(len(self._queue))

    def _stage(self, waiting: Sequence[Waiting]) -> list[tuple[Waiting, Staged]]:
        staged: list[tuple[Waiting, Staged]] = []
        refused: list[tuple[Waiting, Exception]] = []
        for each in waiting:
            try:
                staged.append((each, stage(each.batch, self._known)))
            except BatchRefused as error:
                self._metrics.refused.labels(error.reason).inc()
                refused.append((each, error))
            except Unavailable as error:
                self._metrics.refused.labels("recall").inc()
                refused.append((each, error))
            # The boundary of the commit thread: whatever a batch breaks on, the others are stored.
            except Exception as error:  # noqa: BLE001
                _log.exception("a batch could not be stored")
                self._metrics.refused.labels("malformed").inc()
                refused.append((each, BatchRefused("malformed", str(error))))
        _tell(refused)
        return staged

    def _store(self, staged: Sequence[tuple[Waiting, Staged]]) -> None:
        entry = merged([each for _, each in staged])
        try:
            self._journal.append(self._number + 1, encode(entry))
        # Nothing of it is durable, so whatever it was may be tried again.
        except Exception as error:  # noqa: BLE001
            self._undo(staged, error)
            return
        self._number += 1
        for _, each in staged:
            confirm(each, self._known)
        self._count(entry, sum(each.duplicates for _, each in staged))
        self.publish(self._number, entry)
        _tell([(waiting, None) for waiting, _ in staged])

    def _undo(self, staged: Sequence[tuple[Waiting, Staged]], error: Exception) -> None:
        for _, each in reversed(staged):
            unstage(each, self._known)
        self._metrics.refused.labels("journal").inc(len(staged))
        _log.error("the journal could not be written, batches are refused until it can: %s", error)
        _tell([(waiting, Unavailable("the ledger", str(error))) for waiting, _ in staged])

    def _count(self, entry: Entry, duplicates: int) -> None:
        if len(entry.points):
            self._metrics.rows.labels("points").inc(len(entry.points))
        if len(entry.histograms):
            self._metrics.rows.labels("histograms").inc(len(entry.histograms))
        for table, rows in entry.rows.items():
            self._metrics.rows.labels(table).inc(len(rows))
        if duplicates:
            self._metrics.duplicates.inc(duplicates)


def _run(errand: Callable[[], object], done: "Future[object]") -> None:
    try:
        done.set_result(errand())
    except Exception as error:  # noqa: BLE001 - whoever asked for it gets its error
        done.set_exception(error)


def _tell(outcomes: Sequence[tuple[Waiting, Exception | None]]) -> None:
    """Resolve futures, with one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiting, Exception | None]]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, each in by_loop.items():
        with suppress(RuntimeError):  # a loop that was closed: nobody waits there
            loop.call_soon_threadsafe(_resolve, each)


def _resolve(outcomes: Sequence[tuple[Waiting, Exception | None]]) -> None:
    for waiting, error in outcomes:
        if waiting.future.done():
            continue
        if error is None:
            waiting.future.set_result(None)
        else:
            waiting.future.set_exception(error)
