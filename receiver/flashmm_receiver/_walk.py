"""Any valid OTLP metric, walked message by message: complete, and some four times slower than `_metrics`."""

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    SummaryDataPoint,
)

from flashmm_backends.histogram import STALE_HISTOGRAM
from flashmm_backends.naming import MetricKind, NameRefused
from flashmm_receiver._attributes import AttributesRefused
from flashmm_receiver._delta import DeltaRefused, DeltaSums
from flashmm_receiver._exemplars import exemplar
from flashmm_receiver._families import Families, MetricFamily, Refused, ResourceFamily, SeriesFamily
from flashmm_receiver._histograms import (
    ClassicHistogram,
    HistogramRefused,
    added,
    added_classic,
    classic_histogram,
    native_histogram,
)
from flashmm_receiver._job import MetricsJob, NativePoint, PointExemplar
from flashmm_receiver._points import STALE_BITS
from flashmm_receiver.errors import Malformed

_NO_VALUE: Final = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_DELTA: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_WITH_TEMPORALITY: Final = frozenset({"sum", "histogram", "exponential_histogram"})

AnyPoint = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
T = TypeVar("T")


def metric_kind(metric: Metric) -> MetricKind:
    """What a metric is, as far as its name depends on it."""
    data = metric.WhichOneof("data")
    if data == "sum":
        return MetricKind.COUNTER if metric.sum.is_monotonic else MetricKind.SUM
    if data in ("histogram", "exponential_histogram"):
        return MetricKind.HISTOGRAM
    return MetricKind.SUMMARY if data == "summary" else MetricKind.GAUGE


class MetricWalker:
    """Adds the points of messages to a job."""

    def __init__(self, families: Families, deltas: DeltaSums) -> None:
        self._families = families
        self._deltas = deltas

    def request(self, job: MetricsJob, request: ExportMetricsServiceRequest) -> None:
        """A whole request."""
        for resource_metrics in request.resource_metrics:
            self._resource(job, resource_metrics)

    def _resource(self, job: MetricsJob, message: ResourceMetrics) -> None:
        metrics = [metric for scope in message.scope_metrics for metric in scope.metrics]
        try:
            resource = self._families.resource(message.resource.SerializeToString())
        except AttributesRefused as error:
            self._refuse(job, metrics, error.reason, f"resource: {error}")
        except NameRefused as error:
            self._refuse(job, metrics, "name", f"resource attribute {error}")
        else:
            for scope_metrics in message.scope_metrics:
                self._scope(job, resource, scope_metrics)

    def _scope(self, job: MetricsJob, resource: ResourceFamily, message: ScopeMetrics) -> None:
        try:
            self._families.limits.check(message.scope.attributes)
        except AttributesRefused as error:
            self._refuse(job, message.metrics, error.reason, f"scope {message.scope.name!r}: {error}")
        else:
            for metric in message.metrics:
                self.metric(job, resource, metric)

    def _refuse(self, job: MetricsJob, metrics: Sequence[Metric], reason: str, why: str) -> None:
        count = sum(len(_points(metric)) for metric in metrics)
        job.wire_points += count
        job.refusals.add(reason, why, count)

    def metric(self, job: MetricsJob, resource: ResourceFamily, metric: Metric) -> None:
        """One metric with all its points."""
        if metric.WhichOneof("data") is None:
            return
        family = self.family(job, resource, metric)
        if family is None:
            return
        job.begin(family)
        for point in _points(metric):
            self.point(job, family, point)

    def family(self, job: MetricsJob, resource: ResourceFamily, metric: Metric) -> MetricFamily | None:
        """The metric's family; None, and its points refused, where it has no valid name or temporality."""
        data = metric.WhichOneof("data")
        temporality = getattr(metric, data).aggregation_temporality if data in _WITH_TEMPORALITY else _CUMULATIVE
        if temporality not in (_CUMULATIVE, _DELTA):
            self._refuse(job, [metric], "temporality", f"metric {metric.name!r}: set its aggregation_temporality")
            return None
        is_delta = temporality == _DELTA
        kind = metric_kind(metric)
        key = repr((metric.name, metric.unit, metric.description, kind, is_delta)).encode("utf-8", "surrogatepass")
        try:
            return self._families.metric(
                resource, key, metric.name, metric.unit, metric.description, kind, is_delta=is_delta
            )
        except NameRefused as error:
            self._refuse(job, [metric], "name", f"metric name {error}")
            return None

    def point(self, job: MetricsJob, metric: MetricFamily, point: AnyPoint) -> None:
        """One point; refused ones are noted."""
        job.wire_points += 1
        if job.time_refused(metric, point.time_unix_nano):
            return
        try:
            self._add(job, metric, metric.family(point.attributes, job.refusals), point)
        except (HistogramRefused, DeltaRefused) as error:
            reason = "delta_order" if isinstance(error, DeltaRefused) else "histogram"
            job.refusals.add(reason, f"metric {metric.otlp_name!r}: {error}")
        except Refused:
            return

    def _add(self, job: MetricsJob, metric: MetricFamily, series: SeriesFamily, point: AnyPoint) -> None:
        if isinstance(point, NumberDataPoint):
            self._number(job, metric, series, point)
        elif isinstance(point, HistogramDataPoint):
            self._classic(job, metric, series, point)
        elif isinstance(point, ExponentialHistogramDataPoint):
            self._exponential(job, metric, series, point)
        else:
            _summary(job, series, point)

    def _summed(self, job: MetricsJob, slot: int, point: AnyPoint, value: T, plus: Callable[[T, T], T]) -> T | None:
        """The cumulative value of a delta; None where it is a redelivery."""
        time_ms = point.time_unix_nano // 1_000_000
        if self._families.table.has_recent(slot, time_ms):
            job.repeated.append((slot, time_ms))
            return None
        return self._deltas.add(slot, point.start_time_unix_nano, point.time_unix_nano, value, plus, job.deltas)

    def _number(self, job: MetricsJob, metric: MetricFamily, series: SeriesFamily, point: NumberDataPoint) -> None:
        slot = series.slot(job.refusals, job.now_ns)
        if point.flags & _NO_VALUE:
            job.sink.add_bits(slot, point.time_unix_nano, STALE_BITS)
        else:
            value = _number(point)
            if metric.is_delta:
                value = self._summed(job, slot, point, _finite(value), lambda a, b: a + b)
                if value is None:
                    return
            job.sink.add(slot, point.time_unix_nano, float(value))
        if metric.kind is not MetricKind.GAUGE:  # Prometheus keeps none of a gauge's
            self._exemplars(job, slot, point.time_unix_nano, point.exemplars)

    def _exemplars(self, job: MetricsJob, slot: int, time_ns: int, exemplars: Sequence[Exemplar]) -> None:
        for message in exemplars:
            self._exemplar(job, slot, time_ns, message)

    def _exemplar(self, job: MetricsJob, slot: int, time_ns: int, message: Exemplar) -> None:
        time_ms = time_ns // 1_000_000
        found = exemplar(int(self._families.table.ids[slot]), time_ms, message)
        if found is not None:
            job.exemplars.append(PointExemplar(slot, time_ms, found))

    def _exponential(
        self, job: MetricsJob, metric: MetricFamily, series: SeriesFamily, point: ExponentialHistogramDataPoint
    ) -> None:
        slot = series.slot(job.refusals, job.now_ns)
        histogram = STALE_HISTOGRAM
        if not point.flags & _NO_VALUE:
            histogram = native_histogram(point)
            if metric.is_delta:
                histogram = self._summed(job, slot, point, histogram, added)
                if histogram is None:
                    return
        job.add_native(metric, NativePoint(slot, point.time_unix_nano, histogram))
        self._exemplars(job, slot, point.time_unix_nano, point.exemplars)

    def _classic(
        self, job: MetricsJob, metric: MetricFamily, series: SeriesFamily, point: HistogramDataPoint
    ) -> None:
        histogram = classic_histogram(point)
        if metric.is_delta and not point.flags & _NO_VALUE:
            slot = series.slot(job.refusals, job.now_ns, "_count")
            histogram = self._summed(job, slot, point, histogram, added_classic)
            if histogram is None:
                return
        slots = _add_classic(job, series, point, histogram)
        self._classic_exemplars(job, slots, point)

    def _classic_exemplars(
        self, job: MetricsJob, slots: Sequence[tuple[float, int]], point: HistogramDataPoint
    ) -> None:
        """Each exemplar goes to the first bucket that is not below it, in Prometheus's single pass over both."""
        left = list(point.exemplars)
        for bound, slot in slots:
            while left and not _exemplar_value(left[0]) > bound:
                self._exemplar(job, slot, point.time_unix_nano, left.pop(0))


def _points(metric: Metric) -> Sequence[AnyPoint]:
    data = metric.WhichOneof("data")
    return getattr(metric, data).data_points if data else ()


def _number(point: NumberDataPoint) -> float:
    kind = point.WhichOneof("value")
    return getattr(point, kind) if kind else 0.0


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise DeltaRefused("a delta of NaN or infinity would spoil the sum for good")
    return value


def _exemplar_value(message: Exemplar) -> float:
    kind = message.WhichOneof("value")
    return float(getattr(message, kind)) if kind else 0.0


def _add_classic(
    job: MetricsJob, series: SeriesFamily, point: HistogramDataPoint, histogram: ClassicHistogram
) -> list[tuple[float, int]]:
    """Adds the samples; returns the buckets' bounds and slots, +Inf last."""
    count = float(histogram.count)
    buckets = [*histogram.cumulative(), (math.inf, count)]
    slots = [(bound, series.slot(job.refusals, job.now_ns, "_bucket", "le", bound)) for bound, _ in buckets]
    samples = [(slot, value) for (_, slot), (_, value) in zip(slots, buckets, strict=True)]
    samples.append((series.slot(job.refusals, job.now_ns, "_count"), count))
    if histogram.sum is not None:
        samples.append((series.slot(job.refusals, job.now_ns, "_sum"), histogram.sum))
    _add_all(job, samples, point)
    return slots


def _add_all(
    job: MetricsJob, samples: Sequence[tuple[int, float]], point: HistogramDataPoint | SummaryDataPoint
) -> None:
    stale = point.flags & _NO_VALUE
    for slot, value in samples:
        if stale:
            job.sink.add_bits(slot, point.time_unix_nano, STALE_BITS)
        else:
            job.sink.add(slot, point.time_unix_nano, value)


def _summary(job: MetricsJob, series: SeriesFamily, point: SummaryDataPoint) -> None:
    samples = [
        (series.slot(job.refusals, job.now_ns, "_sum"), point.sum),
        (series.slot(job.refusals, job.now_ns, "_count"), float(point.count)),
    ]
    samples += [
        (series.slot(job.refusals, job.now_ns, "", "quantile", item.quantile), item.value)
        for item in point.quantile_values
        if item.quantile == item.quantile
    ]
    _add_all(job, samples, point)


def parsed_request(data: bytes) -> ExportMetricsServiceRequest:
    """The complete parser's word. Raises Malformed."""
    try:
        return ExportMetricsServiceRequest.FromString(data)
    except DecodeError:
        raise Malformed("the body is not an OTLP ExportMetricsServiceRequest in protobuf") from None
