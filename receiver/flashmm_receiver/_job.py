"""What one metrics request comes to while it is being read."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Exemplar
from flashmm_backends.histogram import NativeHistogram
from flashmm_receiver._delta import DeltaChange
from flashmm_receiver._families import MetricFamily, ResourceFamily
from flashmm_receiver._points import NO_POINTS, PointColumns, PointSink
from flashmm_receiver._refusals import Refusals


@dataclass(frozen=True, slots=True)
class NativePoint:
    """One native histogram sample."""

    slot: int
    time_ns: int
    histogram: NativeHistogram


@dataclass(frozen=True, slots=True)
class PointExemplar:
    """An exemplar and the point it came with: a duplicate point's exemplars are duplicates too."""

    slot: int
    time_ms: int
    exemplar: Exemplar


@dataclass(frozen=True, slots=True)
class Owners:
    """Runs of points: where each begins, and whose it is."""

    starts: list[int]
    resources: list[ResourceFamily]


@dataclass(slots=True)
class MetricsJob:
    """Collected by the walkers of one request."""

    now_ns: int
    future_ns: int
    """Times after this are refused."""
    refusals: Refusals = field(default_factory=Refusals)
    sink: PointSink = field(default_factory=PointSink)
    columns: PointColumns = NO_POINTS
    """The float points, once all are read."""
    positions: list[int] = field(default_factory=list[int])
    """Where the head of each point that the hot path cut out begins, or would, had it a start time."""
    natives: list[NativePoint] = field(default_factory=list[NativePoint])
    exemplars: list[PointExemplar] = field(default_factory=list[PointExemplar])
    deltas: list[DeltaChange] = field(default_factory=list[DeltaChange])
    owners: Owners | None = None
    """The points' owners where they are known beforehand."""
    repeated: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Slots and milliseconds of deltas that were added up before."""
    wire_points: int = 0
    """OTLP data points of the request."""
    walked_samples: int = 0
    """Float samples that the walker added, while the hot path was reading."""
    metric_starts: list[int] = field(default_factory=list[int])
    metrics: list[MetricFamily] = field(default_factory=list[MetricFamily])
    _native_spans: dict[int, tuple[ResourceFamily, int, int]] = field(
        default_factory=dict[int, tuple[ResourceFamily, int, int]]
    )

    @property
    def is_plain(self) -> bool:
        """True where every point was cut out by the hot path and all were taken."""
        return len(self.positions) == len(self.sink.slots) == self.wire_points and not (
            self.natives or self.refusals.total
        )

    def begin(self, metric: MetricFamily) -> None:
        """The points that follow belong to this metric."""
        self.metric_starts.append(len(self.sink.slots))
        self.metrics.append(metric)

    def metric_of(self, index: int) -> MetricFamily:
        """Which metric the point at this index belongs to."""
        return self.metrics[bisect_right(self.metric_starts, index) - 1]

    def add_native(self, metric: MetricFamily, point: NativePoint) -> None:
        """One native histogram sample."""
        self.natives.append(point)
        resource, low, high = self._native_spans.get(id(metric.resource), (metric.resource, point.time_ns, 0))
        self._native_spans[id(resource)] = (resource, min(low, point.time_ns), max(high, point.time_ns))

    def time_refused(self, metric: MetricFamily, time_ns: int) -> bool:
        """True, and told to the sender, where a time is 0 or too far ahead."""
        if 0 < time_ns <= self.future_ns:
            return False
        self.refuse_time(metric, time_ns)
        return True

    def refuse_time(self, metric: MetricFamily, time_ns: int) -> None:
        """Refuse one point for its time."""
        if time_ns == 0:
            self.refusals.add("time_zero", f"metric {metric.otlp_name!r}: time_unix_nano is 0: set it")
        else:
            ahead_s = (time_ns - self.now_ns) / 1e9
            self.refusals.add(
                "time_future", f"metric {metric.otlp_name!r}: {ahead_s:.0f} s ahead of this clock: set yours"
            )

    def spans_ns(
        self, times_ns: npt.NDArray[np.uint64], good: npt.NDArray[np.bool_] | None
    ) -> list[tuple[ResourceFamily, int, int]]:
        """Each resource with the earliest and latest time of its points. good: those not refused, None for all."""
        spans = dict(self._native_spans)
        for resource, low, high in self._float_spans(times_ns, good):
            known = spans.get(id(resource), (resource, low, high))
            spans[id(resource)] = (resource, min(low, known[1]), max(high, known[2]))
        return [(resource, low, high) for resource, low, high in spans.values() if low <= high]

    def _float_spans(
        self, times_ns: npt.NDArray[np.uint64], good: npt.NDArray[np.bool_] | None
    ) -> list[tuple[ResourceFamily, int, int]]:
        owners = self.owners or self.point_owners(len(times_ns))
        if not owners.resources:
            return []
        low = times_ns if good is None else np.where(good, times_ns, np.iinfo(np.uint64).max)
        high = times_ns if good is None else np.where(good, times_ns, np.uint64(0))
        lows, highs = (
            np.minimum.reduceat(low, owners.starts).tolist(),
            np.maximum.reduceat(high, owners.starts).tolist(),
        )
        return list(zip(owners.resources, lows, highs, strict=True))

    def point_owners(self, count: int) -> Owners:
        """Which runs of the request's `count` points belong to which resource."""
        starts: list[int] = []
        resources: list[ResourceFamily] = []
        ends = [*self.metric_starts, count][1:]
        for start, end, metric in zip(self.metric_starts, ends, self.metrics, strict=True):
            if start < end and (not resources or resources[-1] is not metric.resource):
                starts.append(start)
                resources.append(metric.resource)
        return Owners(starts, resources)
