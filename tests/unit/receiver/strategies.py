"""Arbitrary valid OTLP metrics, for Hypothesis."""

import math
import os

from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from tests.unit.receiver.otlp import MS, NOW_NS, attributes


def soaked(examples: int) -> int:
    """All of the examples in a soak, a twentieth otherwise."""
    return examples if os.environ.get("FLASHMM_SOAK") == "1" else examples // 20


names = st.sampled_from(["a", "flashmm.order.duration", "zahl_ü", "1st", "a.b", "a_b"])
texts = st.sampled_from(["", "x", "BTCUSDT", "é", "line\nbreak"])
values = st.one_of(
    texts, st.booleans(), st.integers(-5, 5), st.floats(), st.binary(max_size=3), st.lists(texts, max_size=2)
)
labels = st.dictionaries(st.sampled_from(["side", "symbol", "a.b", "a_b", "le", "0x"]), values, max_size=3)
times = st.one_of(
    st.integers(NOW_NS - 5 * MS, NOW_NS + 5 * MS),
    st.sampled_from([0, 1, NOW_NS + 3_600 * 10**9, 2**64 - 1]),
)
starts = st.sampled_from([0, 1, NOW_NS - 10 * MS, NOW_NS])
floats = st.floats(allow_nan=True, allow_infinity=True)
int64s = st.integers(-(2**63), 2**63 - 1)
flags = st.sampled_from([0, 0, 0, 1])


@st.composite
def exemplars(draw: st.DrawFn) -> Exemplar:
    message = Exemplar(
        time_unix_nano=draw(st.sampled_from([0, NOW_NS])), filtered_attributes=attributes(draw(labels))
    )
    message.trace_id = draw(st.sampled_from([b"", b"\0" * 16, b"t" * 16]))
    message.span_id = draw(st.sampled_from([b"", b"s" * 8]))
    if draw(st.booleans()):
        message.as_double = draw(st.floats(0, 10))
    elif draw(st.booleans()):
        message.as_int = draw(st.integers(0, 10))
    return message


@st.composite
def number_points(draw: st.DrawFn) -> NumberDataPoint:
    point = NumberDataPoint(
        time_unix_nano=draw(times),
        start_time_unix_nano=draw(starts),
        flags=draw(flags),
        attributes=attributes(draw(labels)),
        exemplars=draw(st.lists(exemplars(), max_size=1)),
    )
    kind = draw(st.sampled_from(["as_double", "as_int", "as_double", "none"]))
    if kind != "none":
        setattr(point, kind, draw(floats if kind == "as_double" else int64s))
    return point


@st.composite
def histogram_points(draw: st.DrawFn) -> HistogramDataPoint:
    counts = draw(st.lists(st.integers(0, 9), max_size=3))
    bounds = sorted(draw(st.lists(st.floats(-5, 5), min_size=2, max_size=2, unique=True)))
    point = HistogramDataPoint(
        time_unix_nano=draw(times),
        start_time_unix_nano=draw(starts),
        flags=draw(flags),
        count=sum(counts),
        bucket_counts=counts,
        explicit_bounds=bounds if counts else [],
        attributes=attributes(draw(labels)),
        exemplars=draw(st.lists(exemplars(), max_size=2)),
    )
    if draw(st.booleans()):
        point.sum = draw(floats)
    return point


@st.composite
def exponential_points(draw: st.DrawFn) -> ExponentialHistogramDataPoint:
    positive, negative = (draw(st.lists(st.integers(0, 9), max_size=4)) for _ in range(2))
    zero = draw(st.integers(0, 2))
    point = ExponentialHistogramDataPoint(
        time_unix_nano=draw(times),
        start_time_unix_nano=draw(starts),
        flags=draw(flags),
        scale=draw(st.integers(-5, 20)),
        zero_count=zero,
        count=sum(positive) + sum(negative) + zero + draw(st.sampled_from([0, 0, 0, 1])),
        attributes=attributes(draw(labels)),
    )
    point.positive.offset, point.negative.offset = draw(st.integers(-400, 400)), draw(st.integers(-9, 9))
    point.positive.bucket_counts.extend(positive)
    point.negative.bucket_counts.extend(negative)
    point.sum = draw(st.one_of(st.floats(-5, 5), st.just(math.nan)))
    return point


@st.composite
def summary_points(draw: st.DrawFn) -> SummaryDataPoint:
    point = SummaryDataPoint(
        time_unix_nano=draw(times), flags=draw(flags), count=draw(st.integers(0, 9)), sum=draw(floats)
    )
    for quantile in draw(st.lists(st.sampled_from([0.0, 0.5, 0.99, 1.0]), max_size=2)):
        point.quantile_values.add(quantile=quantile, value=draw(floats))
    return point


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    metric = Metric(name=draw(names), unit=draw(st.sampled_from(["", "s", "1", "By/s"])), description=draw(texts))
    kind = draw(st.sampled_from(["gauge", "sum", "sum", "histogram", "exponential_histogram", "summary", "none"]))
    if kind == "none":
        return metric
    data = getattr(metric, kind)
    data.SetInParent()
    if kind not in ("gauge", "summary"):
        data.aggregation_temporality = draw(st.sampled_from([2, 2, 1, 0]))
    if kind == "sum":
        data.is_monotonic = draw(st.booleans())
    points = {
        "histogram": histogram_points(),
        "exponential_histogram": exponential_points(),
        "summary": summary_points(),
    }.get(kind, number_points())
    data.data_points.extend(draw(st.lists(points, max_size=3)))
    return metric


@st.composite
def requests(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        resource = request.resource_metrics.add(schema_url=draw(texts))
        resource.resource.attributes.extend(attributes(draw(labels)))
        resource.resource.attributes.extend(attributes({"service.name": draw(texts)}))
        for _ in range(draw(st.integers(0, 2))):
            scope = resource.scope_metrics.add()
            scope.scope.name = draw(texts)
            scope.metrics.extend(draw(st.lists(metrics(), max_size=4)))
    return request
