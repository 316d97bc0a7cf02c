"""Sealing: from recent points and rows to Parquet files, and merging an hour's files into ones sorted by series."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from flashmm_backends.ledger import _parquet
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import (
    HISTOGRAMS,
    POINTS,
    WIDE,
    Catalog,
    RecentTable,
    SealedFile,
    record_files,
)
from flashmm_backends.ledger._chunks import Chunk, chunk_of
from flashmm_backends.ledger._database import Connection, Database
from flashmm_backends.ledger._head import Generation
from flashmm_backends.ledger._hours import HOUR_MS, SeriesHours
from flashmm_backends.ledger._journal import Samples, joined
from flashmm_backends.ledger._keys import write_keys
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ledger._sql import queries, quoted
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._tables import ROW_TABLES

_HOURS_MAX: Final = 24


@dataclass(frozen=True, slots=True)
class SealedGeneration:
    """A generation's samples as one chunk of each sort, sorted."""

    points: tuple[Chunk, ...]
    histograms: tuple[Chunk, ...]


@dataclass(slots=True)
class Sealer:
    """Writes files and has the applier register them; runs on the maintenance thread."""

    settings: LedgerSettings
    database: Database
    catalog: Catalog
    applier: Applier
    hours: SeriesHours
    streams: Streams
    clock: Callable[[], int]
    _sql: dict[str, str] = field(default_factory=lambda: dict(queries("store")))

    def seal_points(self, generation: Generation) -> SealedGeneration:
        """Put a generation into files, atomically. Raises duckdb.Error, OSError, Unavailable; then nothing is."""
        points, histograms = _one(generation.points), _one(generation.histograms)
        files = [
            *self._write_samples(POINTS, generation.number, points),
            *self._write_samples(HISTOGRAMS, generation.number, histograms),
        ]
        seen = self.hours.with_samples([chunk.samples() for chunk in (*points, *histograms)], _parts)

        def register(connection: Connection) -> None:
            record_files(connection, files)
            self.hours.record(connection, seen)
            connection.execute(self._sql["set_sealed"], [generation.number])

        self.applier.run(register)
        self.hours.publish(seen)
        self.catalog.change(files)
        return SealedGeneration(points, histograms)

    def _write_samples(self, kind: str, generation: int, chunks: Sequence[Chunk]) -> list[SealedFile]:
        parts = [(part, each) for chunk in chunks for part, each in _by_part(chunk.samples())]
        return [self._write_part(kind, generation, part, samples) for part, samples in parts]

    def _write_part(self, kind: str, generation: int, part_ms: int, samples: Samples) -> SealedFile:
        file_id = self.catalog.next_id()
        path = points_path(kind, part_ms, file_id)
        size = _parquet.write_samples(
            self.database.reader(), samples, self.catalog.directory / path, self.settings.row_group_rows
        )
        times = samples.time_ms
        return SealedFile(
            file_id, kind, path, part_ms, 0, file_id, generation,
            int(times.min()), int(times.max()), int(samples.series[0]), int(samples.series[-1]),
            len(samples), size, min(int(times.max()), self.clock() // 1_000_000),
        )  # fmt: skip

    def merge_due(self) -> bool:
        """Merge one hour's files if one is due; whether one was."""
        for kind in (POINTS, HISTOGRAMS):
            for files in self._parts_due(kind):
                self._merge(kind, files)
                return True
        return False

    def _parts_due(self, kind: str) -> Iterator[list[SealedFile]]:
        parts: dict[int, list[SealedFile]] = {}
        for file in self.catalog.snapshot.files.get(kind, ()):
            parts.setdefault(file.part_ms, []).append(file)
        ended_before = self.clock() // 1_000_000 - HOUR_MS - int(self.settings.compaction_delay_s * 1e3)
        for part_ms, files in sorted(parts.items()):
            fresh = sum(1 for file in files if file.level == 0)
            due = fresh >= (2 if fresh == len(files) else self.settings.compaction_files)
            if due and part_ms <= ended_before:
                yield files

    def _merge(self, kind: str, files: Sequence[SealedFile]) -> None:
        merged = list(self._merged(kind, files))
        self.applier.run(lambda connection: record_files(connection, merged, files))
        self.catalog.change(merged, files)

    def _merged(self, kind: str, files: Sequence[SealedFile]) -> Iterator[SealedFile]:
        for first, last in series_slices(files, self.settings.compaction_rows):
            file = self._merge_slice(kind, files, first, last)
            if file is not None:
                yield file

    def _merge_slice(self, kind: str, files: Sequence[SealedFile], first: int, last: int) -> SealedFile | None:
        file_id = self.catalog.next_id()
        path = points_path(kind, files[0].part_ms, file_id)
        connection, target = self.database.reader(), self.catalog.directory / path
        with self.catalog.reading() as snapshot:
            paths = self.catalog.readable(snapshot, files)
            source = queries("points")["merge"].format(paths=paths, first=first, last=last)
            size = _parquet.write(connection, source, target, self.settings.row_group_rows)
        rows, time_min, time_max, series_min, series_max = _bounds(connection, str(target))
        if not rows:
            target.unlink()
            return None
        return SealedFile(
            file_id, kind, path, files[0].part_ms, 1, max(file.arrival for file in files), 0,
            time_min, time_max, series_min, series_max, rows, size, max(file.expires_from for file in files),
        )  # fmt: skip

    def seal_rows(self, table: RecentTable) -> None:
        """Put a table of rows that takes no more of them into a file, and drop it, atomically."""
        files = [self._write_rows(table)] if table.rows else []
        self.applier.run(lambda connection: self._replace_rows(connection, table, files))
        self.catalog.change(files)
        self.catalog.change_tables([], [table])

    def _write_rows(self, table: RecentTable) -> SealedFile:
        spec = ROW_TABLES[table.kind]
        file_id = self.catalog.next_id()
        path = f"sealed/{table.kind}/{file_id}.parquet"
        order = ", ".join(quoted(name) for name in spec.order_by)
        source = f"SELECT * FROM {quoted(table.name)} ORDER BY {order}"  # noqa: S608 - our own names
        connection = self.database.reader()
        size = _parquet.write(connection, source, self.catalog.directory / path, self.settings.row_group_rows)
        write_keys(connection, table, self.catalog.directory / path)
        bounds = f"SELECT min({spec.time_column}), max({spec.time_column}) FROM {quoted(table.name)}"  # noqa: S608
        ((time_min, time_max),) = connection.execute(bounds).fetchall()
        expires = min(time_max, self.clock() // spec.time_unit_ns)
        return SealedFile(
            file_id, table.kind, path, WIDE, 0, file_id, 0, time_min, time_max, 0, 0, table.rows, size, expires
        )  # fmt: skip

    def _replace_rows(self, connection: Connection, table: RecentTable, files: Sequence[SealedFile]) -> None:
        record_files(connection, files)
        self.streams.record(connection)
        connection.execute(f"DROP TABLE {quoted(table.name)}")


def series_slices(files: Sequence[SealedFile], rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of series, first … last, that hold about so many rows each."""
    if not files:
        return
    low, high = min(file.series_min for file in files), max(file.series_max for file in files)
    n = -(-sum(file.rows for file in files) // rows)
    edges = sorted({low + (high + 1 - low) * i // n for i in range(n + 1)})
    yield from ((first, end - 1) for first, end in pairwise(edges))


def points_path(kind: str, part_ms: int, file_id: int) -> str:
    """Where a file of samples is, under the ledger's directory: kind, day, hour."""
    if part_ms == WIDE:
        return f"sealed/{kind}/scattered/{file_id}.parquet"
    hour = np.datetime64(part_ms, "ms").astype("datetime64[h]")
    day, _, clock = str(hour).partition("T")
    return f"sealed/{kind}/{day}/{clock[:2]}-{file_id}.parquet"


def _one(chunks: Sequence[Chunk]) -> tuple[Chunk, ...]:
    if len(chunks) < 2:
        return tuple(chunks)
    return (chunk_of(joined([chunk.samples() for chunk in chunks])),)


def _parts(samples: Samples) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The hour that each sample is filed under; the busiest hours only, the rest is scattered."""
    hours = samples.time_ms // HOUR_MS * HOUR_MS
    found, counts = np.unique(hours, return_counts=True)
    if len(found) <= _HOURS_MAX:
        return hours
    busiest = found[np.argsort(counts, kind="stable")[-_HOURS_MAX:]]
    return np.where(np.isin(hours, busiest), hours, WIDE)


def _by_part(samples: Samples) -> Iterator[tuple[int, Samples]]:
    parts = _parts(samples)
    found = np.unique(parts).tolist()
    if len(found) == 1:
        yield found[0], samples
        return
    for part in found:
        keep = parts == part
        yield part, Samples(samples.series[keep], samples.time_ms[keep], samples.value[keep])


def _bounds(connection: Connection, path: str) -> tuple[int, int, int, int, int]:
    rows: list[tuple[int, int, int, int, int]] = connection.execute(queries("points")["bounds"], [path]).fetchall()
    return rows[0]
