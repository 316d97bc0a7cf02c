"""Requests that differ from an earlier one in their numbers only.

A bot exports the same series each time. Times and values are fixed-width on the wire, so such a request has the same
length, and outside of those eight-byte fields the same bytes. It is recognised by one comparison under a mask, and
its points are gathered from known places.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from flashmm_receiver._families import MetricFamily
from flashmm_receiver._job import MetricsJob, Owners
from flashmm_receiver._points import PointColumns, number_values
from flashmm_receiver._series import Slots

_FIELD_BYTES: Final = 9
_OF_ONE_LENGTH_MAX: Final = 8
_LENGTHS_SEEN_MAX: Final = 1024
_BYTES_MAX: Final = 16 << 20
_POINTS_MIN: Final = 8
"""Under it reading is as fast."""

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """One request with its numbers masked out, and where they are."""

    mask: Bytes
    fixed: Bytes
    time_at: Places
    value_at: Places
    is_int: npt.NDArray[np.bool_]
    slots: Slots
    metric_starts: list[int]
    metrics: list[MetricFamily]
    owners: Owners

    @property
    def size(self) -> int:
        """Memory it takes, in bytes, about."""
        return 2 * len(self.mask) + 64 * len(self.slots)

    def matches(self, data: Bytes) -> bool:
        """True where data, of the same length, differs in its numbers at most."""
        return bool(np.array_equal(data & self.mask, self.fixed))

    def fill(self, job: MetricsJob, data: bytes) -> None:
        """Put the points of data into the job."""
        words: npt.NDArray[np.uint64] = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
        values = number_values(words[self.value_at], self.is_int)
        job.columns = PointColumns(self.slots, words[self.time_at], values)
        job.metric_starts, job.metrics, job.owners = self.metric_starts, self.metrics, self.owners
        job.wire_points = len(self.slots)


class Layouts:
    """Known layouts by length, the least recently used lengths dropped first."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, list[Layout]] = OrderedDict()
        self._lengths_seen: set[int] = set()
        self._bytes = 0

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
        self._lengths_seen.clear()
        self._bytes = 0

    def match(self, data: bytes) -> Layout | None:
        """The layout that data follows, or None."""
        candidates = self._known.get(len(data))
        if candidates is None:
            return None
        array = np.frombuffer(data, np.uint8)
        for i, layout in enumerate(candidates):
            if layout.matches(array):
                candidates.insert(0, candidates.pop(i))
                self._known.move_to_end(len(data))
                return layout
        return None

    def learn(self, data: bytes, job: MetricsJob) -> None:
        """Keep the layout of a request, when it is the second of its length."""
        if len(job.positions) < _POINTS_MIN or not job.is_plain:
            return
        if len(data) not in self._lengths_seen:
            if len(self._lengths_seen) >= _LENGTHS_SEEN_MAX:
                self._lengths_seen.clear()
            self._lengths_seen.add(len(data))
            return
        self._keep(len(data), _layout(data, job))

    def _keep(self, length: int, layout: Layout) -> None:
        candidates = self._known.setdefault(length, [])
        candidates.insert(0, layout)
        self._bytes += layout.size
        if len(candidates) > _OF_ONE_LENGTH_MAX:
            self._bytes -= candidates.pop().size
        while self._bytes > _BYTES_MAX:
            self._bytes -= sum(old.size for old in self._known.popitem(last=False)[1])


def _layout(data: bytes, job: MetricsJob) -> Layout:
    places = job.sink.places()
    heads = np.array(job.positions, np.int64)
    time_at = heads + _FIELD_BYTES * places.time + 1
    value_at = heads + _FIELD_BYTES * places.value + 1
    mask = np.full(len(data), 0xFF, np.uint8)
    for at in (time_at, value_at):
        mask[(at[:, None] + np.arange(8)).ravel()] = 0
    return Layout(
        mask=mask,
        fixed=np.frombuffer(data, np.uint8) & mask,
        time_at=time_at,
        value_at=value_at,
        is_int=places.is_int,
        slots=job.columns.slots,
        metric_starts=job.metric_starts,
        metrics=job.metrics,
        owners=job.point_owners(len(job.columns.slots)),
    )
