"""Samples of matching series in a span of time: from memory, from files, merged; the first arrival wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Labels
from flashmm_backends.histogram_codec import decode_many
from flashmm_backends.ledger._catalog import (
    HISTOGRAM_ROLLUPS,
    HISTOGRAMS,
    POINTS,
    ROLLUPS,
    Catalog,
    SealedFile,
    Snapshot,
)
from flashmm_backends.ledger._chunks import Piece, combined, gather
from flashmm_backends.ledger._database import Arrays, Connection, Database, fetch, unavailable
from flashmm_backends.ledger._head import Generation, Head
from flashmm_backends.ledger._hours import SeriesHours
from flashmm_backends.ledger._labels import Ids, SeriesIndex
from flashmm_backends.ledger._parquet import STALE
from flashmm_backends.ledger._sql import queries
from flashmm_backends.promql.source import HistogramSamples, Matcher, Metadata, Selection

ROLLED_UP: Final = "part of the range is older than the raw points kept: one sample a minute stands for it"

_LISTED_MAX: Final = 2_000
_INT64: Final = np.iinfo(np.int64)


@dataclass(slots=True)
class Selector:
    """A `SampleSource` over the head and the sealed files. Blocking; call from any thread."""

    index: SeriesIndex
    head: Head
    hours: SeriesHours
    catalog: Catalog
    database: Database

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Selection:
        """See SampleSource."""
        start_ms, end_ms = max(start_ms, _INT64.min), min(end_ms, _INT64.max)
        ids = self.index.match(matchers)
        # The head before the files: what leaves the head in between is in the files then.
        generations = self.head.generations
        with self.catalog.reading() as snapshot:
            files = _files(snapshot, generations, ids, start_ms, end_ms)
            points = self._pieces(snapshot, files, [POINTS, ROLLUPS], ids, start_ms, end_ms)
            histograms = self._pieces(snapshot, files, [HISTOGRAMS, HISTOGRAM_ROLLUPS], ids, start_ms, end_ms)
        points += _gathered([g.points for g in generations], ids, start_ms, end_ms)
        histograms += _gathered([g.histograms for g in generations], ids, start_ms, end_ms)
        rolled_up = any(file.kind in (ROLLUPS, HISTOGRAM_ROLLUPS) for file in files)
        return self._selection(ids, combined(points), combined(histograms), [ROLLED_UP] if rolled_up else [])

    def _pieces(
        self,
        snapshot: Snapshot,
        files: Sequence[SealedFile],
        kinds: Sequence[str],
        ids: Ids,
        start_ms: int,
        end_ms: int,
    ) -> list[Piece]:
        chosen = [file for file in files if file.kind in kinds]
        if not chosen or not len(ids):
            return []
        paths = self.catalog.readable(snapshot, chosen)
        try:
            rows = _read(self.database.reader(), paths, ids, start_ms, end_ms)
        except duckdb.Error as error:
            raise unavailable(error) from error
        return [_piece(rows, ids)] if len(rows["series"]) else []

    def _selection(
        self, ids: Ids, points: Piece | None, histograms: Piece | None, annotations: Sequence[str]
    ) -> Selection:
        owners = [piece.owner for piece in (points, histograms) if piece is not None]
        present = np.unique(np.concatenate(owners)) if owners else np.empty(0, np.intp)
        known = ((owner, self.index.get(int(ids[owner]))) for owner in present.tolist())
        labels = {owner: series.labels for owner, series in known if series}  # others are forgotten since
        order = sorted(labels, key=labels.__getitem__)
        times_ms, values, offsets = _ranked(points, order, len(ids))
        return Selection(
            [labels[owner] for owner in order],
            offsets,
            times_ms,
            values,
            _histograms(histograms, order, len(ids)),
            annotations,
        )

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Labels of matching series, sorted; the span is answered to the hour for what is sealed."""
        ids = self.index.match(matchers)
        seen = [self.hours.seen(start_ms, end_ms)]
        for generation in self.head.generations:
            chunks = (*generation.points, *generation.histograms)
            seen += [each.series for each in chunks if each.base_ms <= end_ms and each.end_ms >= start_ms]
        present = np.intersect1d(ids, np.concatenate(seen))
        return sorted(series.labels for number in present.tolist() if (series := self.index.get(number)))

    def metadata(self) -> Sequence[Metadata]:
        """See SampleSource."""
        return self.index.metadata()


def _files(
    snapshot: Snapshot, generations: Sequence[Generation], ids: Ids, start_ms: int, end_ms: int
) -> list[SealedFile]:
    if not len(ids):
        return []
    resident = {generation.number for generation in generations}
    first, last = int(ids[0]), int(ids[-1])
    return [
        file
        for file in snapshot.of(POINTS, ROLLUPS, HISTOGRAMS, HISTOGRAM_ROLLUPS)
        if file.generation not in resident
        and file.time_min <= end_ms
        and file.time_max >= start_ms
        and file.series_min <= last
        and file.series_max >= first
    ]


def _read(connection: Connection, paths: str, ids: Ids, start_ms: int, end_ms: int) -> Arrays:
    contiguous = int(ids[-1]) - int(ids[0]) + 1 == len(ids)
    if contiguous or len(ids) > _LISTED_MAX:
        sql = queries("points")["select_range"].format(paths=paths)
        return fetch(connection, sql, [int(ids[0]), int(ids[-1]), start_ms, end_ms])
    sql = queries("points")["select_some"].format(paths=paths)
    return fetch(connection, sql, [ids.tolist(), start_ms, end_ms])


def _piece(rows: Arrays, ids: Ids) -> Piece:
    series, time_ms, value, file = (rows[name] for name in ("series", "time_ms", "value", "file_index"))
    if isinstance(value, np.ma.MaskedArray):
        value = value.filled(STALE)
    owner = np.searchsorted(ids, series)
    owner[owner == len(ids)] = 0
    wanted = ids[owner] == series
    if not wanted.all():
        owner, time_ms, value, file = owner[wanted], time_ms[wanted], value[wanted], file[wanted]
    if (np.diff(file.astype(np.int64)) < 0).any():
        order = np.argsort(file, kind="stable")
        owner, time_ms, value = owner[order], time_ms[order], value[order]
    return Piece(owner, np.asarray(time_ms, np.int64), value)


def _gathered(chunks: Sequence[Sequence[Any]], ids: Ids, start_ms: int, end_ms: int) -> list[Piece]:
    if not len(ids):
        return []
    found = (gather(chunk, ids, start_ms, end_ms) for each in chunks for chunk in each)
    return [piece for piece in found if piece is not None]


def _ranked(
    piece: Piece | None, order: Sequence[int], n_ids: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Samples regrouped so that owners come in the given order, and where each begins."""
    if piece is None:
        return np.empty(0, np.int64), np.empty(0, np.float64), np.zeros(len(order) + 1, np.int64)
    at, offsets = _regrouped(piece, order, n_ids)
    return piece.time_ms[at], np.asarray(piece.value[at], np.float64), offsets


def _histograms(piece: Piece | None, order: Sequence[int], n_ids: int) -> HistogramSamples | None:
    if piece is None:
        return None
    at, offsets = _regrouped(piece, order, n_ids)
    blobs: list[bytes | bytearray] = piece.value[at].tolist()
    return HistogramSamples(offsets, piece.time_ms[at], decode_many(blobs))


def _regrouped(piece: Piece, order: Sequence[int], n_ids: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of the samples, owner by owner in the given order, and where each owner's begin."""
    edges = np.searchsorted(piece.owner, np.arange(n_ids + 1))
    begins, counts = edges[:-1][order], np.diff(edges)[order]
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return np.repeat(begins - offsets[:-1], counts) + np.arange(int(offsets[-1])), offsets
