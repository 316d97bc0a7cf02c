"""Blocks of samples in memory, sorted by series and time, and how answers are gathered from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.ledger._journal import Samples

_SPAN_MAX: Final = 2**32

SampleValues = npt.NDArray[Any]
"""float64, or object for encoded histograms."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples sorted by series, then time, without duplicates; immutable.

    series: uint32 shape (k,), strictly increasing; those of series[i] are at offsets[i]:offsets[i+1].
    time: milliseconds after base_ms, uint32 where the span allows it; value: float64 or object, shape (n,).
    """

    series: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int64]
    base_ms: int
    end_ms: int
    time: npt.NDArray[np.integer[Any]]
    value: SampleValues

    def __len__(self) -> int:
        return len(self.time)

    def samples(self) -> Samples:
        """The same, one series number for each sample."""
        series = np.repeat(self.series, np.diff(self.offsets))
        return Samples(series, self.time.astype(np.int64) + self.base_ms, self.value)


def chunk_of(samples: Samples) -> Chunk:
    """Sort samples that come in order of arrival; of duplicates (series, ms) the first stays. At least one."""
    base_ms, end_ms = int(samples.time_ms.min()), int(samples.time_ms.max())
    order, first = _sorted(samples.series, samples.time_ms, base_ms, end_ms)
    order = order[first]
    series = samples.series[order]
    starts = np.flatnonzero(np.concatenate(([True], series[1:] != series[:-1])))
    narrow = end_ms - base_ms < _SPAN_MAX
    return Chunk(
        series[starts],
        np.append(starts, len(series)),
        base_ms,
        end_ms,
        (samples.time_ms[order] - base_ms).astype(np.uint32 if narrow else np.int64),
        samples.value[order],
    )


def _sorted(
    owner: npt.NDArray[np.integer[Any]], time_ms: npt.NDArray[np.int64], base_ms: int, end_ms: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Stable order by (owner, time), and which of it come first among equals."""
    if end_ms - base_ms < _SPAN_MAX:
        key = (owner.astype(np.uint64) << np.uint64(32)) | (time_ms - base_ms).astype(np.uint64)
        order = np.argsort(key, kind="stable")
        key = key[order]
        different = key[1:] != key[:-1]
    else:
        order = np.lexsort((time_ms, owner))
        different = (np.diff(owner[order]) != 0) | (np.diff(time_ms[order]) != 0)
    return order, np.concatenate(([True], different))


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples found in one place: owner[i] is the position in the list of series asked for."""

    owner: npt.NDArray[np.intp]
    time_ms: npt.NDArray[np.int64]
    value: SampleValues


def gather(chunk: Chunk, ids: npt.NDArray[np.uint32], start_ms: int, end_ms: int) -> Piece | None:
    """Samples of the series `ids` (sorted) with time in [start_ms, end_ms]; None where there are none."""
    if chunk.end_ms < start_ms or chunk.base_ms > end_ms:
        return None
    at = np.searchsorted(chunk.series, ids)
    at[at == len(chunk.series)] = 0
    found = np.flatnonzero(chunk.series[at] == ids)
    if not len(found):
        return None
    lo, hi = chunk.offsets[at[found]], chunk.offsets[at[found] + 1]
    counts = hi - lo
    index = np.repeat(lo - np.concatenate(([0], np.cumsum(counts)[:-1])), counts) + np.arange(int(counts.sum()))
    piece = Piece(np.repeat(found, counts), chunk.time[index] + np.int64(chunk.base_ms), chunk.value[index])
    inside = start_ms <= chunk.base_ms and chunk.end_ms <= end_ms
    return piece if inside else _within(piece, start_ms, end_ms)


def _within(piece: Piece, start_ms: int, end_ms: int) -> Piece | None:
    keep = (piece.time_ms >= start_ms) & (piece.time_ms <= end_ms)
    return Piece(piece.owner[keep], piece.time_ms[keep], piece.value[keep]) if keep.any() else None


def combined(pieces: Sequence[Piece]) -> Piece | None:
    """Sorted by owner and time; of duplicates the one of the earliest piece stays. None where there are none."""
    pieces = [piece for piece in pieces if len(piece.owner)]
    if not pieces:
        return None
    owner = np.concatenate([piece.owner for piece in pieces])
    time_ms = np.concatenate([piece.time_ms for piece in pieces])
    value = np.concatenate([piece.value for piece in pieces])
    order, first = _sorted(owner, time_ms, int(time_ms.min()), int(time_ms.max()))
    order = order[first]
    return Piece(owner[order], time_ms[order], value[order])
