"""Decode, tap, store, answer: the way of one request, whatever transport it came by."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from flashmm_backends.ports import Store, Tap
from flashmm_receiver._appends import Append, Appends, holding
from flashmm_receiver._decoded import Decoded, Keys
from flashmm_receiver._decoder import Decoder, Signal
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver._worker import Worker, ended
from flashmm_receiver.errors import ComeBack, Overloaded

Clock = Callable[[], int]
"""UTC wall clock in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request that was taken is answered: how many records were refused, and why."""

    refused: int
    message: str


class InFlight:
    """Bytes of requests in flight, with a limit.

    A request is let in while less than the limit is in flight, so that one of any allowed size gets through.
    """

    def __init__(self, bytes_max: int, telemetry: ReceiverTelemetry) -> None:
        self._bytes_max = bytes_max
        self._gauge = telemetry.in_flight_bytes
        self._bytes = 0

    def enter(self, size: int) -> None:
        """Count bytes in. Raises Overloaded."""
        if self._bytes + size > self._bytes_max and self._bytes:
            raise Overloaded(f"{self._bytes_max} bytes are in flight (in_flight_bytes_max)")
        self._bytes += size
        self._gauge.set(self._bytes)

    def leave(self, size: int) -> None:
        """Count bytes out."""
        self._bytes -= size
        self._gauge.set(self._bytes)


class Intake:
    """Takes request bodies in; returns once what they hold is durable."""

    def __init__(
        self,
        decoder: Decoder,
        worker: Worker,
        store: Store,
        taps: Sequence[Tap],
        clock: Clock,
        telemetry: ReceiverTelemetry,
    ) -> None:
        self._decoder = decoder
        self._worker = worker
        self._decoding = asyncio.Lock()
        self._large: set[asyncio.Task[Answer]] = set()
        self._appends = Appends(store, taps, self._decoding, telemetry)
        self._clock = clock
        self._telemetry = telemetry

    async def take(self, signal: Signal, body: bytes) -> Answer:
        """Take one protobuf body. Raises Malformed, TooLarge, ComeBack.

        A body that repeats what is still being stored waits for it, and fails with it. Bodies are decoded one after
        the other, in the order in which they come.
        """
        if not self._large and self._decoder.is_light(signal, body):
            return await self._take(signal, body)
        task = asyncio.create_task(self._take(signal, body), name=f"take {signal}")
        self._large.add(task)
        task.add_done_callback(self._large.discard)
        return await ended(task)

    async def _take(self, signal: Signal, body: bytes) -> Answer:
        """Without large ones it decodes before it ever waits, so that nothing is read that is not stored then."""
        async with self._decoding:
            if self._decoder.is_light(signal, body):
                decoded = self._decode(signal, body)
            else:
                decoded = await self._worker.run(self._decode, signal, body)
        earlier = list(self._appends) if decoded.repeated else []
        if decoded.batch is not None:
            await self._store(self._appends.begin(f"append {signal}", decoded, decoded.batch))
        self._count(signal, decoded)
        await self._wait_for(earlier, decoded.repeated)
        return Answer(decoded.refusals.total, decoded.refusals.message)

    def _decode(self, signal: Signal, body: bytes) -> Decoded:
        with self._timed(signal):
            gaps, unknown = self._decoder.deltas.gaps, self._decoder.unknown_fields
            decoded = self._decoder.decode(signal, body, self._clock())
        self._telemetry.request_bytes.labels(signal).inc(len(body))
        self._telemetry.delta_gaps.inc(self._decoder.deltas.gaps - gaps)
        self._telemetry.unknown_fields.inc(self._decoder.unknown_fields - unknown)
        self._telemetry.series.set(len(self._decoder.series))
        return decoded

    @contextmanager
    def _timed(self, signal: Signal):  # noqa: ANN202
        begin = perf_counter()
        yield
        self._telemetry.decode_seconds.labels(signal).observe(perf_counter() - begin)

    async def _store(self, append: Append) -> None:
        refused = await asyncio.shield(append.task)
        if refused:
            raise refused

    async def _wait_for(self, earlier: Iterable[Append], repeated: Keys) -> None:
        """Have those stored that hold what is repeated. Raises ComeBack."""
        open_ones = [each for each in earlier if not each.is_stored]
        holders = await self._worker.run(holding, open_ones, repeated) if open_ones else ()
        if holders:
            await asyncio.wait([each.task for each in holders])
        if not all(each.is_stored for each in holders):
            raise ComeBack("an earlier delivery of the same records could not be stored")

    def _count(self, signal: Signal, decoded: Decoded) -> None:
        for kind, accepted in decoded.accepted.items():
            self._telemetry.count(kind, accepted, decoded.duplicates.get(kind, 0))
        self._telemetry.refuse(signal, decoded.refusals)

    async def drained(self) -> None:
        """Return once nothing is being stored."""
        while left := self._large | {each.task for each in self._appends}:
            await asyncio.wait(left)
