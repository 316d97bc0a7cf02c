"""Random telemetry with everything that makes PromQL hard: gaps, resets, staleness, NaN, infinity, all metric kinds.

A data set is drawn as a few numbers and grown from a seed, so that Hypothesis can shrink it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

START_MS = 1_700_000_000_000
"""When every data set begins. One window for all: Prometheus refuses what is older than its out-of-order window."""
SPAN_MS = 900_000
NO_VALUE = pb.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
CUMULATIVE = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
NativePoint = pb.ExponentialHistogramDataPoint


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a data set is grown from.

    interval_ms: distance of samples. series: how many of each metric. gaps, resets, stale, odd: how likely a sample
    is missing, a counter starts anew, a series ends for a while, a value is NaN or infinite.
    """

    seed: int
    interval_ms: int = 15_000
    series: int = 3
    gaps: float = 0.0
    resets: float = 0.0
    stale: float = 0.0
    odd: float = 0.0
    jitter_ms: int = 0

    def request(self, job: str) -> ExportMetricsServiceRequest:
        """One OTLP request with all of it, from a service of that name."""
        return _Grown(self, Random(self.seed)).request(job)


RARELY = st.sampled_from([0.0, 0.0, 0.02, 0.1])
TELEMETRY = st.builds(
    Telemetry,
    seed=st.integers(0, 2**32),
    interval_ms=st.sampled_from([15_000, 10_000, 60_000, 7_300]),
    series=st.integers(1, 4),
    gaps=RARELY,
    resets=RARELY,
    stale=RARELY,
    odd=RARELY,
    jitter_ms=st.sampled_from([0, 0, 900]),
)


@dataclass
class _Grown:
    plan: Telemetry
    random: Random
    labels: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def request(self, job: str) -> ExportMetricsServiceRequest:
        attributes = {"service.name": job, "service.instance.id": "i", "flashmm.bot": "b", "host.name": "h"}
        names = ["x", "y", "z", ""]
        self.labels = [{"a": names[i], "b": self.random.choice(["p", "q"])} for i in range(self.plan.series)]
        metrics = [self.gauge(), self.share(), self.counter(), self.classic(), self.native(), self.summary()]
        resource = pb.ResourceMetrics(
            resource=Resource(attributes=_attributes(attributes)), scope_metrics=[pb.ScopeMetrics(metrics=metrics)]
        )
        return ExportMetricsServiceRequest(resource_metrics=[resource])

    def gauge(self) -> pb.Metric:
        points = self.numbers(lambda _: round(self.random.gauss(0, 100), self.random.choice([0, 3, 15])))
        return pb.Metric(name="test.gauge", gauge=pb.Gauge(data_points=points))

    def share(self) -> pb.Metric:
        points = self.numbers(lambda _: self.random.choice([0.0, 0.25, 1.0, self.random.random()]))
        return pb.Metric(name="test.share", unit="1", gauge=pb.Gauge(data_points=points))

    def counter(self) -> pb.Metric:
        points = self.numbers(self.growing(lambda: float(self.random.choice([0, 1, 5, self.random.random() * 10]))))
        kind = pb.Sum(data_points=points, aggregation_temporality=CUMULATIVE, is_monotonic=True)
        return pb.Metric(name="test.work", unit="{item}", sum=kind)

    def growing(self, step: Callable[[], float]) -> Callable[[int], float]:
        """A counter with resets, one for each series (0, 1, …)."""
        reached: dict[int, float] = {}

        def value(series: int) -> float:
            start = self.random.random() < self.plan.resets
            reached[series] = step() + (0.0 if start else reached.get(series, self.random.choice([0.0, 50.0])))
            return reached[series]

        return value

    def numbers(self, value: Callable[[int], float]) -> list[pb.NumberDataPoint]:
        points: list[pb.NumberDataPoint] = []
        for series, time_ms, flags in self.times():
            number = value(series)
            if self.random.random() < self.plan.odd:
                number = self.random.choice([math.nan, math.inf, -math.inf, 1e300, -0.0, 1e-300])
            points.append(pb.NumberDataPoint(as_double=number, **self.common(series, time_ms, flags)))
        return points

    def common(self, series: int, time_ms: int, flags: int) -> dict[str, object]:
        """What points of all kinds have."""
        return {"time_unix_nano": time_ms * 10**6, "flags": flags, "attributes": _attributes(self.labels[series])}

    def times(self) -> Iterator[tuple[int, int, int]]:
        """Series, time and flags of every point; a stale stretch begins with "no recorded value"."""
        for series in range(self.plan.series):
            silent = 0
            for step in range(SPAN_MS // self.plan.interval_ms):
                silent = max(0, silent - 1)
                if self.random.random() < self.plan.gaps or silent:
                    continue
                time_ms = START_MS + step * self.plan.interval_ms + self.random.randint(0, self.plan.jitter_ms)
                is_stale = self.random.random() < self.plan.stale
                silent = self.random.randint(1, 30) if is_stale else 0
                yield series, time_ms, NO_VALUE if is_stale else 0

    def classic(self) -> pb.Metric:
        bounds = [-1.0, 0.0, 0.005, 0.1, 1.0, 2.5]
        grown = _Counts(self, len(bounds) + 1)
        points = [
            pb.HistogramDataPoint(
                explicit_bounds=bounds,
                bucket_counts=(counts := grown.next(series)),
                count=sum(counts),
                sum=float(sum(counts)) / 3,
                **self.common(series, time_ms, flags),
            )
            for series, time_ms, flags in self.times()
        ]
        kind = pb.Histogram(data_points=points, aggregation_temporality=CUMULATIVE)
        return pb.Metric(name="test.classic", unit="s", histogram=kind)

    def native(self) -> pb.Metric:
        grown, negative = _Counts(self, 20), _Counts(self, 3)
        scales = [self.random.choice([-2, 0, 3, 5, 8, 10]) for _ in range(self.plan.series)]
        offsets = [self.random.randint(-5 if scale < 0 else -40, 10) for scale in scales]
        signed = self.random.random() < 0.3
        points: list[NativePoint] = []
        for series, time_ms, flags in self.times():
            counts, below = grown.next(series), negative.next(series) if signed else []
            if scales[series] > 8:
                # Prometheus 3.13.5 moves counts one bucket down where it reduces such a scale across empty buckets.
                counts = [count + 1 for count in counts]
            zero = 1 if signed else 0
            if self.random.random() < self.plan.resets:
                scales[series] = max(min(scales[series], 0), scales[series] - 1)
            point = NativePoint(
                scale=scales[series],
                zero_count=zero,
                count=sum(counts) + sum(below) + zero,
                sum=float(sum(counts)) / 7,
                positive=_buckets(offsets[series], counts),
                negative=_buckets(-2, below),
                **self.common(series, time_ms, flags),
            )
            points.append(point)
        kind = pb.ExponentialHistogram(data_points=points, aggregation_temporality=CUMULATIVE)
        return pb.Metric(name="test.native", unit="s", exponential_histogram=kind)

    def summary(self) -> pb.Metric:
        value = self.growing(lambda: float(self.random.randint(0, 5)))
        quantile = pb.SummaryDataPoint.ValueAtQuantile
        points = [
            pb.SummaryDataPoint(
                count=int(value(series)),
                sum=self.random.random(),
                quantile_values=[quantile(quantile=q, value=self.random.random()) for q in (0.5, 0.99)],
                **self.common(series, time_ms, flags),
            )
            for series, time_ms, flags in self.times()
        ]
        return pb.Metric(name="test.summary", unit="s", summary=pb.Summary(data_points=points))


class _Counts:
    """Bucket counts that grow, with resets, for each series."""

    def __init__(self, grown: _Grown, n: int) -> None:
        self._grown, self._n = grown, n
        self._reached: dict[int, list[int]] = {}

    def next(self, series: int) -> list[int]:
        random = self._grown.random
        before = self._reached.get(series, [0] * self._n)
        if random.random() < self._grown.plan.resets:
            before = [0] * self._n
        self._reached[series] = [count + random.choice([0, 0, 1, 3]) for count in before]
        return self._reached[series]


def _buckets(offset: int, counts: list[int]) -> NativePoint.Buckets:
    # Begun at the first populated bucket, as SDKs do: after three empty ones Prometheus 3.13.5 writes a span of
    # length 0, and its own addition then takes the wrong bucket for the first.
    empty = next((i for i, count in enumerate(counts) if count), len(counts))
    return NativePoint.Buckets(offset=offset + empty, bucket_counts=counts[empty:])


def _attributes(pairs: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in pairs.items() if text]
