"""From the trading thread to an exporter: a bounded queue, and a thread that empties it every few milliseconds."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from flashmm_instrumentation.semconv.attributes import DropReason

T = TypeVar("T")

_BACKOFF_S_FIRST: Final = 0.05
_BACKOFF_S_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class PumpLimits:
    """capacity: records that wait; batch: records an export; gather_s: the wait that fills a batch.

    give_up_s: how long one batch is offered to a peer that does not take it; meanwhile the queue fills.
    """

    capacity: int = 32_768
    batch: int = 512
    gather_s: float = 0.02
    give_up_s: float = 300.0


class Pump(Generic[T]):
    """Hands records on in order, in batches. A full queue refuses the newest; what is refused is counted.

    sink: exports a batch; True once the peer has it. It must not raise.
    on_drop: told the reason and the number of records dropped. on_taken: how many the peer has taken.
    threaded: without a thread, records leave on flush() alone.
    """

    def __init__(
        self,
        name: str,
        sink: Callable[[Sequence[T]], bool],
        on_drop: Callable[[DropReason, int], None],
        on_taken: Callable[[int], None],
        limits: PumpLimits,
        *,
        threaded: bool = True,
    ) -> None:
        self._name = name
        self._sink = sink
        self._on_drop = on_drop
        self._on_taken = on_taken
        self.limits: Final = limits
        self._threaded = threaded
        self._start()

    def _start(self) -> None:
        self._queue: deque[T] = deque()
        self._in_flight = 0
        self._oldest_s: float | None = None
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._draining = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"flashmm-{self._name}", daemon=True)
        if self._threaded:
            self._thread.start()

    def restart_in_child(self, sink: Callable[[Sequence[T]], bool]) -> None:
        """After a fork: the parent exports what was queued, the child begins anew."""
        self._sink = sink
        self._start()

    def offer(self, record: T) -> bool:
        """Take the record; False if it was dropped. Never blocks."""
        if self._closing.is_set():
            self._on_drop(DropReason.CLOSED, 1)
            return False
        if len(self._queue) >= self.limits.capacity:
            self._on_drop(DropReason.QUEUE_FULL, 1)
            return False
        self._queue.append(record)
        if not self._wake.is_set():
            self._oldest_s = self._oldest_s or time.monotonic()
            self._wake.set()
        return True

    @property
    def depth(self) -> int:
        """Records not yet taken by the peer."""
        return len(self._queue) + self._in_flight

    @property
    def lag_s(self) -> float:
        """An upper bound of the age of the oldest of them, seconds."""
        oldest_s = self._oldest_s
        return time.monotonic() - oldest_s if oldest_s is not None and self.depth else 0.0

    def flush(self, timeout_s: float) -> bool:
        """Export what is queued now; True if all of it was taken."""
        if not self._draining.acquire(timeout=timeout_s):
            return False
        try:
            return self._drain(time.monotonic() + timeout_s)
        finally:
            self._draining.release()

    def close(self, timeout_s: float) -> None:
        """Refuse new records, export the queued ones, stop the thread; the rest is dropped and counted."""
        deadline_s = time.monotonic() + timeout_s
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self.flush(max(0.0, deadline_s - time.monotonic()))
        if self.depth:
            self._on_drop(DropReason.CLOSED, self.depth)
            self._queue.clear()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(self.limits.gather_s)
            self._wake.clear()
            with self._draining:
                if not self._drain(time.monotonic() + self.limits.give_up_s):
                    self._wake.set()

    def _drain(self, deadline_s: float) -> bool:
        while batch := self._next_batch():
            if not self._delivered(batch, deadline_s):
                self._on_drop(DropReason.EXPORT_FAILED, len(batch))
                self._in_flight = 0
                return False
            self._in_flight = 0
            self._on_taken(len(batch))
        self._oldest_s = None
        return True

    def _next_batch(self) -> list[T]:
        count = min(len(self._queue), self.limits.batch)
        self._in_flight = count
        return [self._queue.popleft() for _ in range(count)]

    def _delivered(self, batch: Sequence[T], deadline_s: float) -> bool:
        backoff_s = _BACKOFF_S_FIRST
        while not self._sink(batch):
            if time.monotonic() + backoff_s >= deadline_s or self._closing.wait(backoff_s):
                return False
            backoff_s = min(2 * backoff_s, _BACKOFF_S_MAX)
        return True
