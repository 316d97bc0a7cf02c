"""Metrics become what Prometheus would have stored."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    Metric,
    SummaryDataPoint,
)
from tests.unit.receiver.otlp import DELTA, MS, NOW_NS, attributes, counter, gauge, metrics_request, number

from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoded import Decoded
from flashmm_receiver._decoder import Decoder, Signal
from flashmm_receiver._histograms import added, native_histogram

STALE = 0x7FF0000000000002


class Sent:
    """A decoder, and what came of the last request."""

    def __init__(self, **settings: float) -> None:
        self.decoder = Decoder(ReceiverSettings(**settings), {})  # pyright: ignore[reportArgumentType] - whole where they must be
        self.labels: dict[int, dict[str, str]] = {}

    def send(self, *metrics: Metric, resource: dict[str, object] | None = None) -> Decoded:
        request = metrics_request(*metrics, resource={} if resource is None else resource)
        self.decoded = self.decoder.decode(Signal.METRICS, request.SerializeToString(), NOW_NS)
        batch = self.decoded.batch
        if batch is not None:
            self.labels |= {meta.id: dict(meta.labels) for meta in batch.series}
        return self.decoded

    def samples(self) -> dict[str, float]:
        """By name and bound."""
        batch = self.decoded.batch
        assert batch is not None
        found = [self.labels[int(item)] for item in batch.points.series_id]
        names = [f"{item['__name__']}{item.get('le', '')}{item.get('quantile', '')}" for item in found]
        return dict(zip(names, batch.points.value.tolist(), strict=True))


def exponential(*, scale: int = 0, positive: tuple[int, ...] = (), offset: int = 0, **other) -> Metric:
    point = ExponentialHistogramDataPoint(time_unix_nano=NOW_NS, scale=scale, count=sum(positive), **other)
    point.positive.bucket_counts.extend(positive)
    point.positive.offset = offset
    metric = Metric(name="e")
    metric.exponential_histogram.aggregation_temporality = 2
    metric.exponential_histogram.data_points.append(point)
    return metric


def classic(counts: list[int], bounds: list[float], *, temporality: int = 2, at: int = NOW_NS, **other) -> Metric:
    metric = Metric(name="h")
    metric.histogram.aggregation_temporality = temporality
    metric.histogram.data_points.add(
        time_unix_nano=at, count=sum(counts), bucket_counts=counts, explicit_bounds=bounds, **other
    )
    return metric


def test_a_classic_histogram() -> None:
    """Buckets are cumulative and end with +Inf; a missing sum is no series."""
    sent = Sent()
    sent.send(classic([1, 2, 3], [0.5, 10.0], sum=7.0))
    assert sent.samples() == {"h_bucket0.5": 1, "h_bucket10": 3, "h_bucket+Inf": 6, "h_count": 6, "h_sum": 7}
    sent.send(classic([], [], at=NOW_NS + MS))
    assert sent.samples() == {"h_bucket+Inf": 0, "h_count": 0}


def test_a_summary() -> None:
    """Quantiles are labels."""
    metric = Metric(name="s")
    point = SummaryDataPoint(time_unix_nano=NOW_NS, count=3, sum=6.0)
    point.quantile_values.add(quantile=0.5, value=2.0)
    metric.summary.data_points.append(point)
    sent = Sent()
    sent.send(metric)
    assert sent.samples() == {"s0.5": 2.0, "s_count": 3.0, "s_sum": 6.0}


def test_an_exponential_histogram() -> None:
    """Prometheus's bucket index is one above OTLP's."""
    batch = Sent().send(exponential(positive=(1, 0, 2), offset=-1, sum=4.0)).batch
    assert batch is not None
    [histogram] = batch.histograms.histogram
    assert (histogram.schema, histogram.count, histogram.sum) == (0, 3.0, 4.0)
    assert (histogram.positive.offset, histogram.positive.counts.tolist()) == (0, [1.0, 0.0, 2.0])
    assert histogram.zero_threshold == 1e-128


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(-500, 500), st.integers(9, 20))
def test_fine_scales_are_merged_down(counts: list[int], offset: int, scale: int) -> None:
    """Every observation lands in the bucket of scale 8 that its own bucket lies in."""
    point = ExponentialHistogramDataPoint(scale=scale, count=sum(counts))
    point.positive.bucket_counts.extend(counts)
    point.positive.offset = offset
    histogram = native_histogram(point)
    expected: dict[int, int] = {}
    for i, count in enumerate(counts):
        index = math.floor((offset + i) / 2 ** (scale - 8)) + 1
        expected[index] = expected.get(index, 0) + count
    found = {histogram.positive.offset + i: int(n) for i, n in enumerate(histogram.positive.counts)}
    assert histogram.schema == 8
    assert {k: n for k, n in found.items() if n} == {k: n for k, n in expected.items() if n}


@given(st.lists(st.tuples(st.integers(-4, 8), st.integers(-300, 300), st.integers(1, 9)), min_size=2, max_size=5))
def test_sums_of_histograms_keep_every_observation(parts: list[tuple[int, int, int]]) -> None:
    """Adding histograms of any scales keeps counts, and no more than 160 buckets."""
    histograms = []
    for scale, exponent, count in parts:
        offset = math.floor(exponent * 2.0**scale)
        point = ExponentialHistogramDataPoint(scale=scale, count=2 * count, sum=1.0)
        point.positive.offset, point.negative.offset = offset, -offset
        point.positive.bucket_counts.append(count)
        point.negative.bucket_counts.append(count)
        histograms.append(native_histogram(point))
    total = histograms[0]
    for histogram in histograms[1:]:
        total = added(total, histogram)
    assert total.count == total.positive.counts.sum() + total.negative.counts.sum() == 2 * sum(p[2] for p in parts)
    assert (total.sum, total.schema <= min(p[0] for p in parts)) == (len(parts), True)
    assert max(len(total.positive.counts), len(total.negative.counts)) <= 160


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (exponential(scale=-5), "scale -5 is below -4"),
        (exponential(positive=(1,), zero_count=1), "its buckets hold 2 and its count is 1"),
        (exponential(positive=(0,) * 4097), "more than 4096 buckets"),
        (classic([1, 2], [1.0, 2.0]), "2 bounds ask for 3 buckets, 2 came"),
        (classic([1, 2, 3], [2.0, 1.0]), "its bounds do not rise"),
        (classic([1, 2, 3], [2.0, math.nan]), "its bounds do not rise"),
        (classic([0] * 4098, [float(k) for k in range(4097)]), "more than 4096 buckets"),
    ],
)
def test_impossible_histograms(metric: Metric, told: str) -> None:
    """A histogram that contradicts itself is refused, by name."""
    decoded = Sent().send(metric)
    assert decoded.refusals.by_reason == {"histogram": 1}
    assert told in decoded.refusals.message
    assert f"metric {metric.name!r}" in decoded.refusals.message


def test_no_recorded_value() -> None:
    """The flag becomes Prometheus's staleness marker, bit by bit, in every kind."""
    histogram = classic([1, 1], [1.0], sum=1.0, flags=1)
    batch = Sent().send(gauge("g", number(1.0, flags=1)), histogram, exponential(flags=1)).batch
    assert batch is not None
    assert set(batch.points.value.view(np.uint64).tolist()) == {STALE}
    assert len(batch.points.value) == 5
    assert np.float64(batch.histograms.histogram[0].sum).view(np.uint64) == STALE


def test_special_values() -> None:
    """NaN and the infinities are values."""
    sent = Sent()
    sent.send(gauge("a", number(math.inf)), gauge("b", number(-math.inf)), gauge("c", number(math.nan)))
    assert repr(sent.samples()) == "{'a': inf, 'b': -inf, 'c': nan}"


@pytest.mark.parametrize(("at", "reason"), [(0, "time_zero"), (NOW_NS + 601 * 10**9, "time_future")])
def test_impossible_times(at: int, reason: str) -> None:
    """A point without a time, or far ahead, is refused alone; an old or out-of-order one is taken."""
    sent = Sent()
    decoded = sent.send(gauge("g", number(1.0), number(2.0, at=at, a="b")), gauge("h", number(3.0, at=1)))
    assert decoded.refusals.by_reason == {reason: 1}
    assert "metric 'g'" in decoded.refusals.message
    assert sent.samples() == {"g": 1.0, "h": 3.0}


def test_the_first_of_duplicates_wins() -> None:
    """Within a request too, down to the millisecond."""
    sent = Sent()
    sent.send(gauge("g", number(1.0), number(2.0, at=NOW_NS + 5)))
    assert (sent.samples(), sent.decoded.duplicates) == ({"g": 1.0}, {"points": 1})


def test_target_info() -> None:
    """A resource with more than its identity is described at the earliest and latest time of its points."""
    sent = Sent()
    metric = gauge("g", number(1.0), number(1.0, at=NOW_NS + 7 * MS, a=1))
    batch = sent.send(metric, resource={"service.name": "maker", "zone": "z"}).batch
    assert batch is not None
    info = [meta for meta in batch.series if meta.type == "info"]
    assert [dict(meta.labels) for meta in info] == [{"__name__": "target_info", "job": "maker", "zone": "z"}]
    times = batch.points.time_ms[batch.points.series_id == info[0].id]
    assert times.tolist() == [NOW_NS // MS, NOW_NS // MS + 7]


def test_exemplars() -> None:
    """They link a sum's sample, and a histogram's bucket, to a trace; redelivered ones are duplicates."""
    exemplar = Exemplar(
        as_double=0.7, trace_id=b"t" * 16, span_id=b"s" * 8, filtered_attributes=attributes({"k": "v"})
    )
    point = number(1.0)
    point.exemplars.append(exemplar)
    sent = Sent()
    metrics = (counter("c", point), classic([0, 1, 0], [0.5, 1.0], exemplars=[exemplar]), gauge("g", point))
    batch = sent.send(*metrics).batch
    assert batch is not None
    found = [(sent.labels[item.series_id], item.value, item.trace_id, item.labels) for item in batch.exemplars]
    assert [(labels["__name__"], labels.get("le")) for labels, *_ in found] == [("c_total", None), ("h_bucket", "1")]
    assert all(rest == [0.7, b"t" * 16, (("k", "v"),)] for _, *rest in found)
    again = sent.send(*metrics, gauge("new", number(1.0))).batch
    assert again is not None
    assert again.exemplars == []


def test_long_exemplars_lose_their_labels() -> None:
    """OpenMetrics allows 128 characters, the ids included."""
    point = number(1.0)
    point.exemplars.add(as_int=1, trace_id=b"t" * 16, filtered_attributes=attributes({"k": "v" * 100}))
    batch = Sent().send(counter("c", point)).batch
    assert batch is not None
    assert [item.labels for item in batch.exemplars] == [()]


def delta(value: float, at: int, start: int) -> Metric:
    return counter("c", number(value, at=at, start=start), temporality=DELTA)


def test_deltas_are_added_up() -> None:
    """In order of time; a gap is counted and the sum goes on; what is late or odd is refused."""
    sent = Sent()
    values = []
    for value, at, start in ((1, 10, 0), (2, 20, 10), (4, 40, 30)):
        sent.send(delta(value, at * MS, start * MS))
        values += sent.samples().values()
    assert (values, sent.decoder.deltas.gaps) == ([1.0, 3.0, 7.0], 1)
    assert sent.send(delta(9, 40 * MS, 30 * MS)).duplicates == {"points": 1}
    assert sent.send(delta(9, 35 * MS, 30 * MS)).refusals.by_reason == {"delta_order": 1}
    assert sent.send(delta(math.inf, 50 * MS, 40 * MS)).refusals.by_reason == {"delta_order": 1}
    sent.send(delta(8, 60 * MS, 40 * MS))
    assert list(sent.samples().values()) == [15.0]


def test_delta_histograms_are_added_up() -> None:
    """Buckets, counts and sums; new bounds begin anew."""
    sent = Sent()
    sent.send(classic([1, 1], [1.0], sum=2.0, temporality=DELTA, at=10 * MS))
    sent.send(classic([2, 0], [1.0], sum=1.0, temporality=DELTA, at=20 * MS))
    assert sent.samples() == {"h_bucket1": 3, "h_bucket+Inf": 4, "h_count": 4, "h_sum": 3}
    sent.send(classic([1, 0], [2.0], sum=1.0, temporality=DELTA, at=30 * MS))
    assert sent.samples() == {"h_bucket2": 1, "h_bucket+Inf": 1, "h_count": 1, "h_sum": 1}


def test_delta_native_histograms_are_added_up() -> None:
    """At the coarser scale of the two; too far apart is refused."""
    sent = Sent()
    for at, scale, offset in ((NOW_NS, 1, 0), (NOW_NS + MS, 0, 3)):
        metric = exponential(scale=scale, positive=(1, 2), offset=offset, sum=1.0)
        metric.exponential_histogram.aggregation_temporality = DELTA
        metric.exponential_histogram.data_points[0].time_unix_nano = at
        batch = sent.send(metric).batch
    assert batch is not None
    [histogram] = batch.histograms.histogram
    assert (histogram.schema, histogram.count, histogram.sum) == (0, 6.0, 2.0)
    assert (histogram.positive.offset, histogram.positive.counts.tolist()) == (1, [3.0, 0.0, 0.0, 1.0, 2.0])
    far = exponential(positive=(1,), offset=2**31 - 1)
    far.exponential_histogram.aggregation_temporality = DELTA
    far.exponential_histogram.data_points[0].time_unix_nano = NOW_NS + 2 * MS
    assert "too far apart" in sent.send(far).refusals.message


def test_temporality_is_needed() -> None:
    """A sum that doesn't say whether it is cumulative is refused."""
    decoded = Sent().send(counter("c", number(1), number(2), temporality=0))
    assert decoded.refusals.by_reason == {"temporality": 2}


def test_series_are_limited() -> None:
    """Beyond the limit new series are refused, by name; known ones go on."""
    sent = Sent(series_max=3, series_share_max=1.0)
    first = sent.send(gauge("g", *(number(1.0, n=n) for n in range(5))))
    assert first.refusals.by_reason == {"series": 2}
    assert "metric 'g': more than 3 series (series_max)" in first.refusals.message
    second = sent.send(gauge("g", *(number(1.0, at=NOW_NS + MS, n=n) for n in range(5))))
    assert (second.accepted, second.refusals.total) == ({"points": 3}, 2)


def test_one_bot_does_not_take_every_place() -> None:
    """Its quota is told to it by name; another bot finds room, and a restart of the first does not get more."""
    sent = Sent(series_max=10, series_share_max=0.5, series_reserved_share=0.0)
    greedy, other = {"flashmm.bot": "greedy", "service.instance.id": "1"}, {"service.name": "other"}
    first = sent.send(gauge("g", *(number(1.0, n=n) for n in range(9))), resource=greedy)
    assert first.refusals.by_reason == {"series_quota": 4}
    assert "more than 5 series (series_share_max)" in first.refusals.message
    again = sent.send(gauge("g", number(1.0)), resource={**greedy, "service.instance.id": "2"})
    assert again.refusals.by_reason == {"series_quota": 1}
    assert not sent.send(gauge("g", *(number(1.0, n=n) for n in range(4))), resource=other).refusals.total


def test_places_are_kept_for_market_making() -> None:
    """What others send does not crowd out `flashmm.*` metrics."""
    sent = Sent(series_max=10, series_share_max=1.0, series_reserved_share=0.2)
    noise = sent.send(gauge("noise", *(number(1.0, n=n) for n in range(12))), resource={})
    assert noise.refusals.by_reason == {"series_reserve": 4}
    assert not sent.send(gauge("flashmm.market.spread", number(1.0), number(1.0, n=1)), resource={}).refusals.total
    assert sent.send(gauge("flashmm.market.spread", number(1.0, n=2)), resource={}).refusals.by_reason == {
        "series": 1
    }


def test_exploding_label_sets_are_cheap_to_refuse() -> None:
    """After a thousand refusals the rest of a request is refused unseen; known series still get through."""
    sent = Sent(series_max=2, series_share_max=1.0)
    sent.send(gauge("g", number(1.0)))
    points = [number(1.0, n=n) for n in range(3_000)]
    decoded = sent.send(gauge("g", *points, number(2.0, at=NOW_NS + MS)))
    assert (decoded.refusals.by_reason, decoded.accepted) == ({"series": 2_999}, {"points": 2})
    assert len(decoded.refusals.message) < 500


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({f"a{k}": k for k in range(10_000)}, "attributes"),
        ({"a": "x" * 70_000}, "attribute_length"),
        ({"": "x"}, "name"),
    ],
)
def test_attributes_are_limited(labels: dict[str, object], reason: str) -> None:
    """In number and in length, on points and on resources; and their names must translate."""
    point = number(1.0)
    point.attributes.extend(attributes(labels))
    decoded = Sent().send(gauge("g", point, number(1.0)))
    assert (decoded.refusals.by_reason, decoded.accepted) == ({reason: 1}, {"points": 1})
    if reason != "name":
        assert Sent().send(gauge("g", number(1.0), number(2.0, a="b")), resource=labels).refusals.by_reason == {
            reason: 2
        }


def test_a_name_must_translate() -> None:
    """A metric without any valid character is refused."""
    assert Sent().send(gauge("!", number(1.0))).refusals.by_reason == {"name": 1}


def test_caches_are_bounded() -> None:
    """Ever new ways to write the same series don't grow memory: caches are emptied, the series stay."""
    sent = Sent(series_max=2, series_share_max=1.0)
    bytes_max = sent.decoder.families._bytes_max
    for k in range(400):
        sent.send(gauge("g", number(1.0, at=NOW_NS + k * MS)), resource={"noise": "n" * 300 + str(k)})
        assert sent.decoder.families._bytes < bytes_max + 5_000
    assert len(sent.decoder.series) == 1


def test_idle_series_make_room() -> None:
    """When all places are taken, series that were silent for an hour give theirs up, sums included."""
    decoder = Decoder(ReceiverSettings(series_max=2, series_share_max=1.0), {})

    def send(name: str, now_ns: int) -> Decoded:
        request = metrics_request(counter(name, number(1, at=now_ns, start=1), temporality=DELTA), resource={})
        return decoder.decode(Signal.METRICS, request.SerializeToString(), now_ns)

    send("a", NOW_NS)
    send("b", NOW_NS)
    assert send("c", NOW_NS + MS).refusals.by_reason == {"series": 1}
    later = send("c", NOW_NS + 3_601 * 10**9)
    assert (later.refusals.total, later.accepted) == (0, {"points": 1})
    assert len(decoder.deltas.states) == 1


def test_histogram_points_are_typed() -> None:
    """Families carry Prometheus's metadata."""
    metric = classic([1, 1], [1.0])
    metric.unit, metric.description = "s", "Waiting."
    batch = Sent().send(metric, counter("c", number(1))).batch
    assert batch is not None
    assert {(meta.type, meta.unit, meta.help) for meta in batch.series} == {
        ("histogram", "seconds", "Waiting."),
        ("counter", "", ""),
    }
