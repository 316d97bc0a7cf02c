"""Decode, tap, store, answer: the way of one request, whatever transport it came by."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from flashmm_backends.batch import Batch
from flashmm_backends.ports import BatchRefused, Store, Tap, Unavailable
from flashmm_receiver._decoded import Decoded
from flashmm_receiver._decoder import Decoder, Signal
from flashmm_receiver._parts import parts
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver._worker import Worker, ended
from flashmm_receiver.errors import ComeBack, Malformed, Overloaded

_log = logging.getLogger(__name__)

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
        self._store = store
        self._taps = taps
        self._clock = clock
        self._telemetry = telemetry
        self._appending: set[asyncio.Task[bool]] = set()
        self._failed_taps: set[int] = set()
        self._store_refuses = False

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
        before = list(self._appending) if decoded.has_duplicates else []
        if decoded.batch is not None:
            await self._append(signal, decoded, decoded.batch)
        if before and not all(await asyncio.gather(*(asyncio.shield(task) for task in before))):
            raise ComeBack("an earlier delivery of the same records could not be stored")
        self._count(signal, decoded)
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

    async def _append(self, signal: Signal, decoded: Decoded, batch: Batch) -> None:
        """Tap and store. The task goes on when the sender hangs up: what was begun is finished either way."""
        task = asyncio.create_task(self._store_or_forget(decoded, batch), name=f"append {signal}")
        self._appending.add(task)
        task.add_done_callback(self._appending.discard)
        try:
            kept = await asyncio.shield(task)
        except BatchRefused as error:
            raise Malformed(str(error)) from error
        if not kept:
            raise ComeBack("the store could not keep the request")

    async def _store_or_forget(self, decoded: Decoded, batch: Batch) -> bool:
        then = decoded.forget
        try:
            await self._tap_all(batch)
            await self._store.append(batch)
            then = decoded.stored
            self._note_store(None)
        except Unavailable as error:
            self._note_store(error)
        finally:
            async with self._decoding:
                for step in then:
                    step()
        return then is decoded.stored

    def _note_store(self, error: Unavailable | None) -> None:
        """Log when the store begins to refuse, and when it takes again."""
        if (error is not None) is not self._store_refuses:
            self._store_refuses = error is not None
            if error is None:
                _log.warning("the store takes requests again")
            else:
                _log.warning("the store takes no requests, senders are asked to come back: %s", error)

    async def _tap_all(self, batch: Batch) -> None:
        if not self._taps:
            return
        first, *others = parts(batch)
        self._tap(first)
        for part in others:
            await asyncio.sleep(0)
            self._tap(part)

    def _tap(self, batch: Batch) -> None:
        for tap in self._taps:
            try:
                tap(batch)
            except Exception:  # noqa: BLE001 - a live view must not cost the ledger a batch
                self._tap_failed(tap)

    def _tap_failed(self, tap: Tap) -> None:
        name = getattr(tap, "__qualname__", type(tap).__name__)
        self._telemetry.tap_errors.labels(name).inc()
        if id(tap) not in self._failed_taps:
            self._failed_taps.add(id(tap))
            _log.exception("live tap %s raised; its view misses a batch (told once)", name)

    def _count(self, signal: Signal, decoded: Decoded) -> None:
        for kind, accepted in decoded.accepted.items():
            self._telemetry.count(kind, accepted, decoded.duplicates.get(kind, 0))
        self._telemetry.refuse(signal, decoded.refusals)

    async def drained(self) -> None:
        """Return once nothing is being stored."""
        while left := self._large | self._appending:
            await asyncio.wait(left)
