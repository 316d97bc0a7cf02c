"""The receiver: both transports over one intake."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from flashmm_backends.ports import Store, Tap
from flashmm_receiver._decoder import Decoder
from flashmm_receiver._grpc import GrpcServer, OtlpGrpc
from flashmm_receiver._http import OtlpHttp
from flashmm_receiver._http_connection import HttpShared
from flashmm_receiver._http_server import HttpServer
from flashmm_receiver._intake import Clock, InFlight, Intake
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver._worker import Worker
from flashmm_receiver.settings import ReceiverSettings

_log = logging.getLogger(__name__)


class Receiver:
    """Takes OTLP in over gRPC and HTTP, and answers success once it is durable.

    An async context manager: entering it listens, leaving it stops listening, lets what is in flight end and
    returns. store: where batches go. taps: called with each batch before it is stored. clock: UTC wall clock in
    nanoseconds. registry: where its own metrics go. folder: for its socket, made if it is not there; None for a
    temporary one.
    Entering raises NotConfigured, CannotListen, and what the store raises.
    """

    def __init__(
        self,
        settings: ReceiverSettings,
        store: Store,
        taps: Sequence[Tap] = (),
        *,
        clock: Clock,
        registry: CollectorRegistry,
        folder: Path | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._store = store
        self._taps = tuple(taps)
        self._clock = clock
        self._telemetry = ReceiverTelemetry(registry)
        self._telemetry.series_max.set(settings.series_max)
        self._stack = AsyncExitStack()
        self._leave_by_s = 0.0
        """When what is in flight has had its time, on the loop's clock."""
        self.grpc_port = 0
        """The port of OTLP over gRPC, once entered."""
        self.http_port = 0
        """The port of OTLP over HTTP, once entered."""

    async def __aenter__(self) -> Self:
        self._settings.check()
        decoder = Decoder(self._settings, await self._store.stream_seqs())
        worker = Worker()
        intake = Intake(decoder, worker, self._store, self._taps, self._clock, self._telemetry)
        in_flight = InFlight(self._settings.in_flight_bytes_max, self._telemetry)
        async with AsyncExitStack() as stack:
            stack.callback(worker.close)
            stack.push_async_callback(self._drain, intake)
            await self._listen(stack, intake, worker, in_flight)
            self._stack = stack.pop_all()
        return self

    async def _listen(self, stack: AsyncExitStack, intake: Intake, worker: Worker, in_flight: InFlight) -> None:
        settings, telemetry = self._settings, self._telemetry
        grpc_server = GrpcServer(settings, self._folder, OtlpGrpc(settings, intake, in_flight, telemetry), telemetry)
        otlp = OtlpHttp(settings, intake, worker, in_flight, telemetry)
        http_server = HttpServer(HttpShared(settings, otlp, in_flight, telemetry))
        stack.push_async_callback(self._stop, grpc_server, http_server)
        await grpc_server.start()
        await http_server.start()
        self.grpc_port, self.http_port = grpc_server.port, http_server.port

    async def _stop(self, *servers: GrpcServer | HttpServer) -> None:
        grace_s = self._leave_by_s - asyncio.get_running_loop().time()
        await asyncio.gather(*(server.stop(max(0.0, grace_s)) for server in servers))

    async def _drain(self, intake: Intake) -> None:
        try:
            async with asyncio.timeout_at(self._leave_by_s):
                await intake.drained()
        except TimeoutError:
            _log.warning(
                "the store did not end within %g s (drain_s); senders will deliver again", self._settings.drain_s
            )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave_by_s = asyncio.get_running_loop().time() + self._settings.drain_s
        await self._stack.aclose()
