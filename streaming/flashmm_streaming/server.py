"""The hub as a WebSocket endpoint: an ASGI callable that any server can run, at /stream.

A session's frames are written by one task and its messages read by another; neither is ever awaited by a broadcast.
The hub knows nothing of this module, so another transport can take its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, cast

from flashmm_backends.ranges import Count, Rate, Seconds
from flashmm_streaming._requests import Refusal
from flashmm_streaming._session import Close, Session
from flashmm_streaming.hub import Hub

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TOO_MANY_CLIENTS = "too_many_clients"
FORBIDDEN_ORIGIN = "forbidden_origin"
MESSAGE_TOO_BIG = Close(1009, "message_too_big")
RATE_LIMITED = Close(4029, "rate_limited")
NEVER_SUBSCRIBED = Close(4001, "never_subscribed")
SEND_TIMEOUT = "send_timeout"


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """What the endpoint allows.

    Whether a silent peer is still there is the server's ping to find out (uvicorn: `ws_ping_interval`,
    `ws_ping_timeout`).
    """

    clients: Count = 1_000
    """Connections at a time."""
    message_bytes: Count = 16_384
    """The longest message of a client, in bytes; uvicorn's `ws_max_size` is set to the same."""
    messages_per_s: Rate = 20.0
    """Messages a second that a client may send in the long run."""
    burst: Count = 60
    """Messages that a client may send at once; one that names many streams counts once for each."""
    frames_per_s: Rate = 100.0
    """Frames a second that a client may send in the long run: pings, pongs and parts of messages too."""
    frames_burst: Count = 300
    """Frames that a client may send at once."""
    fragments: Count = 64
    """Frames that one message may be cut into."""
    subscribe_within_s: Seconds = 30.0
    """How long a client may stay without a subscription, in seconds."""
    send_within_s: Seconds = 20.0
    """How long a single frame may take to leave, in seconds."""


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """Which pages may connect: those of the address that answers, those listed, and clients that are no browser."""

    allowed: frozenset[str] = frozenset()

    def permits(self, headers: Iterable[tuple[bytes, bytes]], *, secure: bool = False) -> bool:
        """headers: names in lower case, as ASGI has them. secure: whether the connection is by TLS."""
        found = dict(headers)
        origin = found.get(b"origin")
        if origin is None or origin.decode("latin-1") in self.allowed:
            return True
        return origin == (b"https://" if secure else b"http://") + found.get(b"host", b"")


class RateMeter:
    """Token bucket: `rate` a second, up to `burst` at once."""

    def __init__(self, rate: float, burst: int, now_s: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._then_s = now_s

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed at this time."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._then_s) * self._rate)
        self._then_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def owe(self, more: int) -> None:
        """What was taken last was worth so many more."""
        self._tokens -= more


class StreamEndpoint:
    """ASGI application for WebSocket connections to one hub; runs on the hub's own event loop."""

    def __init__(self, hub: Hub, limits: EndpointLimits | None = None, origins: OriginPolicy | None = None) -> None:
        self._hub = hub
        self._limits = limits or EndpointLimits()
        self._origins = origins or OriginPolicy()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        refusal = self._refusal(scope)
        if refusal:
            self._hub.metrics.rejected.labels(refusal).inc()
            await _reject(scope, send, 503 if refusal == TOO_MANY_CLIENTS else 403, refusal)
        else:
            await send({"type": "websocket.accept"})
            await _Connection(self._hub, self._limits, receive, send).run()

    def _refusal(self, scope: MutableMapping[str, Any]) -> str:
        headers = cast("Iterable[tuple[bytes, bytes]]", scope["headers"])
        if not self._origins.permits(headers, secure=scope.get("scheme") == "wss"):
            return FORBIDDEN_ORIGIN
        return TOO_MANY_CLIENTS if len(self._hub) >= self._limits.clients else ""


async def _reject(scope: MutableMapping[str, Any], send: Send, status: int, reason: str) -> None:
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = [(b"content-type", b"text/plain"), (b"x-content-type-options", b"nosniff"), (b"retry-after", b"5")]
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": reason.encode()})
    else:
        await send({"type": "websocket.close", "code": 1013, "reason": reason})


class _Connection:
    """One accepted connection: a reading and a writing task that end together."""

    def __init__(self, hub: Hub, limits: EndpointLimits, receive: Receive, send: Send) -> None:
        self._hub = hub
        self._limits = limits
        self._receive = receive
        self._send = send
        self._ready = asyncio.Event()
        self._session: Session = hub.join(self._ready.set)
        self._clock = asyncio.get_running_loop().time
        self._meter = RateMeter(limits.messages_per_s, limits.burst, self._clock())

    async def run(self) -> None:
        tasks = [
            asyncio.create_task(self._read(), name="stream-read"),
            asyncio.create_task(self._write(), name="stream-write"),
        ]
        watch = asyncio.get_running_loop().call_later(self._limits.subscribe_within_s, self._expect_subscription)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            self._hub.leave(self._session)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._conclude(tasks)

    def _conclude(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """A peer that stopped reading or is gone is its own affair; any other failure is ours, and raised."""
        failures = [task.exception() for task in tasks if not task.cancelled()]
        for failure in filter(None, failures):
            if isinstance(failure, TimeoutError):
                self._hub.metrics.ended.labels(SEND_TIMEOUT).inc()
            elif not isinstance(failure, OSError):
                raise failure

    async def _read(self) -> None:
        while (message := await self._receive())["type"] == "websocket.receive":
            self._handle(message.get("text"), message.get("bytes"))

    def _handle(self, text: str | None, binary: bytes | None) -> None:
        size = len(binary or b"") if text is None else len(text.encode())
        if not self._meter.take(self._clock()):
            self._session.end(RATE_LIMITED, f"More than {self._limits.messages_per_s:g} messages a second.")
        elif size > self._limits.message_bytes:
            self._session.end(MESSAGE_TOO_BIG, f"A message may have {self._limits.message_bytes} bytes.")
        elif text is None:
            self._hub.refuse(self._session, Refusal("text_only", "Binary frames are not read", "Send JSON text."))
        else:
            self._meter.owe(self._hub.receive(self._session, text) - 1)

    async def _write(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            await self._drain()
            if self._session.close is not None and not len(self._session):
                close = self._session.close
                return await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})

    async def _drain(self) -> None:
        while (frame := self._session.take()) is not None:
            async with asyncio.timeout(self._limits.send_within_s):
                await self._send({"type": "websocket.send", "text": frame.decode()})

    def _expect_subscription(self) -> None:
        if not self._session.subscriptions:
            self._session.end(NEVER_SUBSCRIBED, "Send a subscribe message after connecting.")
