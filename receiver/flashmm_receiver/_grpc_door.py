"""The port of OTLP over gRPC: TLS, and a relay that bounds connections, in front of grpc-core.

grpc-core can refuse connections over a number, but neither chooses among them nor tells how many it refused, so idle
ones would shut out the bots. The relay passes bytes on to a Unix socket that only this user can open.
"""

import asyncio
from typing import Final, cast

from flashmm_receiver._access import ssl_context
from flashmm_receiver._http2 import PREFACE, FrameFlood, FrameRate, FrameWatch, HeadersTooLong, protocol_error
from flashmm_receiver._listening import listen, port_of
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver._tls import Handshake, Tls
from flashmm_receiver.places import Places
from flashmm_receiver.settings import Address, ReceiverSettings

HEADERS_BYTES_MAX: Final = 16_384
_READ_BYTES: Final = 65_536
"""At one time: frames are as small as nine bytes, and each is looked at."""
_FRAMES_PER_S: Final = 2_000.0
"""Of one connection, but for frames full of data: a call takes three to five, a bot makes some calls a second."""
_FRAMES_BURST: Final = 500.0


class _Core(asyncio.Protocol):
    """The end of a relayed connection at which grpc-core is."""

    def __init__(self, caller: "_Caller") -> None:
        self._caller = caller
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to write."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self._caller.transport is not None:
            self._caller.transport.write(data)

    def pause_writing(self) -> None:
        """grpc-core reads too slowly."""
        self._caller.wait_for_core()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._caller.go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The sender has still what was written to it."""
        self.transport = None
        if self._caller.transport is not None:
            self._caller.transport.close()


class _Caller(asyncio.BufferedProtocol):
    """The end at which a sender is. grpc-core hears of it only once it has opened HTTP/2."""

    def __init__(self, door: "GrpcDoor") -> None:
        self._door = door
        self._opening = b""
        self._core: _Core | None = None
        self._core_full = False
        self._frames = FrameWatch(HEADERS_BYTES_MAX)
        self._rate = FrameRate(_FRAMES_PER_S, _FRAMES_BURST, asyncio.get_running_loop().time())
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place; HTTP/2 has to be opened within a time."""
        self.transport = cast("asyncio.Transport", transport)
        self._door.enter(self)
        self._timer = asyncio.get_running_loop().call_later(self._door.opening_s, self._late)

    def secured(self, transport: asyncio.Transport) -> None:
        """What went over the transport so far was the handshake of this one."""
        if self.transport is None:
            transport.abort()
        else:
            self.transport = transport

    def _late(self) -> None:
        self._door.end(self, "timeout")

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """One for all: it is emptied before it is asked for again."""
        return self._door.scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received."""
        data = bytes(self._door.scratch[:nbytes])
        if self._core is None:
            self._open(data)
        else:
            self._pass_on(data, self._core)

    def _open(self, data: bytes) -> None:
        self._opening += data
        if not PREFACE.startswith(self._opening[: len(PREFACE)]):
            self._refuse()
        elif len(self._opening) >= len(PREFACE) and self._connecting is None and self.transport is not None:
            self._stop_timer()
            self.transport.pause_reading()
            self._connecting = asyncio.create_task(self._connect(), name="relay gRPC")

    def _refuse(self) -> None:
        """Say in HTTP/2 what this port speaks."""
        self._door.count("not_http2")
        if self.transport is not None:
            self.transport.write(protocol_error("this port speaks OTLP over gRPC; HTTP has its own, mostly 4318"))
            self.transport.close()

    async def _connect(self) -> None:
        try:
            _, core = await asyncio.get_running_loop().create_unix_connection(lambda: _Core(self), self._door.inner)
        except OSError:
            self._door.end(self, "inner")
            return
        self._core = core
        if self.transport is None:
            self.abort()
        else:
            opening, self._opening = self._opening, b""
            self._write(opening[: len(PREFACE)], core)
            self._pass_on(opening[len(PREFACE) :], core)
            self._read_or_wait()

    def _pass_on(self, data: bytes, core: _Core) -> None:
        """Have it read by grpc-core, unless it is too much."""
        calls, cost = self._frames.calls, self._frames.cost
        try:
            self._frames.feed(data, cost + self._rate.room(asyncio.get_running_loop().time()))
        except (HeadersTooLong, FrameFlood) as error:
            self._door.end(self, "head_size" if isinstance(error, HeadersTooLong) else "frame_flood")
            return
        if self._frames.calls > calls:
            self._door.places.awaits(self)
        self._write(data, core)
        if wait_s := self._rate.take(self._frames.cost - cost):
            self._slow_down(wait_s)

    def _slow_down(self, wait_s: float) -> None:
        self._door.count_slowed()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._in_time)
        self._read_or_wait()

    def _in_time(self) -> None:
        self._timer = None
        self._read_or_wait()

    def wait_for_core(self) -> None:
        """grpc-core has enough to read."""
        self._core_full = True
        self._read_or_wait()

    def go_on(self) -> None:
        """It reads again."""
        self._core_full = False
        self._read_or_wait()

    def _read_or_wait(self) -> None:
        if self.transport is None:
            return
        if self._core_full or self._timer is not None:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _write(self, data: bytes, core: _Core) -> None:
        if core.transport is not None:
            core.transport.write(data)

    def pause_writing(self) -> None:
        """The sender reads too slowly."""
        if self._core is not None and self._core.transport is not None:
            self._core.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._core is not None and self._core.transport is not None:
            self._core.transport.resume_reading()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give the place back; grpc-core has still what was written to it."""
        self.transport = None
        self._stop_timer()
        self._door.left(self)
        if self._core is not None and self._core.transport is not None:
            self._core.transport.close()

    def abort(self) -> None:
        """End both ends without waiting."""
        self._stop_timer()
        for end in (self, self._core):
            if end is not None and end.transport is not None:
                end.transport.abort()


class GrpcDoor:
    """Listens on the port and knows its connections. inner: path of the socket on which grpc-core listens."""

    def __init__(self, settings: ReceiverSettings, inner: str, telemetry: ReceiverTelemetry) -> None:
        self._settings = settings
        self._errors = telemetry.connection_errors
        self._slowed = telemetry.slowed
        self._open_ones = telemetry.connections.labels("grpc")
        self._server: asyncio.Server | None = None
        self.places: Places[_Caller] = Places(settings.grpc_connections_max, self._displace)
        self.scratch = memoryview(bytearray(_READ_BYTES))
        """What was just received."""
        self.opening_s = settings.receive_timeout_s
        """How long a connection may take to open HTTP/2, in seconds."""
        self.inner = inner
        self.port = 0
        """The port that is listened on."""

    async def open(self) -> None:
        """Listen. Raises CannotListen, NotConfigured."""
        settings, context = self._settings, ssl_context(self._settings, "h2")
        tls = context and Tls(context, settings.receive_timeout_s, lambda: self.count("tls_handshake"))
        self._server = await listen(
            "grpc_bind",
            Address.parse("grpc_bind", settings.grpc_bind),
            lambda: _Caller(self) if tls is None else Handshake(tls, _Caller(self)),
        )
        self.port = port_of(self._server)

    def enter(self, caller: _Caller) -> None:
        """A connection begins."""
        self.places.enter(caller)
        self._open_ones.set(len(self.places))

    def _displace(self, caller: _Caller) -> None:
        self.end(caller, "displaced")

    def end(self, caller: _Caller, reason: str) -> None:
        """Close a connection, for a reason that is counted."""
        self.count(reason)
        caller.abort()

    def count(self, reason: str) -> None:
        """Count a connection that ends without an answer."""
        self._errors.labels("grpc", reason).inc()

    def count_slowed(self) -> None:
        """Count a connection whose frames are read at their rate."""
        self._slowed.inc()

    def left(self, caller: _Caller) -> None:
        """A connection has ended."""
        self.places.leave(caller)
        self._open_ones.set(len(self.places))

    def close(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._server is not None:
            self._server.close()

    def end_all(self) -> None:
        """End those too."""
        for caller in self.places:
            caller.abort()
