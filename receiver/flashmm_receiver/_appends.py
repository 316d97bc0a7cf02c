"""Batches on their way into the store: shown to live taps, appended, and forgotten where that fails."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from flashmm_backends.batch import Batch
from flashmm_backends.ports import BatchRefused, Store, Tap, Unavailable
from flashmm_receiver._decoded import Decoded, Keys, keys_of
from flashmm_receiver._parts import parts
from flashmm_receiver._telemetry import ReceiverTelemetry
from flashmm_receiver.errors import ComeBack, Malformed, RequestRefused

_log = logging.getLogger(__name__)


class Append:
    """One batch on its way. task: returns why it was not stored, None once it is durable."""

    def __init__(self, batch: Batch, task: "asyncio.Task[RequestRefused | None]") -> None:
        self._batch = batch
        self.task = task

    @cached_property
    def keys(self) -> Keys:
        """What its records are recognised by."""
        return keys_of(self._batch)

    @property
    def is_stored(self) -> bool:
        """True once it is durable."""
        task = self.task
        return task.done() and not task.cancelled() and task.exception() is None and task.result() is None


def holding(appends: Iterable[Append], keys: Keys) -> Sequence[Append]:
    """Those that hold a record with one of the keys."""
    return [each for each in appends if not each.keys.isdisjoint(keys)]


class Appends:
    """All batches on their way. settling: held while what is remembered of records is changed."""

    def __init__(
        self, store: Store, taps: Sequence[Tap], settling: asyncio.Lock, telemetry: ReceiverTelemetry
    ) -> None:
        self._store = store
        self._taps = taps
        self._settling = settling
        self._telemetry = telemetry
        self._under_way: set[Append] = set()
        self._failed_taps: set[int] = set()
        self._store_refuses = False

    def __iter__(self) -> Iterator[Append]:
        return iter([*self._under_way])

    def begin(self, name: str, decoded: Decoded, batch: Batch) -> Append:
        """Tap and store. It goes on when the sender hangs up: what was begun is finished either way."""
        append = Append(batch, asyncio.create_task(self._settle(decoded, batch), name=name))
        self._under_way.add(append)
        append.task.add_done_callback(lambda _: self._under_way.discard(append))
        return append

    async def _settle(self, decoded: Decoded, batch: Batch) -> RequestRefused | None:
        then = decoded.forget
        try:
            await self._tap_all(batch)
            refused = await self._append(batch)
            if refused is None:
                then = decoded.stored
            return refused
        finally:
            async with self._settling:
                for step in then:
                    step()

    async def _append(self, batch: Batch) -> RequestRefused | None:
        try:
            await self._store.append(batch)
        except Unavailable as error:
            self._note_store(error)
            return ComeBack("the store could not keep the request")
        except BatchRefused as error:
            return Malformed(str(error))
        self._note_store(None)
        return None

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
