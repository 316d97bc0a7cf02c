"""The hub: streams in, frames for each client out. No sockets, no loop, no clock; a shell moves the bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from flashmm_streaming import _frames
from flashmm_streaming._channel import Channel, Entry, HistoryLimits, Symbols
from flashmm_streaming._frames import Position
from flashmm_streaming._metrics import StreamMetrics
from flashmm_streaming._requests import Ping, Refusal, Subscribe, Unsubscribe, parse
from flashmm_streaming._session import Close, OutboxLimits, Session, Subscription
from flashmm_streaming.streams import STREAMS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Body = Mapping[str, object]
"""An item before it is encoded: a flat JSON object, `symbol` naming the instrument it concerns, if any."""

GOING_AWAY = Close(1012, "restart")


class Hub:
    """All streams of one process and the sessions subscribed to them.

    Publishing and everything sessions do happen on one thread. Publishing never waits: it appends one frame,
    encoded once for each distinct subscription, to the outbox of each subscriber.
    epoch: a name that no earlier run of this process had.
    """

    def __init__(
        self,
        epoch: str,
        registry: CollectorRegistry,
        history: HistoryLimits | None = None,
        outbox: OutboxLimits | None = None,
    ) -> None:
        limits = history or HistoryLimits()
        self.metrics = StreamMetrics(registry)
        self._outbox = outbox or OutboxLimits()
        self._channels = {name: Channel(kind, epoch, limits) for name, kind in STREAMS.items()}
        self._groups: dict[str, dict[Symbols, dict[Subscription, None]]] = {name: {} for name in STREAMS}
        self._sessions: dict[Session, None] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def position(self, stream: str) -> Position:
        """Where a stream stands."""
        return self._channels[stream].position

    def publish(self, stream: str, bodies: Sequence[Body]) -> None:
        """Append items to a stream and to its subscribers' outboxes. Raises KeyError for an unknown stream."""
        if not bodies:
            return
        entries = self._channels[stream].append(bodies)
        self.metrics.items.labels(stream).inc(len(entries))
        for symbols, subscriptions in self._groups[stream].items():
            self._broadcast(stream, [entry for entry in entries if entry.wanted(symbols)], subscriptions)

    def lose(self, stream: str, missed: int | None, reason: str) -> None:
        """Tell a stream's subscribers that items will not come, None where nobody can tell how many.

        They take numbers, so that nobody resumes over them unaware. Raises KeyError for an unknown stream.
        """
        channel = self._channels[stream]
        channel.skip(missed or 1)
        for subscriptions in self._groups[stream].values():
            for sub in subscriptions:
                sub.session.announce_gap(sub, channel.position, missed, reason)

    def join(self, on_ready: Callable[[], None]) -> Session:
        """A new client. `on_ready` is called whenever its outbox has something to take."""
        session = Session(self._outbox, self.metrics, on_ready)
        self._sessions[session] = None
        self.metrics.clients.set(len(self._sessions))
        return session

    def leave(self, session: Session) -> None:
        """The client is gone. Calling it again has no effect."""
        for stream in list(session.subscriptions):
            self._drop(session, stream)
        self._sessions.pop(session, None)
        self.metrics.clients.set(len(self._sessions))

    def receive(self, session: Session, text: str | bytes) -> int:
        """Act on a client's message; what cannot be acted on is answered with an `error` frame.

        Returns what it was worth: the streams that it names, or 1.
        """
        try:
            request = parse(text)
        except Refusal as refusal:
            self.refuse(session, refusal)
            return 1
        self._act(session, request)
        return 1 if isinstance(request, Ping) else len(request.streams)

    def refuse(self, session: Session, refusal: Refusal) -> None:
        """Answer with an `error` frame and count it."""
        self.metrics.refused.labels(refusal.code).inc()
        session.control(_frames.error(refusal.code, refusal.message, refusal.action))

    def shutdown(self) -> None:
        """Say bye to everyone, with the place to resume from."""
        for session in list(self._sessions):
            session.end(GOING_AWAY, "The server restarts; come back and resume.")

    def _act(self, session: Session, request: Subscribe | Unsubscribe | Ping) -> None:
        match request:
            case Subscribe():
                for stream in request.streams:
                    self._subscribe(session, stream, request)
            case Unsubscribe():
                for stream in request.streams:
                    self._unsubscribe(session, stream)
            case Ping():
                session.control(_frames.pong(request.id))

    def _subscribe(self, session: Session, stream: str, request: Subscribe) -> None:
        self._drop(session, stream)
        sub = self._add(session, stream, request.symbols)
        point = request.resume.get(stream)
        recovered = point is not None and sub.channel.covers(point)
        named = sorted(request.symbols) if request.symbols else None
        here = sub.channel.position
        start = point.offset if point is not None and recovered else here.offset
        session.welcome(sub, _frames.subscribed(stream, here, named, recovered=recovered), start)
        if point is not None and recovered:
            session.replay(sub, list(sub.channel.since(point.offset, sub.symbols)))
        else:
            self._begin_anew(sub, point, request.recent)

    def _begin_anew(self, sub: Subscription, point: Position | None, recent: int) -> None:
        channel = sub.channel
        if point is not None:
            missed = channel.position.offset - point.offset if point.epoch == channel.position.epoch else None
            reason = "history" if missed is not None and missed >= 0 else "epoch"
            sub.session.announce_gap(sub, channel.position, missed if reason == "history" else None, reason)
        sub.session.replay(sub, channel.known(recent, sub.symbols), snapshot=True)

    def _unsubscribe(self, session: Session, stream: str) -> None:
        self._drop(session, stream)
        session.control(_frames.unsubscribed(stream))

    def _add(self, session: Session, stream: str, symbols: Symbols) -> Subscription:
        channel = self._channels[stream]
        sub = Subscription(session, channel, symbols, channel.position.offset)
        session.subscriptions[stream] = sub
        self._groups[stream].setdefault(symbols, {})[sub] = None
        self.metrics.subscriptions.labels(stream).inc()
        return sub

    def _drop(self, session: Session, stream: str) -> None:
        sub = session.subscriptions.pop(stream, None)
        if sub is None:
            return
        group = self._groups[stream][sub.symbols]
        del group[sub]
        if not group:
            del self._groups[stream][sub.symbols]
        self.metrics.subscriptions.labels(stream).dec()

    def _broadcast(self, stream: str, entries: Sequence[Entry], subscriptions: Mapping[Subscription, None]) -> None:
        if not entries:
            return
        offset = entries[-1].offset
        frame = _frames.data(stream, self._channels[stream].at(offset), [entry.json for entry in entries])
        for sub in subscriptions:
            sub.session.offer(sub, frame, offset, len(entries))
