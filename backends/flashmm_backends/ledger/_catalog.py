"""What there is to read: sealed files and tables of recent rows, as snapshots that readers pin."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from flashmm_backends.ledger._archive import Archive
from flashmm_backends.ledger._database import Connection
from flashmm_backends.ledger._sql import queries, quoted
from flashmm_backends.ledger._tables import ROW_TABLES, RowTable

POINTS: Final = "points"
HISTOGRAMS: Final = "histograms"
ROLLUPS: Final = "rollups"
HISTOGRAM_ROLLUPS: Final = "histogram_rollups"
WIDE: Final = -1
"""The part of points too scattered in time to be filed by hour."""

_log = logging.getLogger("flashmm.ledger")

_PARQUET_MAGIC: Final = b"PAR1"
_KEYS: Final = ".keys"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One Parquet file. Times are in the unit of its kind; see the `files` table for the rest."""

    id: int
    kind: str
    path: str
    part_ms: int
    level: int
    arrival: int
    generation: int
    time_min: int
    time_max: int
    series_min: int
    series_max: int
    rows: int
    bytes: int
    expires_from: int


@dataclass(frozen=True, slots=True)
class RecentTable:
    """One table of recent rows. `rows` and `opened_ns` decide when it is sealed; 0: it takes no more rows."""

    kind: str
    generation: int
    rows: int = 0
    opened_ns: int = 0

    @property
    def name(self) -> str:
        """Its name in DuckDB."""
        return f"{self.kind}_{self.generation}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that can be read at one moment. Files are in order of arrival, tables oldest first.

    applied: the last journal record whose rows are in the tables; a table's later rows are not part of this.
    """

    version: int = 0
    applied: int = 0
    files: Mapping[str, tuple[SealedFile, ...]] = field(default_factory=dict[str, tuple[SealedFile, ...]])
    tables: Mapping[str, tuple[RecentTable, ...]] = field(default_factory=dict[str, tuple[RecentTable, ...]])

    def of(self, *kinds: str) -> list[SealedFile]:
        """The files of some kinds, in order of arrival."""
        found = [file for kind in kinds for file in self.files.get(kind, ())]
        return sorted(found, key=lambda file: (file.arrival, file.id))


class Catalog:
    """The current snapshot, and the files that wait for their last reader before they are unlinked."""

    def __init__(self, directory: Path, archive: Archive | None = None) -> None:
        self.directory = directory
        self._archive = archive
        self._read: dict[str, tuple[int, float]] = {}
        """By path: the latest version that a reader of it had pinned, and when that was."""
        self.snapshot = Snapshot()
        self.damaged: list[SealedFile] = []
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._pinned: Counter[int] = Counter()
        self._doomed: list[tuple[int, Path]] = []
        self._next_id = 1

    def load(self, connection: Connection, now_ns: int) -> None:
        """Read the catalogue; forget nothing, but set damaged files aside and unlink files it does not know."""
        sql = queries("store")
        files = [SealedFile(*row) for row in connection.execute(sql["files"]).fetchall()]
        self.damaged = [file for file in files if not self._is_sound(file)]
        sound = [file for file in files if file not in self.damaged]
        names = [name for (name,) in connection.execute(sql["row_tables"]).fetchall()]
        tables = [_recent(connection, name, now_ns) for name in names]
        used = [file.id for file in files] + [table.generation for table in tables if table]
        self._next_id = max(used, default=0) + 1
        self.snapshot = Snapshot(0, 0, _by_kind(sound), _tables_by_kind([table for table in tables if table]))
        self._unlink_orphans({file.path for file in files})

    def _is_sound(self, file: SealedFile) -> bool:
        if _is_whole(self.path(file), file.bytes):
            return True
        if self._archive is None or not self._archive.holds(file):
            return False
        self.path(file).unlink(missing_ok=True)
        return True

    def _unlink_orphans(self, known: set[str]) -> None:
        for path in (self.directory / "sealed").rglob("*.parquet*"):
            if str(path.relative_to(self.directory)).removesuffix(_KEYS) not in known:
                path.unlink()

    def next_id(self) -> int:
        """A number for a new file."""
        with self._lock:
            self._next_id += 1
            return self._next_id - 1

    def path(self, file: SealedFile) -> Path:
        """Where the file is."""
        return self.directory / file.path

    @contextmanager
    def reading(self) -> Generator[Snapshot]:
        """The current snapshot; its files stay on disk while the context lasts."""
        with self._lock:
            snapshot = self.snapshot
            self._pinned[snapshot.version] += 1
        try:
            yield snapshot
        finally:
            self._release(snapshot.version)

    def _release(self, version: int) -> None:
        with self._lock:
            self._pinned[version] -= 1
            if not self._pinned[version]:
                del self._pinned[version]
        self._unlink_unpinned()

    def _unlink_unpinned(self) -> None:
        with self._lock:
            oldest = min(self._pinned, default=self.snapshot.version)
            free = [path for version, path in self._doomed if version <= oldest]
            self._doomed = [(version, path) for version, path in self._doomed if version > oldest]
        for path in free:
            path.unlink(missing_ok=True)
            keys_path(path).unlink(missing_ok=True)

    def readable(self, snapshot: Snapshot, files: Sequence[SealedFile]) -> str:
        """The files as an SQL list of paths that stay while the snapshot is read; fetched where they are away.

        Raises QueryRefused, Unavailable.
        """
        now_s = time.time()
        with self._lock:
            for file in files:
                latest, _ = self._read.get(file.path, (0, 0.0))
                self._read[file.path] = max(latest, snapshot.version), now_s
        if self._archive is not None:
            self._archive.fetch(files)
        return _paths_sql(self.directory, files)

    def sealed(self) -> list[SealedFile]:
        """Every file of the current snapshot, in order of arrival."""
        return self.snapshot.of(*self.snapshot.files)

    def paths_known(self) -> set[str]:
        """Paths that something may still read."""
        with self._lock:
            doomed = {str(path.relative_to(self.directory)) for _, path in self._doomed}
        return doomed | {file.path for file in self.sealed()}

    def last_read(self, file: SealedFile) -> float:
        """Unix time when it was last read or written."""
        _, read = self._read.get(file.path, (0, 0.0))
        try:
            return max(read, self.path(file).stat().st_mtime)
        except FileNotFoundError:
            return read

    def evict(self, file: SealedFile) -> bool:
        """Unlink an archived file unless somebody may be reading it; whether that was done."""
        with self._lock:
            version, _ = self._read.get(file.path, (-1, 0.0))
            if min(self._pinned, default=version + 1) <= version:
                return False
            self._read.pop(file.path, None)
            self.path(file).unlink(missing_ok=True)
            return True

    def miss(self, file: SealedFile) -> None:
        """The file is not on the disk: count it as damaged, unless it was forgotten meanwhile."""
        with self._lock:
            if file in self.snapshot.files.get(file.kind, ()) and file not in self.damaged:
                self.damaged.append(file)
                _log.error("the sealed file %s is missing, reads of its time fail", file.path)

    def change(self, added: Sequence[SealedFile] = (), removed: Sequence[SealedFile] = ()) -> None:
        """Publish a committed change of the files; removed ones are unlinked after their last reader."""
        with self._lock:
            version = self.snapshot.version + 1
            gone = {file.id for file in removed}
            files = [file for each in self.snapshot.files.values() for file in each if file.id not in gone]
            self.snapshot = replace(self.snapshot, version=version, files=_by_kind([*files, *added]))
            self._doomed += [(version, self.path(file)) for file in removed]
            for file in removed:
                self._read.pop(file.path, None)
            self._changed.notify_all()
        self._unlink_unpinned()

    def change_tables(
        self, tables: Sequence[RecentTable], dropped: Sequence[RecentTable] = (), *, applied: int = 0
    ) -> None:
        """Publish committed tables of recent rows: new ones, or old ones with new counts; and how far they go."""
        with self._lock:
            now = {table.name: table for each in self.snapshot.tables.values() for table in each}
            now |= {table.name: table for table in tables}
            for table in dropped:
                now.pop(table.name, None)
            version = self.snapshot.version + 1
            self.snapshot = replace(
                self.snapshot,
                version=version,
                applied=max(applied, self.snapshot.applied),
                tables=_tables_by_kind(list(now.values())),
            )
            self._changed.notify_all()

    def wait_beyond(self, version: int, seconds: float) -> None:
        """Return when a later version than this is published, or the time is over."""
        with self._lock:
            self._changed.wait_for(lambda: self.snapshot.version > version, seconds)


def keys_path(path: Path) -> Path:
    """Where the list of ids of a sealed file is; see `_keys`."""
    return path.with_name(path.name + _KEYS)


def record_files(connection: Connection, added: Sequence[SealedFile], removed: Sequence[SealedFile] = ()) -> None:
    """Write a change of the files into the catalogue's table."""
    sql = queries("store")
    for file in removed:
        connection.execute(sql["remove_file"], [file.id])
    for file in added:
        connection.execute(sql["add_file"], list(astuple(file)))


def _by_kind(files: Sequence[SealedFile]) -> dict[str, tuple[SealedFile, ...]]:
    kinds: dict[str, list[SealedFile]] = {}
    for file in sorted(files, key=lambda file: (file.arrival, file.id)):
        kinds.setdefault(file.kind, []).append(file)
    return {kind: tuple(each) for kind, each in kinds.items()}


def _tables_by_kind(tables: Sequence[RecentTable]) -> dict[str, tuple[RecentTable, ...]]:
    kinds: dict[str, list[RecentTable]] = {}
    for table in sorted(tables, key=lambda table: table.generation):
        kinds.setdefault(table.kind, []).append(table)
    return {kind: tuple(each) for kind, each in kinds.items()}


def _recent(connection: Connection, name: str, now_ns: int) -> RecentTable | None:
    kind, _, generation = name.rpartition("_")
    spec = ROW_TABLES.get(kind)
    if spec is None or not generation.isdigit():
        return None
    sql = queries("rows")["recent"].format(table=quoted(name), time=quoted(spec.time_column))
    ((rows, oldest),) = connection.execute(sql).fetchall()
    if not _has_columns(connection, name, spec):
        return RecentTable(kind, int(generation), rows)
    # However often it is opened, it is as old as its rows.
    return RecentTable(kind, int(generation), rows, min(now_ns, oldest * spec.time_unit_ns) if rows else now_ns)


def _has_columns(connection: Connection, name: str, spec: RowTable) -> bool:
    """False where a field was added since the table was made."""
    found = connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 0").description or []  # noqa: S608 - our own names
    return [column[0] for column in found] == [column.name for column in spec.columns]


def _is_whole(path: Path, size: int) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(-4, 2)
            return head == file.read(4) == _PARQUET_MAGIC and path.stat().st_size == size
    except OSError:
        return False


def _paths_sql(directory: Path, files: Sequence[SealedFile]) -> str:
    """The files as an SQL list of paths."""
    return "[" + ", ".join("'" + str(directory / file.path).replace("'", "''") + "'" for file in files) + "]"


def counts(snapshot: Snapshot) -> Mapping[str, Any]:
    """Files and bytes by kind."""
    return {kind: (len(files), sum(file.bytes for file in files)) for kind, files in snapshot.files.items()}
