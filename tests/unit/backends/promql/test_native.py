"""Native histograms through every part of the engine; their arithmetic has tests of its own."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.promql.asking import MINUTE, ask, ask_one, histogram_of, notes

from flashmm_backends.histogram import NO_BUCKETS, Buckets, NativeHistogram
from flashmm_backends.promql import Engine, _histograms
from flashmm_backends.promql.testing import MemorySource, labels_of

COUNTS = st.lists(st.integers(0, 50).map(float), min_size=1, max_size=6)
HISTOGRAMS = st.builds(
    lambda counts, offset, schema: histogram_of(*counts, offset=offset, schema=schema, total=sum(counts) * 1.5),
    COUNTS,
    st.integers(-3, 3),
    st.sampled_from([2, 2, 2, 3]),
)


def _source(*samples: float | NativeHistogram, name: str = "h", **labels: str) -> MemorySource:
    source = MemorySource()
    source.add(labels_of(name, **labels), [(i * MINUTE, sample) for i, sample in enumerate(samples)])
    return source


def _close(left: NativeHistogram, right: NativeHistogram) -> bool:
    difference = _histograms.subtract(left, right)
    counts = [difference.count, difference.sum, *difference.positive.counts, *difference.negative.counts]
    return left.schema == right.schema and bool(np.allclose(counts, 0.0, atol=1e-9 * max(abs(right.count), 1)))


@given(st.lists(HISTOGRAMS, min_size=2, max_size=8), st.sampled_from(["rate", "increase", "delta"]))
def test_rates_in_columns_equal_rates_one_by_one(samples: list[NativeHistogram], function: str) -> None:
    """The rate of many windows at once is that of each alone, resets and changes of resolution included."""
    times = np.arange(len(samples), dtype=np.int64) * MINUTE
    result = Engine(_source(*samples)).query_range(f"{function}(h[3m])", 0, 10 * MINUTE, 30_000)
    found = (
        {}
        if not result.series
        else dict(zip(result.series[0].histogram_times_ms, result.series[0].histograms, strict=True))
    )
    for end in range(0, 10 * MINUTE + 1, 30_000):
        inside = (times > end - 3 * MINUTE) & (times <= end)
        expected = _histograms.rate(
            times[inside],
            [h for h, use in zip(samples, inside, strict=True) if use],
            end - 3 * MINUTE,
            end,
            is_counter=function != "delta",
            is_rate=function == "rate",
        )
        assert (expected is None) == (end not in found)
        assert expected is None or _close(found[end], expected)


@given(st.lists(HISTOGRAMS, min_size=1, max_size=6), st.sampled_from(["sum", "avg"]))
def test_sums_in_columns_equal_sums_one_by_one(samples: list[NativeHistogram], operator: str) -> None:
    """The sum or mean across series is that of the histograms, whatever their resolutions."""
    source = MemorySource()
    for number, histogram in enumerate(samples):
        source.add(labels_of("h", n=str(number)), [(0, histogram)])
    [value] = ask(source, f"{operator}(h)").values()
    expected = _histograms.total(samples) if operator == "sum" else _histograms.mean(samples)
    assert isinstance(value, NativeHistogram)
    assert _close(value, expected)


def test_histograms_of_different_zero_buckets_are_summed() -> None:
    """Where the zero buckets differ the wider one counts."""
    source = _source(histogram_of(1, 2), n="1")
    wide = replace(histogram_of(1, 2), zero_threshold=0.5)
    source.add(labels_of("h", n="2"), [(0, wide)])
    [value] = ask(source, "sum(h)").values()
    assert isinstance(value, NativeHistogram)
    assert (value.zero_threshold, value.count) == (0.5, 6.0)


def test_sums_that_overflow_have_a_finite_mean() -> None:
    """avg of huge counts is finite."""
    source = _source(histogram_of(1.5e308), n="1")
    source.add(labels_of("h", n="2"), [(0, histogram_of(1.5e308))])
    [value] = ask(source, "avg(h)").values()
    assert isinstance(value, NativeHistogram)
    assert value.count == pytest.approx(1.5e308)


def test_properties_of_a_histogram() -> None:
    """Counts, sums, averages, deviations, quantiles and fractions of a histogram are floats without the name."""
    source = _source(histogram_of(1, 2, 1, total=9.0))
    assert ask(source, "histogram_count(h)") == {(): 4.0}
    assert ask_one(source, "histogram_sum(h)") == 9.0
    assert ask_one(source, "histogram_avg(h)") == 2.25
    assert ask_one(source, "histogram_stdvar(h)") == pytest.approx(ask_one(source, "histogram_stddev(h)") ** 2)
    assert ask_one(source, "histogram_quantile(0.5, h)") == pytest.approx(math.sqrt(8))
    assert ask_one(source, "histogram_fraction(2, 4, h)") == 0.5
    assert ask(_source(1.0), "histogram_count(h)") == {}


def test_observations_of_nan_are_noted() -> None:
    """Quantiles and fractions of a histogram with NaN observations say so."""
    skewed = replace(histogram_of(1, 2, total=math.nan), count=5.0)
    source = _source(skewed)
    assert [note for note in notes(source, "histogram_quantile(0.2, h)") if "result is skewed higher" in note]
    assert [note for note in notes(source, "histogram_quantile(0.99, h)") if "result is NaN" in note]
    assert [note for note in notes(source, "histogram_fraction(0, 1, h)") if "excluded from all fractions" in note]


def test_classic_and_native_of_the_same_name_conflict() -> None:
    """At a step where both exist neither is evaluated, with a warning."""
    source = _source(histogram_of(1, 2))
    for bound in ("1", "+Inf"):
        source.add(labels_of("h", le=bound), [(0, 1.0)])
    assert ask(source, "histogram_quantile(0.5, h)") == {}
    assert notes(source, "histogram_quantile(0.5, h)") == (
        "PromQL warning: vector contains a mix of classic and native histograms",
    )


MIXED = "PromQL warning: encountered a mix of histograms and floats for "


def test_floats_and_histograms_do_not_mix() -> None:
    """Sums and rates over both kinds have no result but a warning."""
    source = _source(histogram_of(1), 2.0, histogram_of(4), name="h_total")
    assert ask(source, "rate(h_total[5m])", 2 * MINUTE) == {}
    assert notes(source, "sum_over_time(h_total[5m])", 2 * MINUTE) == (f'{MIXED}metric name "h_total"',)
    assert ask(source, "irate(h_total[5m])", 2 * MINUTE) == {}
    both = _source(histogram_of(1), n="1")
    both.add(labels_of("h", n="2"), [(0, 2.0)])
    assert ask(both, "sum(h)") == {}
    assert notes(both, "avg(h)") == (f"{MIXED}aggregation",)
    assert ask_one(both, "count(h)") == 2.0
    assert ask_one(both, "max(h)") == 2.0
    assert notes(both, "max(h)") == ("PromQL info: ignored histogram in max aggregation",)
    assert notes(both, "topk(1, h)") == ("PromQL info: ignored histogram in topk aggregation",)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ("count_over_time", 4.0),
        ("present_over_time", 1.0),
        ("changes", 3.0),
        ("resets", 2.0),
        ("max_over_time", 2.0),
    ],
)
def test_functions_of_mixed_windows(function: str, value: float) -> None:
    """Counting functions see both kinds by time; those of floats ignore histograms and say so."""
    source = _source(1.0, 2.0, histogram_of(4), histogram_of(5), name="m")
    assert ask_one(source, f"{function}(m[10m])", 3 * MINUTE) == (1.0 if function == "resets" else value)


def test_functions_of_histogram_windows() -> None:
    """resets, changes, sums, means, the last and instant changes of histograms."""
    samples: Sequence[NativeHistogram] = [histogram_of(1), histogram_of(3), histogram_of(3), histogram_of(2)]
    source = _source(*samples)
    at = 3 * MINUTE
    assert ask_one(source, "resets(h[10m])", at) == 1.0
    assert ask_one(source, "changes(h[10m])", at) == 2.0
    for query, count in (
        ("sum_over_time(h[10m])", 9.0),
        ("avg_over_time(h[10m])", 2.25),
        ("last_over_time(h[10m])", 2.0),
        ("irate(h[10m])", 2.0 / 60),
        ("idelta(h[10m])", -1.0),
        ("-h", -2.0),
        ("h * 3", 6.0),
        ("3 * h", 6.0),
        ("h / 2", 1.0),
        ("h + h", 4.0),
        ("h - h", 0.0),
        ("h == h", 2.0),
    ):
        [value] = ask(source, query, at).values()
        assert isinstance(value, NativeHistogram)
        assert value.count == pytest.approx(count)
    assert ask(source, "max_over_time(h[10m])", at) == {}
    assert ask(source, "irate(h[30s])", at) == {}
    assert ask_one(source, "h ==bool h", at) == 1.0
    assert ask(source, "h != h", at) == {}
    assert "is not a gauge" in notes(source, "delta(h[10m])", at)[0]


@pytest.mark.parametrize("query", ["h + 1", "1 - h", "h > h", "1 / h", "h > 1", "h ^ h"])
def test_what_histograms_cannot_do_is_noted(query: str) -> None:
    """An operation without meaning has no result but an information."""
    source = _source(histogram_of(1))
    assert ask(source, query) == {}
    assert "incompatible sample types" in notes(source, query)[0]


def test_histograms_take_part_in_sets_and_labels() -> None:
    """and, or, absent, label functions, `@` and subqueries treat histograms as samples."""
    source = _source(histogram_of(1), histogram_of(4))
    source.add(labels_of("x"), [(0, 1.0)])
    assert set(ask(source, "h or on(__name__) x")) == {labels_of("h"), labels_of("x")}
    assert set(ask(source, "h and on() x")) == {labels_of("h")}
    assert ask(source, "absent(h)") == {}
    assert ask(source, "absent_over_time(h[5m])") == {}
    assert labels_of("h", a="b") in ask(source, 'label_replace(h, "a", "b", "", "")')
    assert ask_one(source, "histogram_count(last_over_time(h[2m:1m]))", MINUTE) == 4.0
    result = Engine(source).query_range("h @ 60", 0, MINUTE, MINUTE)
    assert [histogram.count for histogram in result.series[0].histograms] == [4.0, 4.0]


def test_negative_buckets_are_kept() -> None:
    """Both signs go through sums and rates."""
    both = NativeHistogram(0, 1e-128, 1.0, 6.0, 0.0, Buckets(1, np.array([2.0])), Buckets(1, np.array([3.0])))
    source = _source(both, _histograms.scale(both, 2.0), n="1")
    [value] = ask(source, "sum(increase(h[2m]))", MINUTE).values()
    assert isinstance(value, NativeHistogram)
    assert (value.positive.counts.sum(), value.negative.counts.sum()) == pytest.approx((4.0, 6.0))
    assert NO_BUCKETS.counts.size == 0
