"""One client as the hub sees it: what it subscribed to, and what waits to be sent to it."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flashmm_backends.ranges import MemoryBytes, Seconds
from flashmm_streaming import _frames
from flashmm_streaming._channel import Channel, Entry, Symbols
from flashmm_streaming._frames import Position
from flashmm_streaming._metrics import StreamMetrics

REPLAY_ITEMS_A_FRAME = 200


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """What may wait for one client."""

    conflate_bytes: MemoryBytes = 64_000
    """Bytes waiting for a client from which on only the latest state of conflating streams is kept for it."""
    close_bytes: MemoryBytes = 4_000_000
    """Bytes waiting for a client beyond which its connection ends."""
    retry_after_s: Seconds = 1.0
    """When it is told to come back then, in seconds."""


@dataclass(frozen=True, slots=True)
class Close:
    """How a connection is to end once the outbox is empty: a WebSocket close code and a short reason."""

    code: int
    reason: str


SLOW_CONSUMER = Close(4008, "slow_consumer")


@dataclass(slots=True, eq=False)
class Subscription:
    """One client's view of one stream. queued: offset of the last item in its outbox; behind: items held back."""

    session: "Session"
    channel: Channel
    symbols: Symbols
    queued: int
    behind: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: bytes
    stream: str = ""
    offset: int = 0
    items: int = 0


class Session:
    """A client's subscriptions and outbox. The shell takes frames with `take`, and is woken through `on_ready`."""

    def __init__(self, limits: OutboxLimits, metrics: StreamMetrics, on_ready: Callable[[], None]) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.close: Close | None = None
        self._limits = limits
        self._metrics = metrics
        self._on_ready = on_ready
        self._outbox: deque[_Waiting] = deque()
        self._bytes = 0
        self._sent: dict[str, Position] = {}

    def __len__(self) -> int:
        return len(self._outbox)

    def control(self, frame: bytes) -> None:
        """Queue a frame that belongs to no stream's order."""
        self._push(_Waiting(frame))

    def welcome(self, sub: Subscription, frame: bytes, offset: int) -> None:
        """Queue the frame that opens a subscription, which stands at `offset` so far."""
        self._queue(sub, frame, offset, 0)

    def offer(self, sub: Subscription, frame: bytes, offset: int, items: int) -> None:
        """Queue a broadcast frame, or hold it back where the stream conflates and the client is behind."""
        if not sub.channel.kind.lossless and (sub.behind or self._bytes > self._limits.conflate_bytes):
            sub.behind += items
        else:
            self._queue(sub, frame, offset, items)

    def replay(self, sub: Subscription, entries: Sequence[Entry], *, snapshot: bool = False) -> None:
        """Queue kept items, in frames of bounded size."""
        for start in range(0, len(entries), REPLAY_ITEMS_A_FRAME):
            part = entries[start : start + REPLAY_ITEMS_A_FRAME]
            at = sub.channel.at(part[-1].offset)
            frame = _frames.data(sub.channel.kind.name, at, [entry.json for entry in part], snapshot=snapshot)
            self._queue(sub, frame, at.offset, len(part))

    def announce_gap(self, sub: Subscription, at: Position, missed: int | None, reason: str) -> None:
        """Say which items will not come, and count them."""
        stream = sub.channel.kind.name
        self._metrics.gaps.labels(stream, reason).inc()
        self._metrics.dropped.labels(stream, reason).inc(missed or 0)
        self.control(_frames.gap(stream, at, missed, reason))

    def take(self) -> bytes | None:
        """The next frame to send; None when there is nothing to do now."""
        if not self._outbox and self.close is None:
            self._catch_up()
        return self._pop() if self._outbox else None

    def end(self, close: Close, message: str) -> None:
        """Drop what waits, say bye with the place reached, and have the connection closed."""
        if self.close is not None:
            return
        self._discard(close.reason)
        self.close = close
        self._metrics.ended.labels(close.reason).inc()
        self._enqueue(_Waiting(_frames.bye(close.reason, message, self._resume(), self._limits.retry_after_s)))

    def _queue(self, sub: Subscription, frame: bytes, offset: int, items: int) -> None:
        sub.queued = offset
        self._push(_Waiting(frame, sub.channel.kind.name, offset, items))

    def _push(self, waiting: _Waiting) -> None:
        if self.close is not None:
            self._count_dropped(waiting, self.close.reason)
        elif self._bytes + len(waiting.frame) > self._limits.close_bytes:
            self._count_dropped(waiting, SLOW_CONSUMER.reason)
            self.end(SLOW_CONSUMER, "The connection did not keep up; come back and resume.")
        else:
            self._enqueue(waiting)

    def _enqueue(self, waiting: _Waiting) -> None:
        self._outbox.append(waiting)
        self._bytes += len(waiting.frame)
        self._on_ready()

    def _pop(self) -> bytes:
        waiting = self._outbox.popleft()
        self._bytes -= len(waiting.frame)
        if waiting.stream in self.subscriptions:
            self._sent[waiting.stream] = self.subscriptions[waiting.stream].channel.at(waiting.offset)
        self._metrics.frames.inc()
        self._metrics.bytes.inc(len(waiting.frame))
        return waiting.frame

    def _catch_up(self) -> None:
        for sub in self.subscriptions.values():
            if sub.behind:
                self._conflate(sub)

    def _conflate(self, sub: Subscription) -> None:
        latest = sub.channel.latest(sub.symbols, after=sub.queued)
        missed = sub.behind - len(latest)
        sub.behind = 0
        if missed > 0:
            self.announce_gap(sub, sub.channel.position, missed, "conflated")
        self.replay(sub, latest)

    def _resume(self) -> dict[str, Position]:
        return {stream: at for stream, at in self._sent.items() if stream in self.subscriptions}

    def _discard(self, reason: str) -> None:
        for waiting in self._outbox:
            self._count_dropped(waiting, reason)
        self._outbox.clear()
        self._bytes = 0

    def _count_dropped(self, waiting: _Waiting, reason: str) -> None:
        if waiting.stream:
            self._metrics.dropped.labels(waiting.stream, reason).inc(waiting.items)
