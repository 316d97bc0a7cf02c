"""uvicorn's protocols with bounds: how many connections, how long a request and its answer may take, what is logged.

uvicorn waits for ever for a request's head and body, and for a client that does not read; and it logs each client's
mistake, so that anybody can fill the log.
"""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, cast

import h11
from prometheus_client import Counter
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from flashmm_orchestration.metered import MeteredFrames
from flashmm_receiver.places import Places
from flashmm_streaming import EndpointLimits

_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_FAULTS: Final = {
    "Invalid HTTP request received.": "not_http",
    "Unsupported upgrade request.": "upgrade",
    "Invalid UTF-8 sequence received from client.": "not_utf8",
}
"""What uvicorn logs of a client's mistakes, and our word for it."""
_BAD_FRAMES: Final[dict[int, str]] = {
    CloseCode.PROTOCOL_ERROR: "bad_frame",
    CloseCode.POLICY_VIOLATION: "frame_flood",
    CloseCode.MESSAGE_TOO_BIG: "message_too_big",
}
"""The close code that a WebSocket's parser ends with, and our word for it."""

_log = logging.getLogger(f"uvicorn.error.{__name__}")


class Guard:
    """connections_max: open at a time. request_s: for a request to arrive. send_s: for a client that does not read.

    ended: counts connections that ended for a reason.
    """

    def __init__(self, connections_max: int, request_s: float, send_s: float, ended: Counter) -> None:
        self.request_s = request_s
        self.send_s = send_s
        self.ended = ended
        self.places: Places[GuardedHttp | GuardedWebSocket] = Places(connections_max, self._displace)

    def _displace(self, connection: "GuardedHttp | GuardedWebSocket") -> None:
        self.ended.labels("displaced").inc()
        connection.transport.abort()

    def http(self) -> Any:  # noqa: ANN401 - uvicorn takes any callable that makes a protocol
        """What uvicorn is to make for a connection."""
        return partial(GuardedHttp, self)

    def websocket(self, limits: EndpointLimits) -> Any:  # noqa: ANN401
        """The same after an upgrade."""
        return partial(GuardedWebSocket, self, limits)

    @contextmanager
    def counting(self) -> Generator[None]:
        """While it lasts, clients' mistakes are counted, and each kind is logged once."""
        faults = _Faults(self.ended)
        _log.addFilter(faults)
        try:
            yield
        finally:
            _log.removeFilter(faults)


class _Faults(logging.Filter):
    def __init__(self, ended: Counter) -> None:
        super().__init__()
        self._ended = ended
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through what is no client's mistake, and of those the first of its kind, without a traceback."""
        reason = _FAULTS.get(str(record.msg))
        if reason is None:
            return True
        self._ended.labels(reason).inc()
        record.exc_info = None
        first = reason not in self._told
        self._told.add(reason)
        return first


class GuardedHttp(H11Protocol):
    """One HTTP/1.1 connection."""

    def __init__(self, guard: Guard, **uvicorns: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(**uvicorns)
        self.logger = _log
        self._guard = guard
        self._request_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] - as uvicorn's
        """Wait for a request, unless all places are taken by those that are being answered."""
        super().connection_made(transport)
        if self._guard.places.enter(self):
            self._expect_request()
        else:
            self._end("too_many", _BUSY)

    def data_received(self, data: bytes) -> None:
        """Take bytes; from the first one of a request on, its time runs."""
        self._expect_request()
        super().data_received(data)
        self._note_progress()

    def _expect_request(self) -> None:
        if self._request_timer is None:
            self._request_timer = self.loop.call_later(self._guard.request_s, self._late)

    def _note_progress(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_request_timer()
            self._guard.places.serves(self)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def on_response_complete(self) -> None:
        """A client that does not read the last answer does not keep the connection."""
        self._guard.places.awaits(self)
        super().on_response_complete()
        if not self.transport.is_closing():
            self._note_progress()
        elif self._send_timer is None:
            self._send_timer = self.loop.call_later(self._guard.send_s, self._unread)

    def _late(self) -> None:
        self._request_timer = None
        cycle = cast("RequestResponseCycle | None", self.cycle)
        answering = cycle is not None and not cycle.response_complete
        self._end("request_timeout", b"" if answering else _LATE)

    def _end(self, reason: str, answer: bytes) -> None:
        self._guard.ended.labels(reason).inc()
        if answer:
            self.transport.write(answer)
            self.transport.close()
            self._send_timer = self.loop.call_later(self._guard.send_s, self._unread)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._guard.places.awaits(self)
        if self._send_timer is None:
            self._send_timer = self.loop.call_later(self._guard.send_s, self._unread)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        self._guard.places.serves(self)
        self._stop_send_timer()

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _unread(self) -> None:
        self._send_timer = None
        self._guard.ended.labels("send_timeout").inc()
        self.transport.abort()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on the endpoint's own limits hold."""
        self._stop_request_timer()
        self._stop_send_timer()
        self._guard.places.leave(self)
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_request_timer()
        self._stop_send_timer()
        self._guard.places.leave(self)
        super().connection_lost(exc)


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket: it keeps its place while it lasts, and its frames are metered before they do anything."""

    def __init__(self, guard: Guard, limits: EndpointLimits, **uvicorns: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(**uvicorns)
        self.logger = _log
        self._guard = guard
        self.conn = MeteredFrames(limits, self.loop.time)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] - as uvicorn's
        """Take over the place of the request that was upgraded."""
        super().connection_made(transport)
        self._guard.places.enter(self)
        self._guard.places.serves(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give it back."""
        self._guard.places.leave(self)
        super().connection_lost(exc)

    async def send(self, message: Any) -> None:  # noqa: ANN401 - any of ASGI's messages
        """Send it. A written refusal ends the handshake: uvicorn takes it for a failure of ours, and logs each."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    def handle_parser_exception(self) -> None:
        """The connection ends by the peer's fault; text that is no UTF-8 is counted where it is logged."""
        super().handle_parser_exception()
        closed = self.conn.close_sent
        if closed is not None and closed.code in _BAD_FRAMES:
            self._guard.ended.labels(_BAD_FRAMES[closed.code]).inc()
