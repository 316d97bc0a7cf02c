"""Fakes that ship: a store in memory that keeps what it was given, and can be told to be full or slow."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flashmm_backends.batch import Batch, Event, Labels, LogRecord, Span
from flashmm_backends.ports import BatchRefused, Unavailable

__all__ = ["MemoryStore"]


@dataclass
class MemoryStore:
    """A `Store` that keeps batches in a list.

    full: appends raise Unavailable while it is set. refuses: they raise BatchRefused.
    hold(): appends wait until `let_go()`.
    """

    batches: list[Batch] = field(default_factory=list[Batch])
    seqs: dict[tuple[str, str], Sequence[tuple[int, int]]] = field(
        default_factory=dict[tuple[str, str], Sequence[tuple[int, int]]]
    )
    full: bool = False
    refuses: bool = False
    waiting: int = 0
    """Appends that wait now."""
    _gate: asyncio.Event | None = None

    async def append(self, batch: Batch) -> None:
        """Keep the batch. Raises Unavailable while full, BatchRefused while it refuses."""
        if self._gate is not None:
            await self._wait(self._gate)
        if self.full:
            raise Unavailable("the memory store", "it was told to be full")
        if self.refuses:
            raise BatchRefused("told", "the memory store was told to refuse")
        self.batches.append(batch)

    async def _wait(self, gate: asyncio.Event) -> None:
        self.waiting += 1
        try:
            await gate.wait()
        finally:
            self.waiting -= 1

    async def stream_seqs(self) -> Mapping[tuple[str, str], Sequence[tuple[int, int]]]:
        """The intervals it was given."""
        return self.seqs

    def hold(self) -> None:
        """Make appends wait."""
        self._gate = asyncio.Event()

    def let_go(self) -> None:
        """Let waiting appends go on."""
        if self._gate is not None:
            self._gate.set()
        self._gate = None

    @property
    def events(self) -> list[Event]:
        """Every event, in order of arrival."""
        return [event for batch in self.batches for event in batch.events]

    @property
    def spans(self) -> list[Span]:
        """Every span, in order of arrival."""
        return [span for batch in self.batches for span in batch.spans]

    @property
    def logs(self) -> list[LogRecord]:
        """Every log record, in order of arrival."""
        return [log for batch in self.batches for log in batch.logs]

    @property
    def labels(self) -> dict[int, Labels]:
        """Labels of every series mentioned, by id."""
        return {meta.id: meta.labels for batch in self.batches for meta in batch.series}

    @property
    def samples(self) -> list[tuple[Labels, int, float]]:
        """Every float sample as (labels, milliseconds, value), in order of arrival."""
        labels = self.labels
        return [
            (labels[int(series)], int(time_ms), float(value))
            for batch in self.batches
            for series, time_ms, value in zip(
                batch.points.series_id, batch.points.time_ms, batch.points.value, strict=True
            )
        ]
