"""One HTTP/1.1 connection: parsing, limits, time-outs; what it asks is answered by OtlpHttp."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast

import httptools

from flashmm_receiver._http import OtlpHttp
from flashmm_receiver._http_messages import RequestHead, Response
from flashmm_receiver._intake import InFlight
from flashmm_receiver._status import RpcCode, Status
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver.errors import RequestRefused, TooLarge
from flashmm_receiver.places import Places
from flashmm_receiver.settings import ReceiverSettings

_log = logging.getLogger(__name__)

_HEAD_BYTES_MAX: Final = 65_536
_HTTP2_PREFACE: Final = b"PRI * HTTP/2"
_TLS_HANDSHAKE: Final = b"\x16\x03"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpShared:
    """What the connections of one server share."""

    def __init__(
        self, settings: ReceiverSettings, otlp: OtlpHttp, in_flight: InFlight, telemetry: ReceiverTelemetry
    ) -> None:
        self.settings = settings
        self.otlp = otlp
        self.in_flight = in_flight
        self.places: Places[HttpConnection] = Places(settings.connections_max, self._displace)
        self._errors = telemetry.connection_errors
        self._open = telemetry.connections.labels("http")

    def _displace(self, connection: "HttpConnection") -> None:
        self.error("displaced")
        connection.abort()

    def error(self, reason: str) -> None:
        """Count a connection that ends without an answer."""
        self._errors.labels("http", reason).inc()

    def count(self) -> None:
        """Tell how many are open."""
        self._open.set(len(self.places))


@dataclass(slots=True)
class _Incoming:
    """A request while it is being received."""

    url: bytes = b""
    headers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    chunks: list[bytes] = field(default_factory=list[bytes])
    size: int = 0
    head: RequestHead | None = None


@dataclass(frozen=True, slots=True)
class _Complete:
    """A request that was received whole."""

    head: RequestHead
    body: bytes
    keep_alive: bool


class HttpConnection(asyncio.Protocol):
    """Reads requests, has them answered one after the other, writes the answers in order."""

    def __init__(self, shared: HttpShared) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._incoming: _Incoming | None = None
        self._head_bytes = 0
        """Of a head, or of what follows a body, so far."""
        self._fresh = True
        self._is_last = False
        """No more is asked: what is being received, if anything, is refused already and thrown away."""
        self._closing = False
        self._turns: deque[_Complete | bytes] = deque()
        """What is to be answered, and what is to be written, in the order in which it came."""
        self._answering: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, unless all places are taken by those that are being answered."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._shared.places.enter(self):
            self._fail(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections (connections_max)", "too_many")
            return
        self._shared.count()
        self._set_timer(self._shared.settings.receive_timeout_s)

    def secured(self, transport: asyncio.Transport) -> None:
        """What went over the transport so far was the handshake of this one."""
        self._transport = transport
        if self._closing:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give everything back. What is being stored goes on."""
        self._shared.places.leave(self)
        self._shared.count()
        self._drop_incoming()
        self._set_timer(None)
        self._set_write_timer(None)
        self._transport = None
        self._closing = True
        self._writable.set()

    def pause_writing(self) -> None:
        """The peer reads too slowly: it has as long for it as for a request."""
        self._writable.clear()
        self._shared.places.awaits(self)
        self._set_write_timer(self._shared.settings.receive_timeout_s)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._writable.set()
        self._set_write_timer(None)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, by pieces no larger than a head may be."""
        if self._is_deaf or (self._fresh and not self._is_http1(data)):
            return
        self._fresh = False
        left = memoryview(data)
        while left and not self._is_deaf:
            self._feed(left[:_HEAD_BYTES_MAX])
            left = left[_HEAD_BYTES_MAX:]

    def _feed(self, data: memoryview) -> None:
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end()  # it is refused already
        except httptools.HttpParserError as error:
            self._fail(HTTPStatus.BAD_REQUEST, f"not HTTP/1.1: {error}", "not_http")
        else:
            self._check_head_size()

    def _is_http1(self, data: bytes) -> bool:
        if data.startswith(_HTTP2_PREFACE):
            self._fail(
                HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
                "this port speaks OTLP over HTTP/1.1; gRPC has its own",
                "http2",
            )
        elif data.startswith(_TLS_HANDSHAKE):
            self._fail(HTTPStatus.BAD_REQUEST, "this port does not speak TLS", "tls")
        return not self._is_deaf

    def _check_head_size(self) -> None:
        if self._incoming is not None and self._head_bytes > _HEAD_BYTES_MAX:
            self._fail(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {_HEAD_BYTES_MAX} bytes", "head_size")

    # httptools' side

    def on_message_begin(self) -> None:
        """A request begins; it has to arrive within a time, in which we read."""
        if self._is_last:
            return
        self._incoming = _Incoming()
        if self._answering is None:
            self._set_timer(self._shared.settings.receive_timeout_s)

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if self._incoming is not None:
            self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; those after a body are nobody's."""
        if self._incoming is not None and self._incoming.head is None:
            self._incoming.headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Refuse early what need not be read."""
        incoming = self._incoming
        if incoming is None:
            return
        self._head_bytes = 0
        path = incoming.url.partition(b"?")[0].decode("latin-1")
        headers = {name: ",".join(values) for name, values in incoming.headers.items()}
        incoming.head = RequestHead(self._parser.get_method().decode("latin-1"), path, headers)
        refusal = self._shared.otlp.refusal(incoming.head)
        if refusal is not None:
            self._refuse(refusal)
        elif self._parser.should_upgrade():  # the parser would skip the body
            self._fail(HTTPStatus.BAD_REQUEST, "this port speaks OTLP over HTTP/1.1; no upgrade", "upgrade")
        elif headers.get("expect", "").lower() == "100-continue":
            self._write_in_turn(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """A part of the body: kept, within the limits."""
        self._head_bytes = 0
        incoming = self._incoming
        if incoming is None or incoming.head is None or self._is_last:
            return
        try:
            if incoming.size + len(body) > self._shared.settings.request_bytes_max:
                raise TooLarge("request_bytes_max", self._shared.settings.request_bytes_max)
            self._shared.in_flight.enter(len(body))
        except RequestRefused as error:
            self._refuse(self._shared.otlp.refused(incoming.head, error))
            return
        incoming.size += len(body)
        incoming.chunks.append(body)

    def on_message_complete(self) -> None:
        """Have it answered; no further request is read before that."""
        incoming, self._incoming = self._incoming, None
        if incoming is None or incoming.head is None:
            return
        if self._is_last:
            self._end()
            return
        keep_alive = bool(self._parser.should_keep_alive())
        self._is_last = not keep_alive
        self._turns.append(_Complete(incoming.head, b"".join(incoming.chunks), keep_alive))
        self._set_timer(None)
        if self._answering is None and self._transport is not None:
            self._shared.places.serves(self)
            self._transport.pause_reading()
            self._answering = self._loop.create_task(self._answer_all(), name="answer HTTP")

    # answers

    async def _answer_all(self) -> None:
        while self._turns:
            self._write(await self._answer_to(self._turns.popleft()))
            await self._writable.wait()
        self._answering = None
        self._shared.places.awaits(self)
        if self._is_deaf:
            self._linger()
        elif self._transport is not None:
            settings = self._shared.settings
            self._set_timer(settings.receive_timeout_s if self._incoming else settings.idle_timeout_s)
            self._transport.resume_reading()

    async def _answer_to(self, turn: _Complete | bytes) -> bytes:
        if isinstance(turn, bytes):
            return turn
        try:
            response = await self._answer(turn)
        finally:
            self._shared.in_flight.leave(len(turn.body))
        return response.to_bytes(keep_alive=turn.keep_alive)

    async def _answer(self, request: _Complete) -> Response:
        try:
            return await self._shared.otlp.answer(request.head, request.body)
        except Exception:  # noqa: BLE001 - one request's failure is answered, not the connection's end
            _log.exception("an HTTP request could not be answered")
            return self._shared.otlp.failed(request.head)

    def _refuse(self, response: Response) -> None:
        """Answer, read the rest without keeping it, then close."""
        self._drop_incoming()
        self._is_last = True
        self._write_in_turn(response.to_bytes(keep_alive=False))

    def _drop_incoming(self) -> None:
        if self._incoming is not None:
            self._shared.in_flight.leave(self._incoming.size)
            self._incoming.chunks.clear()
            self._incoming.size = 0

    def _fail(self, status: HTTPStatus, why: str, reason: str) -> None:
        """Answer what is no request, unless it follows the last one, and close."""
        if not self._is_last:
            self._shared.error(reason)
            body = Status(RpcCode.INVALID_ARGUMENT, why).to_json()
            self._write_in_turn(Response(status, body).to_bytes(keep_alive=False))
        self._end()

    def _end(self) -> None:
        """Take no more; close once all that was asked is answered."""
        self._drop_incoming()
        self._incoming = None
        self._is_last = True
        if self._answering is None:
            self._linger()

    def _linger(self) -> None:
        """Close, but read on for a while without keeping: closing on what is unread would lose the answers."""
        transport = self._transport
        if transport is None or self not in self._shared.places or not transport.can_write_eof():
            self._close()
        elif not self._closing:
            transport.write_eof()
            transport.resume_reading()
            self._set_timer(self._shared.settings.receive_timeout_s)

    @property
    def _is_deaf(self) -> bool:
        return self._closing or (self._is_last and self._incoming is None)

    def _write_in_turn(self, data: bytes) -> None:
        if self._answering is None:
            self._write(data)
        else:
            self._turns.append(data)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    def _close(self) -> None:
        self._closing = True
        self._set_timer(None)
        if self._transport is not None:
            self._transport.close()
            self._set_write_timer(self._shared.settings.receive_timeout_s)

    # time

    def _set_timer(self, after_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if after_s is None else self._loop.call_later(after_s, self._timed_out)

    def _set_write_timer(self, after_s: float | None) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._write_timer = None if after_s is None else self._loop.call_later(after_s, self._unread)

    def _unread(self) -> None:
        self._shared.error("unread")
        self.abort()

    def _timed_out(self) -> None:
        if self._is_last:
            self._close()
        elif self._incoming is None:
            self._shared.error("idle")
            self._close()
        else:
            self._fail(
                HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time (receive_timeout_s)", "timeout"
            )

    async def drained(self) -> None:
        """Return once what was received whole is answered and the connection is closed."""
        if self._answering is not None:
            await asyncio.wait([self._answering])
        self._close()

    def abort(self) -> None:
        """Close without waiting."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
