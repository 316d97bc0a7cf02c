"""What the ledger forgets, and when: by age, and of raw points also by size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from flashmm_backends.ledger import _parquet
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import (
    HISTOGRAM_ROLLUPS,
    HISTOGRAMS,
    POINTS,
    ROLLUPS,
    WIDE,
    Catalog,
    SealedFile,
    record_files,
)
from flashmm_backends.ledger._chunks import chunk_of
from flashmm_backends.ledger._committer import Committer
from flashmm_backends.ledger._database import Connection, Database, fetch
from flashmm_backends.ledger._head import Head
from flashmm_backends.ledger._hours import HOUR_MS, SeriesHours, unused
from flashmm_backends.ledger._journal import Samples
from flashmm_backends.ledger._labels import SeriesIndex
from flashmm_backends.ledger._parquet import STALE
from flashmm_backends.ledger._rollup import rolled_up
from flashmm_backends.ledger._sealing import points_path, series_slices
from flashmm_backends.ledger._settings import LedgerSettings
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._tables import ROW_TABLES, Kept

_DAY_MS: Final = 86_400_000
_ROLLED: Final = {POINTS: ROLLUPS, HISTOGRAMS: HISTOGRAM_ROLLUPS}
_SLICE_ROWS: Final = 500_000
_SERIES_AT_ONCE: Final = 5_000
"""Commits wait while so many are put to sleep."""


@dataclass(slots=True)
class Retention:
    """Enforces the limits; runs on the maintenance thread."""

    settings: LedgerSettings
    database: Database
    catalog: Catalog
    applier: Applier
    hours: SeriesHours
    index: SeriesIndex
    streams: Streams
    head: Head
    committer: Committer
    clock: Callable[[], int]
    _looked_ms: int = field(default=0)

    @property
    def raw_horizon_ms(self) -> int:
        """Time of the oldest raw point in a file; now where there is none."""
        return min((file.time_min for file in self.catalog.snapshot.of(POINTS, HISTOGRAMS)), default=self._now_ms)

    @property
    def shortfall_s(self) -> float:
        """How much of the wanted retention of raw points the size limit took, in seconds; 0 where none."""
        wanted_ms = self._horizon_ms(Kept.TELEMETRY)
        rolled = [file.time_max for file in self.catalog.snapshot.of(ROLLUPS, HISTOGRAM_ROLLUPS)]
        return max(0.0, (max(rolled, default=wanted_ms) - wanted_ms) / 1e3)

    @property
    def _now_ms(self) -> int:
        return self.clock() // 1_000_000

    def _horizon_ms(self, kept: Kept) -> int:
        days = self.settings.events_days if kept is Kept.EVENTS else self.settings.telemetry_days
        return self._now_ms - int(days * _DAY_MS)

    def enforce(self) -> None:
        """Forget what is too old, then roll up the oldest hours until the raw points fit."""
        self._forget(list(self._expired()))
        while hour := self._oldest_excess():
            self._roll_up(hour)
        if self._now_ms - self._looked_ms >= HOUR_MS:
            self._looked_ms = self._now_ms
            self._forget_series()
            self.streams.forget(self._horizon_ms(Kept.EVENTS) * 1_000_000)

    def _expired(self) -> Iterator[SealedFile]:
        for kind, files in self.catalog.snapshot.files.items():
            spec = ROW_TABLES.get(kind)
            horizon_ms = self._horizon_ms(spec.kept if spec else Kept.TELEMETRY)
            horizon = horizon_ms * 1_000_000 // spec.time_unit_ns if spec else horizon_ms
            yield from (file for file in files if file.expires_from < horizon)

    def _forget(self, files: Sequence[SealedFile]) -> None:
        if files:
            self.applier.run(lambda connection: record_files(connection, [], files))
            self.catalog.change([], files)

    def _oldest_excess(self) -> list[SealedFile]:
        """Raw files of the oldest hour, where raw points are over their limit and it is not the only one."""
        raw = self.catalog.snapshot.of(POINTS, HISTOGRAMS)
        parts = sorted({file.part_ms for file in raw})
        if sum(file.bytes for file in raw) <= self.settings.raw_bytes_max or len(parts) < 2:
            return []
        return [file for file in raw if file.part_ms == parts[0]]

    def _roll_up(self, files: Sequence[SealedFile]) -> None:
        rolled = [each for kind in _ROLLED for each in self._rolled(kind, [f for f in files if f.kind == kind])]
        self.applier.run(lambda connection: record_files(connection, rolled, files))
        self.catalog.change(rolled, files)

    def _rolled(self, kind: str, files: Sequence[SealedFile]) -> Iterator[SealedFile]:
        counters = self.index.counters()
        for first, last in series_slices(files, _SLICE_ROWS):
            samples = self._read(files, first, last)
            if samples is not None:
                yield self._write(kind, files, rolled_up(samples, counters))

    def _read(self, files: Sequence[SealedFile], first: int, last: int) -> Samples | None:
        with self.catalog.reading() as snapshot:
            paths = self.catalog.readable(snapshot, files)
            sql = queries("points")["merge"].format(paths=paths, first=first, last=last)
            rows = fetch(self.database.reader(), sql)
        if not len(rows["series"]):
            return None
        value = rows["value"]
        value = value.filled(STALE) if isinstance(value, np.ma.MaskedArray) else value
        return chunk_of(Samples(rows["series"], rows["time_ms"], value)).samples()

    def _write(self, kind: str, files: Sequence[SealedFile], samples: Samples) -> SealedFile:
        file_id = self.catalog.next_id()
        path = points_path(_ROLLED[kind], files[0].part_ms, file_id)
        target = self.catalog.directory / path
        size = _parquet.write_samples(self.database.reader(), samples, target, self.settings.row_group_rows)
        return SealedFile(
            file_id, _ROLLED[kind], path, files[0].part_ms, 1, max(file.arrival for file in files), 0,
            int(samples.time_ms.min()), int(samples.time_ms.max()),
            int(samples.series[0]), int(samples.series[-1]),
            len(samples), size, max(file.expires_from for file in files),
        )  # fmt: skip

    def _forget_series(self) -> None:
        """Forget hours of which no sample is left, then series that have none."""
        hours = self._hours_without_samples()
        if hours:
            self.applier.run(lambda connection: _remove_hours(connection, hours))
            self.hours.publish({}, hours)
        while self.committer.between(self._put_to_sleep) == _SERIES_AT_ONCE:
            pass

    def _hours_without_samples(self) -> list[int]:
        ended = self.hours.before(self._horizon_ms(Kept.TELEMETRY))
        samples = self.catalog.snapshot.of(POINTS, HISTOGRAMS, ROLLUPS, HISTOGRAM_ROLLUPS)
        return ended if any(file.part_ms == WIDE for file in samples) else ended + self.hours.scattered

    def _put_to_sleep(self) -> int:
        """Some series without samples; between two commits, or a batch that names one might be under way."""
        self.applier.flush()  # so that each can be recalled
        some = unused(self.index, self.head, self.hours)[:_SERIES_AT_ONCE]
        self.index.forget(some)
        return len(some)


def _remove_hours(connection: Connection, hours: Sequence[int]) -> None:
    for hour in hours:
        connection.execute(queries("store")["remove_series_hour"], [hour])
