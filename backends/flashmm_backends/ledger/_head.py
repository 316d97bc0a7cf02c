"""Recent points in memory, by generation: not sealed yet, or sealed and still resident for instant queries."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from flashmm_backends.ledger._chunks import Chunk, chunk_of
from flashmm_backends.ledger._journal import Samples, joined

_FAN: Final = 4
_MERGED_MAX: Final = 65_536


@dataclass(frozen=True, slots=True)
class Generation:
    """The points of one journal file, as chunks in order of arrival. opened_ns: when its first points came."""

    number: int
    opened_ns: int
    points: tuple[Chunk, ...] = ()
    histograms: tuple[Chunk, ...] = ()
    sealed: bool = False

    @property
    def size(self) -> int:
        """How many points; a histogram counts as sixteen."""
        return sum(map(len, self.points)) + 16 * sum(map(len, self.histograms))

    @property
    def end_ms(self) -> int:
        """Time of the newest point."""
        return max((chunk.end_ms for chunk in (*self.points, *self.histograms)), default=0)


class Head:
    """Generations, oldest first. Readers take `generations` as it is: an immutable tuple, replaced whole."""

    def __init__(self) -> None:
        self.generations: tuple[Generation, ...] = ()
        self._lock = threading.Lock()

    @property
    def unsealed_points(self) -> int:
        """Points that are in no file yet."""
        return sum(generation.size for generation in self.generations if not generation.sealed)

    @property
    def resident_points(self) -> int:
        """Points in memory."""
        return sum(generation.size for generation in self.generations)

    def open(self, number: int, now_ns: int) -> None:
        """Begin a generation; what is added from now on belongs to it."""
        with self._lock:
            self.generations = (*self.generations, Generation(number, now_ns))

    def add(self, points: Samples, histograms: Samples) -> None:
        """Add samples to the newest generation."""
        with self._lock:
            *older, newest = self.generations
            newest = replace(
                newest,
                points=_with(newest.points, points),
                histograms=_with(newest.histograms, histograms),
            )
            self.generations = (*older, newest)

    def seal(self, number: int, points: tuple[Chunk, ...], histograms: tuple[Chunk, ...]) -> None:
        """The generation is in files now; its chunks, merged, stay until they are evicted."""
        with self._lock:
            sealed = {"points": points, "histograms": histograms, "sealed": True}
            self.generations = tuple(
                replace(each, **sealed) if each.number == number else each for each in self.generations
            )

    def evict(self, points_max: int, older_than_ms: int) -> None:
        """Forget sealed generations, oldest first: the too old ones, then down to points_max in all."""
        with self._lock:
            self.generations = tuple(self._kept(points_max, older_than_ms))

    def _kept(self, points_max: int, older_than_ms: int) -> Iterator[Generation]:
        excess = self.resident_points - points_max
        for generation in self.generations:
            if generation.sealed and (excess > 0 or generation.end_ms < older_than_ms):
                excess -= generation.size
            else:
                yield generation


def _with(chunks: tuple[Chunk, ...], samples: Samples) -> tuple[Chunk, ...]:
    """Chunks with one more; equal sizes are merged by fours, so that there are few."""
    if not len(samples):
        return chunks
    chunks = (*chunks, chunk_of(samples))
    while tail := _mergeable(chunks):
        merged = chunk_of(joined([chunk.samples() for chunk in chunks[-tail:]]))
        chunks = (*chunks[:-tail], merged)
    return chunks


def _mergeable(chunks: tuple[Chunk, ...]) -> int:
    """How many of the last chunks are due to become one; 0 where none."""
    limit, total, tail = 2 * len(chunks[-1]), 0, 0
    for chunk in reversed(chunks):
        if len(chunk) > limit:
            break
        total += len(chunk)
        tail += 1
    return tail if tail >= _FAN and total <= _MERGED_MAX else 0
