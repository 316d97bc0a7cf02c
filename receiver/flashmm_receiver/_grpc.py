"""OTLP over gRPC: three unary methods that hand raw bytes on."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from flashmm_receiver._access import TokenCheck
from flashmm_receiver._decoder import Signal
from flashmm_receiver._grpc_door import HEADERS_BYTES_MAX, GrpcDoor
from flashmm_receiver._inner_socket import inner_socket
from flashmm_receiver._intake import Answer, InFlight, Intake
from flashmm_receiver._status import RpcCode, refused_status, response_protobuf
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver.errors import ComeBack, Overloaded, RequestRefused, TooLarge
from flashmm_receiver.settings import ReceiverSettings

_log = logging.getLogger(__name__)

_METHODS: Final = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
}
_STREAMS_PER_CONNECTION_MAX: Final = 16
_PATIENCE_S: Final = 0.1
"""How long a call that has its place may leave others waiting for its message, where as many wait as have places."""
_PATIENCE_LEAST_S: Final = 0.01
"""The same, where very many wait."""
_KEEPALIVE_MS: Final = 60_000
_KEEPALIVE_TIMEOUT_MS: Final = 20_000
_IDLE_MS: Final = 600_000
_PING_INTERVAL_MS: Final = 10_000
"""Senders that ping more often are disconnected."""
_CODES: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class OtlpGrpc(grpc.GenericRpcHandler):
    """Routes calls by their path."""

    def __init__(
        self, settings: ReceiverSettings, intake: Intake, in_flight: InFlight, telemetry: ReceiverTelemetry
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._in_flight = in_flight
        self._telemetry = telemetry
        self._token = TokenCheck(settings.token)
        self._places = asyncio.Semaphore(settings.grpc_calls_max)
        self._waiting = 0
        """Calls that wait for a place."""
        self._hurrying: asyncio.TimerHandle | None = None
        self._silent: OrderedDict[asyncio.Timeout, float] = OrderedDict()
        """Calls that have a place and no message yet, the oldest first; since when."""
        self._handlers = {path: self._handler(signal) for path, signal in _METHODS.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The handler of a path; None is answered UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def _handler(self, signal: Signal) -> "grpc.RpcMethodHandler[bytes, bytes]":
        # On the wire a unary call is a stream of one message; taken as such, the message is not received before it
        # is asked for, so that a call which has to wait costs its flow-control window and not its body.
        async def export(bodies: AsyncIterator[bytes], context: Context) -> bytes:
            return await self._export(signal, bodies, context)

        return grpc.stream_unary_rpc_method_handler(export)

    async def _export(self, signal: Signal, bodies: AsyncIterator[bytes], context: Context) -> bytes:
        try:
            self._check_token(context)
            async with self._place():
                answer = await self._take(signal, await self._body(bodies))
        except RequestRefused as error:
            return await self._refuse(signal, error, context)
        except Exception:  # noqa: BLE001 - one request's failure is answered, in OTLP's own terms
            _log.exception("a gRPC request could not be answered")
            self._count(signal, RpcCode.INTERNAL.name)
            await context.abort(grpc.StatusCode.INTERNAL, "the receiver failed; its log says why")
        self._count(signal, "OK")
        return response_protobuf(answer)

    def _check_token(self, context: Context) -> None:
        if self._settings.token:
            metadata: Mapping[str, str | bytes] = dict(context.invocation_metadata() or ())
            self._token.check(str(metadata.get("authorization", "")))

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None]:
        """Wait for one of the places. Raises Overloaded."""
        try:
            async with asyncio.timeout(self._settings.receive_timeout_s):
                with self._impatient():
                    await self._places.acquire()
        except TimeoutError:
            raise Overloaded(f"{self._settings.grpc_calls_max} calls are being received (grpc_calls_max)") from None
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _impatient(self) -> Generator[None]:
        """While it lasts, calls that do not use their places lose them."""
        self._waiting += 1
        self._hurry_soon()
        try:
            yield
        finally:
            self._waiting -= 1

    def _patience(self) -> float:
        crowd = self._waiting / self._settings.grpc_calls_max
        return max(_PATIENCE_LEAST_S, _PATIENCE_S / max(1.0, crowd))

    def _hurry_soon(self) -> None:
        if self._hurrying is None and self._waiting:
            self._hurrying = asyncio.get_running_loop().call_later(self._patience(), self._hurry)

    def _hurry(self) -> None:
        """End the calls that have waited longest for their messages, but for those that just began."""
        self._hurrying = None
        now_s, patience_s = asyncio.get_running_loop().time(), self._patience()
        late = [each for each, since_s in self._silent.items() if since_s + patience_s <= now_s]
        for waiting in late[: self._waiting]:
            del self._silent[waiting]
            waiting.reschedule(now_s)
        self._hurry_soon()

    async def _body(self, bodies: AsyncIterator[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._settings.receive_timeout_s) as waiting:
                self._silent[waiting] = asyncio.get_running_loop().time()
                try:
                    body = await anext(bodies)
                finally:
                    self._silent.pop(waiting, None)
        except TimeoutError:
            raise ComeBack("the message did not arrive in time (receive_timeout_s)") from None
        except StopAsyncIteration:
            # grpc-core ends a stream whose message is over its limit, and says so to the sender alone
            raise TooLarge("request_bytes_max", self._settings.request_bytes_max) from None
        if len(body) > self._settings.decompressed_bytes_max:
            raise TooLarge("decompressed_bytes_max", self._settings.decompressed_bytes_max)
        return body

    async def _take(self, signal: Signal, body: bytes) -> Answer:
        self._in_flight.enter(len(body))
        try:
            return await self._intake.take(signal, body)
        finally:
            self._in_flight.leave(len(body))

    async def _refuse(self, signal: Signal, error: RequestRefused, context: Context) -> bytes:
        status = refused_status(error, self._settings.retry_after_s)
        self._count(signal, status.code.name)
        self._telemetry.requests_refused.labels(signal, error.reason).inc()
        await context.abort(_CODES[status.code], status.message, (("grpc-status-details-bin", status.to_protobuf()),))

    def _count(self, signal: Signal, code: str) -> None:
        self._telemetry.requests.labels(signal, "grpc", code).inc()


class GrpcServer:
    """Listens for OTLP over gRPC: grpc-core on a socket of our own, and the door before it. folder: the socket's."""

    def __init__(
        self, settings: ReceiverSettings, folder: Path | None, handler: OtlpGrpc, telemetry: ReceiverTelemetry
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._handler = handler
        self._telemetry = telemetry
        self._stack = AsyncExitStack()
        self._grace_s = 0.0
        self.port = 0
        """The port that is listened on."""

    async def start(self) -> None:
        """Listen. Raises CannotListen, NotConfigured."""
        async with AsyncExitStack() as stack:
            inner = stack.enter_context(inner_socket(self._folder))
            door = GrpcDoor(self._settings, str(inner), self._telemetry)
            stack.callback(door.end_all)
            server = grpc.aio.server(handlers=[self._handler], options=self._options())
            server.add_insecure_port(f"unix:{door.inner}")
            await server.start()
            stack.push_async_callback(self._stop, server)
            await door.open()
            stack.callback(door.close)
            self.port = door.port
            self._stack = stack.pop_all()

    def _options(self) -> list[tuple[str, Any]]:
        return [
            ("grpc.max_receive_message_length", self._settings.request_bytes_max),
            ("grpc.max_concurrent_streams", _STREAMS_PER_CONNECTION_MAX),
            ("grpc.max_metadata_size", HEADERS_BYTES_MAX),
            ("grpc.absolute_max_metadata_size", HEADERS_BYTES_MAX),
            ("grpc.http2.bdp_probe", 0),  # or a waiting stream's window grows to megabytes
            ("grpc.server_handshake_timeout_ms", round(self._settings.receive_timeout_s * 1000)),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_MS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
        ]

    async def _stop(self, server: grpc.aio.Server) -> None:
        await server.stop(self._grace_s)

    async def stop(self, grace_s: float) -> None:
        """Stop listening; requests in flight have that long to end."""
        self._grace_s = grace_s
        await self._stack.aclose()
