"""Which series have samples in which hour: a bit each, so that listing series needs no file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.ledger._catalog import WIDE
from flashmm_backends.ledger._database import Connection
from flashmm_backends.ledger._head import Head
from flashmm_backends.ledger._journal import Samples
from flashmm_backends.ledger._labels import Ids, SeriesIndex
from flashmm_backends.ledger._sql import queries

Bits = npt.NDArray[np.uint8]
HOUR_MS: Final = 3_600_000


class SeriesHours:
    """Bitmaps by hour; bit i is series i. Replaced whole when it changes, so readers take it as it is."""

    def __init__(self) -> None:
        self._bits: Mapping[int, Bits] = {}

    def load(self, connection: Connection) -> None:
        """Read what is stored."""
        rows = connection.execute(queries("store")["series_hours"]).fetchall()
        self._bits = {hour: np.frombuffer(bytes(bitmap), np.uint8) for hour, bitmap in rows}

    def with_samples(
        self, samples: Sequence[Samples], parts: Callable[[Samples], npt.NDArray[np.int64]]
    ) -> Mapping[int, Bits]:
        """The hours that change when these samples are added, with their new bitmaps."""
        changed: dict[int, Bits] = {}
        for each in samples:
            of = parts(each)
            for hour in np.unique(of).tolist():
                old = changed.get(hour, self._bits.get(hour, _NONE))
                changed[hour] = _joined(old, _bitmap(np.unique(each.series[of == hour])))
        return changed

    @staticmethod
    def record(connection: Connection, changed: Mapping[int, Bits]) -> None:
        """Write changed hours."""
        sql = queries("store")
        for hour, bits in changed.items():
            connection.execute(sql["remove_series_hour"], [hour])
            connection.execute(sql["add_series_hour"], [hour, bits.tobytes()])

    def publish(self, changed: Mapping[int, Bits], removed: Sequence[int] = ()) -> None:
        """Show committed changes to readers."""
        bits = {**self._bits, **changed}
        self._bits = {hour: each for hour, each in bits.items() if hour not in set(removed)}

    def before(self, horizon_ms: int) -> list[int]:
        """Hours that ended before a time; what is scattered belongs to none."""
        return [hour for hour in self._bits if hour != WIDE and hour + HOUR_MS <= horizon_ms]

    @property
    def scattered(self) -> list[int]:
        """The hour of what is scattered, where any is."""
        return [WIDE] if WIDE in self._bits else []

    def seen(self, start_ms: int, end_ms: int) -> npt.NDArray[np.uint32]:
        """Series with a sample in an hour that overlaps the span, or in a file that has no hour."""
        bits = _NONE
        for hour, each in self._bits.items():
            if hour == WIDE or (hour <= end_ms and hour + HOUR_MS > start_ms):
                bits = _joined(bits, each)
        return np.flatnonzero(np.unpackbits(bits, bitorder="little")).astype(np.uint32)

    def ever_seen(self) -> npt.NDArray[np.uint32]:
        """Series with a sample in any hour kept."""
        return self.seen(-(2**62), 2**62)


def unused(index: SeriesIndex, head: Head, hours: SeriesHours) -> Ids:
    """Series without a sample, increasing. What leaves the head in between is in the hours then."""
    used = [each.series for gen in head.generations for each in (*gen.points, *gen.histograms)]
    return np.setdiff1d(index.match(()), np.concatenate([*used, hours.ever_seen()]))


_NONE: Final[Bits] = np.zeros(0, np.uint8)


def _bitmap(series: npt.NDArray[np.integer[Any]]) -> Bits:
    flags = np.zeros(int(series[-1]) + 1, np.bool_)
    flags[series] = True
    return np.packbits(flags, bitorder="little")


def _joined(a: Bits, b: Bits) -> Bits:
    short, long = sorted((a, b), key=len)
    joined = long.copy()
    joined[: len(short)] |= short
    return joined
