"""OTLP over gRPC: three unary methods that hand raw bytes on."""

import logging
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from flashmm_receiver._access import Guard, TlsFiles
from flashmm_receiver._decoder import Signal
from flashmm_receiver._intake import InFlight, Intake
from flashmm_receiver._status import RpcCode, refused_status, response_protobuf
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver.errors import CannotListen, RequestRefused, TooLarge
from flashmm_receiver.settings import Address, ReceiverSettings

_log = logging.getLogger(__name__)

_METHODS: Final = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
}
_STREAMS_PER_CONNECTION_MAX: Final = 64
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
        self._guard = Guard(settings.token)
        self._handlers = {path: self._handler(signal) for path, signal in _METHODS.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The handler of a path; None is answered UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def _handler(self, signal: Signal) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def export(body: bytes, context: Context) -> bytes:
            return await self._export(signal, body, context)

        return grpc.unary_unary_rpc_method_handler(export)

    async def _export(self, signal: Signal, body: bytes, context: Context) -> bytes:
        try:
            self._check(body, context)
            self._in_flight.enter(len(body))
        except RequestRefused as error:
            return await self._refuse(signal, error, context)
        try:
            answer = await self._intake.take(signal, body)
        except RequestRefused as error:
            return await self._refuse(signal, error, context)
        except Exception:  # noqa: BLE001 - one request's failure is answered, in OTLP's own terms
            _log.exception("a gRPC request could not be answered")
            self._count(signal, RpcCode.INTERNAL.name)
            await context.abort(grpc.StatusCode.INTERNAL, "the receiver failed; its log says why")
        finally:
            self._in_flight.leave(len(body))
        self._count(signal, "OK")
        return response_protobuf(answer)

    def _check(self, body: bytes, context: Context) -> None:
        if self._settings.token:
            metadata: Mapping[str, str | bytes] = dict(context.invocation_metadata() or ())
            self._guard.check(str(metadata.get("authorization", "")))
        if len(body) > self._settings.decompressed_bytes_max:
            raise TooLarge("decompressed_bytes_max", self._settings.decompressed_bytes_max)

    async def _refuse(self, signal: Signal, error: RequestRefused, context: Context) -> bytes:
        status = refused_status(error, self._settings.retry_after_s)
        self._count(signal, status.code.name)
        self._telemetry.requests_refused.labels(signal, error.reason).inc()
        await context.abort(_CODES[status.code], status.message, (("grpc-status-details-bin", status.to_protobuf()),))

    def _count(self, signal: Signal, code: str) -> None:
        self._telemetry.requests.labels(signal, "grpc", code).inc()


class GrpcServer:
    """Listens for OTLP over gRPC."""

    def __init__(self, settings: ReceiverSettings, handler: OtlpGrpc) -> None:
        self._settings = settings
        self._handler = handler
        self._server: grpc.aio.Server | None = None
        self.port = 0
        """The port that is listened on."""

    async def start(self) -> None:
        """Listen. Raises CannotListen."""
        address = Address.parse("grpc_bind", self._settings.grpc_bind)
        self._server = grpc.aio.server(handlers=[self._handler], options=self._options())
        try:
            self.port = self._bind(self._server, str(address))
        except RuntimeError as error:
            raise CannotListen("grpc_bind", str(address), str(error)) from None
        await self._server.start()

    def _options(self) -> list[tuple[str, Any]]:
        return [
            ("grpc.max_receive_message_length", self._settings.request_bytes_max),
            ("grpc.max_concurrent_streams", _STREAMS_PER_CONNECTION_MAX),
            ("grpc.so_reuseport", 0),
        ]

    def _bind(self, server: grpc.aio.Server, address: str) -> int:
        files = TlsFiles.read(self._settings)
        if files is None:
            return server.add_insecure_port(address)
        credentials = grpc.ssl_server_credentials(
            [(files.key, files.certificate)], files.client_ca, require_client_auth=files.client_ca is not None
        )
        return server.add_secure_port(address, credentials)

    async def stop(self, grace_s: float) -> None:
        """Stop listening; requests in flight have that long to end."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None
