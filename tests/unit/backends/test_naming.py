"""OTLP names become the names that Prometheus 3 gives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.naming import (
    MetricKind,
    NameRefused,
    attribute_labels,
    attribute_text,
    decimal_text,
    label_name,
    metric_name,
    prometheus_name,
    resource_labels,
    series_id,
    series_labels,
    target_info_labels,
    target_info_times_ms,
    unit_name,
)
from flashmm_instrumentation.semconv import metrics


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.request.duration", "s", MetricKind.HISTOGRAM, "http_server_request_duration_seconds"),
        ("system.filesystem.usage", "By", MetricKind.SUM, "system_filesystem_usage_bytes"),
        ("system.network.io", "By", MetricKind.COUNTER, "system_network_io_bytes_total"),
        ("system.cpu.utilization", "1", MetricKind.GAUGE, "system_cpu_utilization_ratio"),
        ("requests", "1", MetricKind.COUNTER, "requests_total"),
        ("requests.total.seen", "{request}", MetricKind.COUNTER, "requests_seen_total"),
        ("disk.rate", "By/s", MetricKind.GAUGE, "disk_rate_bytes_per_second"),
        ("speed", "m/s", MetricKind.GAUGE, "speed_meters_per_second"),
        ("errors", "{error}/min", MetricKind.GAUGE, "errors_per_min"),
        ("duration_seconds", "s", MetricKind.GAUGE, "duration_seconds"),
        ("3d.load", "", MetricKind.GAUGE, "_3d_load"),
        ("a..b__c", "", MetricKind.GAUGE, "a_b_c"),
        ("a:b", "%", MetricKind.GAUGE, "a:b_percent"),
        ("größe", "parsec cubed", MetricKind.GAUGE, "gr_e_parsec_cubed"),
        ("ratio.of.hits", "1", MetricKind.GAUGE, "of_hits_ratio"),
    ],
)
def test_metric_names(name: str, unit: str, kind: MetricKind, expected: str) -> None:
    """Units become words, counters end in _total, gauges in 1 end in _ratio, annotations vanish."""
    assert prometheus_name(name, unit, kind) == expected


def test_the_registry_translates_like_any_metric() -> None:
    """A metric of the registry has one Prometheus name, for boards and rules."""
    assert metric_name(metrics.ORDER_DURATION) == "flashmm_order_duration_seconds"
    assert metric_name(metrics.QUOTE_SPREAD) == "flashmm_quote_spread_ratio"
    assert metric_name(metrics.FILLS) == "flashmm_fills_total"


@pytest.mark.parametrize("name", ["", "___", "Ω"])
def test_a_name_without_a_valid_character_is_refused(name: str) -> None:
    """Nothing is invented for a name of which nothing is left."""
    with pytest.raises(NameRefused, match="no character"):
        prometheus_name(name, "", MetricKind.GAUGE)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("http.method", "http_method"),
        ("a__b", "a__b"),
        ("1st", "key_1st"),
        ("_private", "key_private"),
        ("__reserved", "__reserved"),
        ("é.x", "__x"),
        ("_", "key_"),
    ],
)
def test_label_names(attribute: str, expected: str) -> None:
    """Invalid characters become underscores one by one; a digit or a single underscore in front gains `key`."""
    assert label_name(attribute) == expected


@pytest.mark.parametrize("attribute", ["", "__", "..."])
def test_a_label_of_underscores_only_is_refused(attribute: str) -> None:
    """A label needs a character of its own."""
    with pytest.raises(NameRefused):
        label_name(attribute)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("By/s", "bytes_per_second"), ("1", ""), ("s", "seconds"), ("{order}", ""), ("/s", "per_second")],
)
def test_unit_names(unit: str, expected: str) -> None:
    """Metadata shows a unit in words."""
    assert unit_name(unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (True, "true"),
        (42, "42"),
        (1.0, "1"),
        (1e-7, "1e-7"),
        (1.25e22, "1.25e+22"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (None, ""),
        (b"\x00\x01", "AAE="),
        ({"b": [1, 2.5, None], "a": "<\u2028>"}, '{"a":"<\\u2028>","b":[1,2.5,null]}'),
        ([True, b"\x00"], '[true,"AA=="]'),
        ([float("nan")], ""),
    ],
)
def test_attribute_values(value: object, expected: str) -> None:
    """Values are written as Go writes them."""
    assert attribute_text(value) == expected


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(1.0, "1"), (0.005, "0.005"), (float("inf"), "+Inf"), (1e-9, "0.000000001"), (1e22, "1" + "0" * 22)],
)
def test_bounds(bound: float, expected: str) -> None:
    """Bounds are never written with an exponent."""
    assert decimal_text(bound) == expected


@given(st.floats(allow_nan=False))
def test_a_bound_reads_back_as_itself(bound: float) -> None:
    """The text is exact."""
    assert float(decimal_text(bound)) == bound


def test_colliding_attributes_are_joined() -> None:
    """No attribute is lost when two become the same label."""
    assert attribute_labels([("a.b", "2"), ("a/b", "3"), ("a_b", ""), ("empty", ""), ("__name__", "x")]) == {
        "a_b": "2;3;"
    }


RESOURCE = {
    "service.name": "maker",
    "service.namespace": "flashmm",
    "service.instance.id": "i-1",
    "flashmm.bot": "maker-1",
    "flashmm.run": "0190",
    "host.name": "h",
}


def test_series_labels_join_point_resource_and_identity() -> None:
    """A point's own attribute beats a promoted one; job and instance beat both."""
    labels = series_labels(
        "x_bucket", attribute_labels([("flashmm.bot", "mine"), ("job", "j")]), resource_labels(RESOURCE), le="0.5"
    )
    assert labels == (
        ("__name__", "x_bucket"),
        ("flashmm_bot", "mine"),
        ("instance", "i-1"),
        ("job", "flashmm/maker"),
        ("le", "0.5"),
    )


def test_the_promoted_attributes_reach_every_series() -> None:
    """A bot's name is on its series, its run is not."""
    labels = dict(series_labels("x", {}, resource_labels(RESOURCE)))
    assert labels["flashmm_bot"] == "maker-1"
    assert "flashmm_run" not in labels


def test_target_info_holds_the_rest_of_the_resource() -> None:
    """Identity as job and instance, everything else as labels."""
    assert target_info_labels(RESOURCE) == (
        ("__name__", "target_info"),
        ("flashmm_bot", "maker-1"),
        ("flashmm_run", "0190"),
        ("host_name", "h"),
        ("instance", "i-1"),
        ("job", "flashmm/maker"),
    )


@pytest.mark.parametrize(
    "resource", [{}, {"service.name": "a"}, {"host.name": "h"}, {"service.namespace": "n", "a": "b"}]
)
def test_no_target_info_without_identity_or_without_more(resource: dict[str, str]) -> None:
    """It would tell nothing, or of nobody."""
    assert target_info_labels(resource) is None


def test_target_info_times_cover_the_points() -> None:
    """From the earliest to the latest in steps of half the lookback, the latest included."""
    assert target_info_times_ms(0, 400 * 10**9) == [0, 150_000, 300_000, 400_000]
    assert target_info_times_ms(5_000_000, 5_000_000) == [5]
    assert target_info_times_ms(0, 10**18) == [10**12]


def test_series_ids_tell_label_sets_apart() -> None:
    """Ids depend on names, values and their borders."""
    assert series_id((("a", "b"),)) == series_id((("a", "b"),)) < 2**64
    assert len({series_id(x) for x in ((("a", "b"),), (("ab", ""),), (("a", "b"), ("c", "d")), ())}) == 4
