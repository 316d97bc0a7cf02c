"""The write-ahead journal: what is acknowledged is in it, checksummed and synced, until it is in tables and files.

A journal is a folder of numbered files, one for each generation of recent points. A record is `length, crc32,
number` and a payload; numbers run on through all files. What follows a torn record was never acknowledged.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from flashmm_backends.ledger._rows import Row

_MAGIC: Final = b"FLMMJRN1"
_HEADER: Final = struct.Struct("<IIQ")
_BODY: Final = struct.Struct("<III")
_SUFFIX: Final = ".journal"
_ROWS_AT_ONCE: Final = 1_000
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of many series in order of arrival, shape (n,) each.

    series: uint32, the ledger's numbers; time_ms: int64; value: float64, or object (bytes) for histograms.
    """

    series: npt.NDArray[np.uint32]
    time_ms: npt.NDArray[np.int64]
    value: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one commit makes durable: rows by table, points, encoded histograms."""

    rows: dict[str, list[Row]]
    points: Samples
    histograms: Samples


def no_samples(*, histograms: bool = False) -> Samples:
    """Nothing."""
    value = np.empty(0, object) if histograms else np.empty(0, np.float64)
    return Samples(np.empty(0, np.uint32), np.empty(0, np.int64), value)


def joined(parts: Sequence[Samples], *, histograms: bool = False) -> Samples:
    """One after the other."""
    if not parts:
        return no_samples(histograms=histograms)
    if len(parts) == 1:
        return parts[0]
    return Samples(
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.time_ms for part in parts]),
        np.concatenate([part.value for part in parts]),
    )


def encode(entry: Entry) -> bytes:
    """The entry as a payload."""
    rows = _rows_json(entry.rows)
    points, histograms = entry.points, entry.histograms
    blobs: list[bytes] = histograms.value.tolist()
    lengths = np.array([len(blob) for blob in blobs], np.uint32)
    return b"".join(
        (
            _BODY.pack(len(rows), len(points), len(histograms)),
            rows,
            *(array.tobytes() for array in (points.series, points.time_ms, points.value)),
            *(array.tobytes() for array in (histograms.series, histograms.time_ms, lengths)),
            *blobs,
        )
    )


def _rows_json(rows: Mapping[str, Sequence[Row]]) -> bytes:
    """As one JSON map, made in steps: one call over a hundred thousand rows would hold all other threads for long."""
    tables = (b"%b:[%b]" % (orjson.dumps(name), b",".join(_steps(each))) for name, each in rows.items())
    return b"{%b}" % b",".join(tables)


def _steps(rows: Sequence[Row]) -> Iterator[bytes]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield orjson.dumps(rows[start : start + _ROWS_AT_ONCE])[1:-1]


def decode(payload: bytes) -> Entry:
    """What `encode` was given."""
    n_rows, n_points, n_histograms = _BODY.unpack_from(payload)
    reader = _Reader(payload, _BODY.size)
    rows: dict[str, list[Row]] = orjson.loads(reader.take(n_rows))
    points = Samples(
        reader.array(np.uint32, n_points), reader.array(np.int64, n_points), reader.array(np.float64, n_points)
    )
    series, time_ms = reader.array(np.uint32, n_histograms), reader.array(np.int64, n_histograms)
    lengths = reader.array(np.uint32, n_histograms)
    blobs = np.empty(n_histograms, object)
    blobs[:] = [reader.take(length) for length in lengths.tolist()]
    return Entry(rows, points, Samples(series, time_ms, blobs))


class _Reader:
    """Takes a payload apart from front to back."""

    def __init__(self, payload: bytes, at: int) -> None:
        self._payload = payload
        self._at = at

    def take(self, n: int) -> bytes:
        self._at += n
        return self._payload[self._at - n : self._at]

    def array(self, dtype: type[_T], n: int) -> npt.NDArray[_T]:
        return np.frombuffer(self.take(n * np.dtype(dtype).itemsize), dtype)


class JournalFile:
    """One file that is being written. A failed write leaves it as it was before."""

    def __init__(self, folder: Path, generation: int) -> None:
        self.generation = generation
        self.path = _path(folder, generation)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._size = 0
        self._torn = False
        try:
            self._write(_MAGIC)
            sync_folder(folder)
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of records that are durable."""
        return self._size - len(_MAGIC)

    def append(self, number: int, payload: bytes) -> None:
        """Return once the record is durable. Raises OSError, and then keeps nothing of it."""
        self._write(_HEADER.pack(len(payload), _checksum(number, payload), number) + payload)

    def _write(self, record: bytes) -> None:
        if self._torn:
            self._heal()
        try:
            self._write_all(record)
            os.fdatasync(self._fd)
        except OSError:
            self._torn = True
            self._heal()
            raise
        self._size += len(record)

    def _write_all(self, record: bytes) -> None:
        rest, at = memoryview(record), self._size
        while rest:
            n = os.pwrite(self._fd, rest, at)
            rest, at = rest[n:], at + n

    def _heal(self) -> None:
        os.ftruncate(self._fd, self._size)
        os.fdatasync(self._fd)
        self._torn = False

    def close(self) -> None:
        """Close the file; it stays until it is removed."""
        os.close(self._fd)


def generations(folder: Path) -> list[int]:
    """The generations that have a file, oldest first."""
    return sorted(int(path.stem) for path in folder.glob(f"*{_SUFFIX}"))


def remove(folder: Path, generation: int) -> None:
    """Unlink a generation's file, if it is there."""
    _path(folder, generation).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Replay:
    """What a file held. lost_bytes: after the last whole record; a crash during a write leaves some."""

    records: Sequence[tuple[int, bytes]]
    lost_bytes: int


def replay(folder: Path, generation: int) -> Replay:
    """Every whole record of a generation, in order."""
    data = _path(folder, generation).read_bytes()
    if not data.startswith(_MAGIC):
        return Replay((), len(data))
    records = list(_records(data))
    used = len(_MAGIC) + sum(_HEADER.size + len(payload) for _, payload in records)
    return Replay(records, len(data) - used)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = len(_MAGIC)
    while at + _HEADER.size <= len(data):
        length, checksum, number = _HEADER.unpack_from(data, at)
        payload = data[at + _HEADER.size : at + _HEADER.size + length]
        if len(payload) != length or _checksum(number, payload) != checksum:
            return
        yield number, payload
        at += _HEADER.size + length


def _checksum(number: int, payload: bytes) -> int:
    # Over the header too: a stretch of zeros, as power cuts leave, must not pass for an empty record.
    return zlib.crc32(payload, zlib.crc32(_HEADER.pack(len(payload), 0, number)))


def _path(folder: Path, generation: int) -> Path:
    return folder / f"{generation:012d}{_SUFFIX}"


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
