"""One suite for whatever answers PromQL: the embedded engine and a real Prometheus, on the same OTLP."""

import math
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from tests.contract.peers import Peer
from tests.contract.telemetry import CUMULATIVE, NO_VALUE, START_MS, NativePoint

pytestmark = pytest.mark.real
START_S = START_MS // 1000


def text(key: str, value: str) -> KeyValue:
    """A string attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


def request(job: str, *metrics: pb.Metric, resource: list[KeyValue] | None = None) -> ExportMetricsServiceRequest:
    """Metrics of one service."""
    attributes = [
        text("service.name", job),
        text("service.namespace", "contract"),
        text("service.instance.id", "i-1"),
        *(resource or []),
    ]
    scope = pb.ScopeMetrics(metrics=metrics)
    return ExportMetricsServiceRequest(
        resource_metrics=[pb.ResourceMetrics(resource=Resource(attributes=attributes), scope_metrics=[scope])]
    )


def numbers(values: dict[float, float | None], *attributes: KeyValue) -> list[pb.NumberDataPoint]:
    """Points by seconds after the start; None says that there is no value."""
    return [
        pb.NumberDataPoint(
            time_unix_nano=(START_MS + int(second * 1000)) * 10**6,
            as_double=0.0 if value is None else value,
            flags=NO_VALUE if value is None else 0,
            attributes=attributes,
        )
        for second, value in values.items()
    ]


def gauge(name: str, values: dict[float, float | None], *attributes: KeyValue, unit: str = "") -> pb.Metric:
    """A gauge."""
    return pb.Metric(name=name, unit=unit, gauge=pb.Gauge(data_points=numbers(values, *attributes)))


def counter(name: str, values: dict[float, float | None], *attributes: KeyValue, unit: str = "") -> pb.Metric:
    """A cumulative monotonic sum."""
    points = numbers(values, *attributes)
    kind = pb.Sum(data_points=points, aggregation_temporality=CUMULATIVE, is_monotonic=True)
    return pb.Metric(name=name, unit=unit, sum=kind)


def vector(peer: Peer, query: str, at_s: float = 0) -> list[tuple[dict[str, str], str]]:
    """Labels and value of each sample of an instant vector, in order of the labels."""
    answer = peer.ask("query", query=query, time=START_S + at_s)
    assert answer["status"] == "success", answer
    rows: list[Any] = answer["data"]["result"]
    return sorted(((row["metric"], row["value"][1]) for row in rows), key=lambda row: sorted(row[0].items()))


def value(peer: Peer, query: str, at_s: float = 0) -> float:
    """The only sample's value; NaN where there is none."""
    found = vector(peer, query, at_s)
    return float(found[0][1]) if len(found) == 1 else math.nan


def test_a_metric_appears_under_its_translated_name_with_its_resource(peer: Peer) -> None:
    """Unit and type become suffixes, the service job and instance, promoted attributes labels."""
    promoted = [text("flashmm.bot", "maker"), text("service.version", "1.2"), text("flashmm.run", "r")]
    peer.send(
        request(
            "names",
            counter("flashmm.fills", {0: 3}, text("flashmm.venue", "x"), unit="{fill}"),
            gauge("flashmm.quote.spread", {0: 0.5}, unit="1"),
            resource=promoted,
        )
    )
    identity = {"instance": "i-1", "job": "contract/names", "flashmm_bot": "maker", "service_version": "1.2"}
    assert vector(peer, 'flashmm_fills_total{job="contract/names"}') == [
        ({"__name__": "flashmm_fills_total", "flashmm_venue": "x", **identity}, "3")
    ]
    assert vector(peer, 'flashmm_quote_spread_ratio{job="contract/names"}') == [
        ({"__name__": "flashmm_quote_spread_ratio", **identity}, "0.5")
    ]
    assert vector(peer, 'target_info{job="contract/names"}') == [
        ({"__name__": "target_info", "flashmm_run": "r", **identity}, "1")
    ]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("a..b__c", ""),
        ("9lives", "s"),
        ("x.seconds", "s"),
        ("x.total.y", "1"),
        ("speed", "m/s"),
        ("errors", "{error}/min"),
        ("größe", "parsec cubed"),
        ("ratio.x", "1"),
        ("temp", "Cel"),
        ("a:b", "%"),
        ("load", "a b./h"),
        ("mix", "KiBy/{x}"),
    ],
)
@pytest.mark.parametrize("kind", [gauge, counter])
def test_names_are_the_same_everywhere(peer: Peer, embedded: Peer, name: str, unit: str, kind: Any) -> None:
    """Whatever the name and unit: no peer has a name that another has not."""
    job = f"naming{name}{unit}{kind.__name__}"
    sent = request(job, kind(name, {0: 1}, unit=unit))
    for each in {id(p): p for p in (peer, embedded)}.values():
        each.send(sent)
    asked = {"match[]": f'{{job="contract/{job}"}}'}
    assert peer.ask("label/__name__/values", **asked) == embedded.ask("label/__name__/values", **asked)


def test_attributes_of_any_type_and_name_become_labels(peer: Peer, embedded: Peer) -> None:
    """Numbers, lists and maps have a text; names that collide are joined; digits and underscores get a key."""
    values = {
        "bool": AnyValue(bool_value=True),
        "int": AnyValue(int_value=-7),
        "small": AnyValue(double_value=1.5e-9),
        "large": AnyValue(double_value=1.25e22),
        "nan": AnyValue(double_value=math.nan),
        "bytes": AnyValue(bytes_value=b"\x00\xff"),
        "list": AnyValue(
            array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="a<b"), AnyValue()])
        ),
        "map": AnyValue(
            kvlist_value=KeyValueList(values=[text("z", "1"), KeyValue(key="a", value=AnyValue(double_value=2))])
        ),
        "a.b": AnyValue(string_value="1"),
        "a/b": AnyValue(string_value="2"),
        "1st": AnyValue(string_value="x"),
        "_u": AnyValue(string_value="x"),
        "__x": AnyValue(string_value="x"),
        "u__v": AnyValue(string_value="x"),
        "empty": AnyValue(string_value=""),
        "job": AnyValue(string_value="mine"),
        "flashmm.bot": AnyValue(string_value="own"),
    }
    attributes = [KeyValue(key=key, value=held) for key, held in values.items()]
    sent = request("labels", gauge("labelled", {0: 1}, *attributes), resource=[text("flashmm.bot", "resource's")])
    for each in {id(p): p for p in (peer, embedded)}.values():
        each.send(sent)
    found = vector(peer, 'labelled{job="contract/labels"}')
    assert found == vector(embedded, 'labelled{job="contract/labels"}')
    labels = found[0][0]
    assert (labels["a_b"], labels["flashmm_bot"], labels["key_1st"]) == ("1;2", "own", "x")


def test_a_sample_is_seen_for_five_minutes_and_no_longer(peer: Peer) -> None:
    """The lookback is left-open: a sample exactly five minutes old is gone."""
    peer.send(request("lookback", gauge("seen", {0: 1})))
    assert [len(vector(peer, 'seen{job="contract/lookback"}', at)) for at in (-0.001, 0, 299.999, 300)] == [
        0,
        1,
        1,
        0,
    ]


def test_no_recorded_value_ends_a_series_at_once(peer: Peer) -> None:
    """And it begins again with the next sample."""
    peer.send(request("stale", gauge("seen", {0: 1, 10: None, 20: 2})))
    assert [len(vector(peer, 'seen{job="contract/stale"}', at)) for at in (9, 10, 19, 20)] == [1, 0, 0, 1]


def test_nan_is_a_value(peer: Peer) -> None:
    """It is no staleness marker."""
    peer.send(request("nan", gauge("seen", {0: math.nan})))
    assert vector(peer, 'seen{job="contract/nan"}', 1)[0][1] == "NaN"


def test_the_first_of_duplicate_points_wins(peer: Peer) -> None:
    """Redelivery changes nothing."""
    sent = request("twice", gauge("seen", {0: 1, 15: 2}))
    peer.send(sent)
    peer.send(sent)
    assert value(peer, 'count_over_time(seen{job="contract/twice"}[1m])', 30) == 2


def test_points_may_come_out_of_order(peer: Peer) -> None:
    """Within the window that the deployed configuration allows."""
    peer.send(request("late", counter("seen", {60: 4, 120: 8})))
    peer.send(request("late", counter("seen", {0: 0, 90: 6})))
    assert value(peer, 'increase(seen_total{job="contract/late"}[2m1s])', 120) == pytest.approx(8, rel=0.01)


def test_a_subquery_without_a_step_takes_the_evaluation_interval(peer: Peer) -> None:
    """That of the deployed configuration."""
    assert value(peer, "count_over_time(vector(1)[10m:])") == 600 / 5


def test_rates_extrapolate_and_see_resets(peer: Peer) -> None:
    """The example of the manual: 10 a step, with a restart."""
    peer.send(request("rate", counter("seen", {0: 10, 15: 20, 30: 30, 45: 5, 60: 15})))
    assert value(peer, 'increase(seen_total{job="contract/rate"}[1m1s])', 60) == pytest.approx(35 * 61 / 60)
    assert value(peer, 'resets(seen_total{job="contract/rate"}[1m1s])', 60) == 1


def test_exponential_histograms_are_native_ones(peer: Peer) -> None:
    """Their quantiles interpolate exponentially: the median of (1, 2] is the square root of 2."""
    point = NativePoint(
        time_unix_nano=START_MS * 10**6,
        scale=0,
        count=4,
        sum=6,
        positive=NativePoint.Buckets(offset=0, bucket_counts=[4]),
    )
    kind = pb.ExponentialHistogram(data_points=[point], aggregation_temporality=CUMULATIVE)
    peer.send(request("native", pb.Metric(name="took", unit="s", exponential_histogram=kind)))
    assert value(peer, 'histogram_quantile(0.5, took_seconds{job="contract/native"})') == pytest.approx(2**0.5)
    answer = peer.ask("query", query='took_seconds{job="contract/native"}', time=START_S)
    assert answer["data"]["result"][0]["histogram"] == [
        START_S,
        {"count": "4", "sum": "6", "buckets": [[0, "1", "2", "4"]]},
    ]


def test_explicit_histograms_are_classic_ones(peer: Peer) -> None:
    """Cumulative buckets with Go's `le`, a sum and a count."""
    point = pb.HistogramDataPoint(
        time_unix_nano=START_MS * 10**6, count=6, sum=9.5, explicit_bounds=[0.005, 1, 1e9], bucket_counts=[1, 2, 3, 0]
    )
    kind = pb.Histogram(data_points=[point], aggregation_temporality=CUMULATIVE)
    peer.send(request("classic", pb.Metric(name="took", unit="s", histogram=kind)))
    buckets = {row["le"]: text for row, text in vector(peer, 'took_seconds_bucket{job="contract/classic"}')}
    assert buckets == {"0.005": "1", "1": "3", "1000000000": "6", "+Inf": "6"}
    assert value(peer, 'took_seconds_sum{job="contract/classic"}') == 9.5


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("sum(", "bad_data"),
        ("{}", "bad_data"),
        ('{a=~".*"}', "bad_data"),
        ("sum(rate(x))", "bad_data"),
        ("x[5m] + 1", "bad_data"),
        ("1 + 'a'", "bad_data"),
        ("topk(x)", "bad_data"),
        ("nosuch(x)", "bad_data"),
        ('x{a=~"("}', "bad_data"),
        ('{a="b" or c="d"}', "bad_data"),
        ("x[5m:] offset inf", "bad_data"),
        ("x @ -", "bad_data"),
        ("first_over_time(x[5m])", "bad_data"),
        ("limitk(1, x)", "bad_data"),
        ('label_replace(vector(1), "a b", "", "", "")', None),
        ('label_replace(vector(1), "a", "", "", "(")', "execution"),
        ("vector(1) + on() group_left() (vector(1) or label_replace(vector(1), 'a', 'b', '', ''))", "execution"),
        ("sum_over_time(vector(1))", "bad_data"),
        ("1 > 2", "bad_data"),
        ("-'a'", "bad_data"),
        ("x[5m", "bad_data"),
        ("x{a='b'", "bad_data"),
        ("", "bad_data"),
    ],
)
def test_wrong_queries_are_refused_alike(peer: Peer, query: str, kind: str | None) -> None:
    """With the same errorType, in both forms."""
    answer = peer.ask("query", query=query, time=START_S)
    assert answer.get("errorType") == kind, answer
    answer = peer.ask("query_range", query=query, start=START_S, end=START_S + 60, step=15)
    assert answer.get("errorType") == kind, answer
