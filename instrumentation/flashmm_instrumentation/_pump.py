"""From the trading thread to an exporter: a bounded queue, and a thread that empties it every few milliseconds."""

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from flashmm_instrumentation._answers import Answer, Verdict
from flashmm_instrumentation.semconv.attributes import DropReason

T = TypeVar("T")
_Queued = tuple[float, int, T]
"""A record, when it was offered, and the bytes that it takes while it waits."""

_CLOSING_RETRY_S: Final = 0.25
_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class PumpLimits:
    """capacity and bytes_max: what may wait; batch: records an export; gather_s: the wait that fills a batch.

    retry_s_first: the wait after a refusal, doubled with each further one up to retry_s_max, whatever the peer asks.
    give_up_s: how long a batch is offered again where nobody says whether it could succeed.
    """

    capacity: int = 32_768
    batch: int = 512
    gather_s: float = 0.02
    retry_s_first: float = 0.05
    retry_s_max: float = 5.0
    give_up_s: float = 300.0
    bytes_max: int = 67_108_864


class Pump(Generic[T]):
    """Hands records on in order, in batches; what the peer does not take for now is kept and offered again.

    A full queue refuses the newest. Whatever is dropped is counted.
    sink: offers a batch to the peer and tells its answer. weigh: a record's bytes of memory. Neither may raise.
    on_drop: told the reason and the number of records dropped. on_taken: how many the peer has taken.
    threaded: without a thread, records leave on flush() alone, in the caller's. clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        sink: Callable[[Sequence[T]], Answer],
        weigh: Callable[[T], int],
        on_drop: Callable[[DropReason, int], None],
        on_taken: Callable[[int], None],
        limits: PumpLimits,
        *,
        threaded: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._sink = sink
        self._weigh = weigh
        self._on_drop = on_drop
        self._on_taken = on_taken
        self.limits: Final = limits
        self._threaded = threaded
        self._clock = clock
        self._start()

    def _start(self) -> None:
        self._queue: deque[_Queued[T]] = deque()
        self._held: list[_Queued[T]] = []
        self._gone = self._lost = self._bytes = 0
        self._size = self.limits.batch
        self._refusals = 0
        self._unclear_s: float | None = None
        self._until_s = math.inf
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"flashmm-{self._name}", daemon=True)
        if self._threaded:
            self._thread.start()

    def restart_in_child(self, sink: Callable[[Sequence[T]], Answer]) -> None:
        """After a fork: the parent exports what was queued, the child begins anew."""
        self._sink = sink
        self._start()

    def offer(self, record: T) -> bool:
        """Take the record; False if it was dropped. Never blocks."""
        if self._closing.is_set():
            self._on_drop(DropReason.CLOSED, 1)
            return False
        weight = self._weigh(record)
        if len(self._queue) >= self.limits.capacity:
            self._on_drop(DropReason.QUEUE_FULL, 1)
            return False
        if self._bytes + weight > self.limits.bytes_max:
            self._on_drop(DropReason.QUEUE_BYTES, 1)
            return False
        # No lock, in which a finaliser's or a signal handler's log line could wait for itself: an interpreter with a
        # global lock lets no other thread in between the parts of this addition. A free-threaded one does, and the
        # sum of bytes would drift there.
        self._bytes += weight
        self._queue.append((self._clock(), weight, record))
        if not self._wake.is_set():
            self._wake.set()
        return True

    @property
    def depth(self) -> int:
        """Records not yet taken by the peer."""
        return len(self._queue) + len(self._held)

    @property
    def lag_s(self) -> float:
        """The age of the oldest of them, seconds."""
        try:
            return self._clock() - (self._held or self._queue)[0][0]
        except IndexError:
            return 0.0

    def flush(self, timeout_s: float) -> bool:
        """Have exported what waits now; True if all of it was taken in time. What was not stays queued."""
        lost = self._lost
        with self._moved:
            last = self._gone + self.depth
        if self._threaded:
            self._hurry.set()
            self._wake.set()
            with self._moved:
                self._moved.wait_for(lambda: self._gone >= last, timeout_s)
        else:
            self._until_s = self._clock() + timeout_s
            self._drain()
        return self._gone >= last and self._lost == lost

    def close(self, timeout_s: float) -> None:
        """Refuse new records, export the queued ones, stop the thread; the rest is dropped and counted."""
        self._until_s = self._clock() + timeout_s
        self._closing.set()
        self._wake.set()
        self._hurry.set()
        if self._threaded:
            self._thread.join(timeout_s)
        else:
            self.flush(timeout_s)
        if left := self.depth:
            self._queue.clear()
            self._held = []
            self._bytes = 0
            self._on_drop(DropReason.CLOSED, left)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._wake.wait()
            self._hurry.wait(self.limits.gather_s)
            self._hurry.clear()
            self._wake.clear()
            closing = self._closing.is_set()
            self._drain()

    def _drain(self) -> None:
        """Export what waits now: what comes meanwhile gathers for the next round."""
        last = self._gone + self.depth
        while self._gone < last:
            if not self._held:
                self._fill()
            offered = [record for _, _, record in self._held[: self._size]]
            answer = self._sink(offered)
            if answer.verdict is Verdict.TAKEN:
                self._taken(len(offered), answer.refused)
            elif answer.verdict is Verdict.SMALLER and len(offered) > 1:
                self._size = len(offered) // 2
            else:
                self._drop_hopeless(answer.verdict)
                self._pause(answer.wait_s)
            if self._clock() >= self._until_s:
                return

    def _fill(self) -> None:
        with self._moved:
            count = min(len(self._queue), self.limits.batch)
            self._held = [self._queue.popleft() for _ in range(count)]

    def _taken(self, records: int, refused: int) -> None:
        self._on_taken(records - refused)
        if refused:
            self._on_drop(DropReason.REFUSED, refused)
        self._size = min(self.limits.batch, 2 * self._size)
        self._refusals = 0
        self._done(records)

    def _drop_hopeless(self, verdict: Verdict) -> None:
        """Drop what was offered, if there is no use in offering it again."""
        if verdict is Verdict.LATER:
            return
        if verdict is Verdict.UNCLEAR:
            self._unclear_s = self._unclear_s or self._clock()
            if self._clock() < self._unclear_s + self.limits.give_up_s:
                return
        records = len(self._held[: self._size])
        self._on_drop(DropReason.EXPORT_FAILED if verdict is Verdict.UNCLEAR else DropReason.REFUSED, records)
        self._lost += records
        self._done(records)

    def _done(self, records: int) -> None:
        self._unclear_s = None
        gone = sum(weight for _, weight, _ in self._held[:records])
        self._bytes -= gone
        with self._moved:
            del self._held[:records]
            self._gone += records
            self._moved.notify_all()

    def _pause(self, wait_s: float) -> None:
        """Wait before the next try, less when the bot closes or flushes."""
        left_s = self._until_s - self._clock()
        self._hurry.wait(max(0.0, min(self._retry_s(wait_s), left_s)))
        self._hurry.clear()

    def _retry_s(self, wait_s: float) -> float:
        longest_s = _CLOSING_RETRY_S if self._closing.is_set() else self.limits.retry_s_max
        doubled_s = self.limits.retry_s_first * 2 ** min(self._refusals, _DOUBLINGS)
        self._refusals += 1
        return min(longest_s, max(doubled_s, wait_s)) * random.uniform(0.8, 1)  # noqa: S311 spreads bots, hides nothing
