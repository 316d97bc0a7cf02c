"""Which samples selectors find."""

import math

import numpy as np
from tests.unit.backends.promql.asking import MINUTE, ask, ask_one, ask_range, histogram_of, source_of

from flashmm_backends.histogram import STALE_HISTOGRAM, STALE_NAN, NativeHistogram
from flashmm_backends.promql import Engine
from flashmm_backends.promql._histograms import equal
from flashmm_backends.promql.testing import MemorySource, labels_of


def test_lookback_is_five_minutes_with_its_older_end_excluded() -> None:
    """A sample is found until just before it is five minutes old."""
    source = source_of(x=[7])
    assert ask(source, "x", 5 * MINUTE - 1) == {labels_of("x"): 7.0}
    assert ask(source, "x", 5 * MINUTE) == {}


def test_future_samples_are_not_found() -> None:
    """Nothing is known before its first sample."""
    source = MemorySource()
    source.add(labels_of("x"), [(1000, 1.0)])
    assert ask(source, "x", 999) == {}
    assert ask(source, "x", 1000) == {labels_of("x"): 1.0}


def test_staleness_ends_a_series_at_once() -> None:
    """After a staleness marker a series has no value until its next sample."""
    source = source_of(x=[1, STALE_NAN, None, 4])
    assert ask_range(source, "x", 3 * MINUTE) == {labels_of("x"): [(0, 1.0), (3 * MINUTE, 4.0)]}


def test_nan_is_a_value() -> None:
    """A NaN that is no staleness marker is a sample like any other."""
    assert math.isnan(ask_one(source_of(x=[math.nan]), "x"))


def test_offset_looks_back_and_negative_offset_ahead() -> None:
    """offset moves the time that a selector refers to."""
    source = source_of(x=[0, 1, 2, 3])
    assert ask_one(source, "x offset 1m", 2 * MINUTE) == 1.0
    assert ask_one(source, "x offset -1m", 2 * MINUTE) == 3.0


def test_at_fixes_the_time() -> None:
    """@ refers to a time of its own, to which offset is relative; start() and end() are the whole query's."""
    source = source_of(x=[0, 1, 2, 3])
    assert [v for _, v in ask_range(source, "x @ 120", 3 * MINUTE)[labels_of("x")]] == [2.0] * 4
    assert [v for _, v in ask_range(source, "x @ end() offset 1m", 3 * MINUTE)[labels_of("x")]] == [2.0] * 4
    assert [v for _, v in ask_range(source, "x - x @ start()", 3 * MINUTE)[()]] == [0.0, 1.0, 2.0, 3.0]


def test_timestamp_tells_when_a_sample_was_taken() -> None:
    """timestamp() of a selector is the sample's time, of a calculation the evaluation's."""
    source = source_of(x=[5])
    assert ask_one(source, "timestamp(x)", 2 * MINUTE) == 0.0
    assert ask_one(source, "timestamp(x + 0)", 2 * MINUTE) == 120.0


def test_ranges_are_left_open() -> None:
    """A range excludes the sample at its older end and includes the one at its newer."""
    assert ask_one(source_of(x=[1, 1, 1]), "count_over_time(x[2m])", 2 * MINUTE) == 2.0


def test_stale_markers_are_not_in_ranges() -> None:
    """A range vector holds no staleness marker."""
    assert ask_one(source_of(x=[1, STALE_NAN, 1]), "count_over_time(x[5m])", 2 * MINUTE) == 2.0


def test_raw_ranges_are_answered_with_their_samples() -> None:
    """An instant query for a range vector gives the samples, floats and histograms, ordered by labels."""
    source = source_of(y=[1, 2], x=[3])
    histogram = histogram_of(1, 2)
    source.add(labels_of("y"), [(90_000, histogram)])
    result = Engine(source).query('{__name__=~"x|y"}[5m]', 2 * MINUTE)
    assert result.type == "matrix"
    assert [series.labels for series in result.matrix] == [labels_of("x"), labels_of("y")]
    assert result.matrix[1].times_ms.tolist() == [0, MINUTE]
    [found] = result.matrix[1].histograms
    assert equal(found, histogram)
    assert result.matrix[1].histogram_times_ms == [90_000]


def test_the_newer_of_float_and_histogram_is_found() -> None:
    """A series may turn from floats to histograms and back; a stale histogram ends it too."""
    source = source_of(x=[1])
    histogram = histogram_of(1)
    source.add(labels_of("x"), [(MINUTE, histogram), (2 * MINUTE, 3.0), (3 * MINUTE, STALE_HISTOGRAM)])
    first, second, *others = [ask(source, "x", at * MINUTE).get(labels_of("x")) for at in range(4)]
    assert (first, others) == (1.0, [3.0, None])
    assert isinstance(second, NativeHistogram)
    assert equal(second, histogram)


def test_range_query_orders_series_by_labels() -> None:
    """The series of a range query come ordered by labels, histograms beside floats."""
    source = source_of(b=[1], a=[2])
    source.add(labels_of("c"), [(0, histogram_of(1))])
    result = Engine(source).query_range('{__name__=~"a|b|c"}', 0, 0, MINUTE)
    assert [series.labels for series in result.series] == [labels_of("a"), labels_of("b"), labels_of("c")]
    assert list(result.series[2].histogram_times_ms) == [0]
    assert np.array_equal(result.series[0].values, [2.0])


def test_memory_source_matches_by_every_operator() -> None:
    """=, !=, =~ and !~ select, a missing label is empty, and patterns are anchored."""
    source = MemorySource()
    for job in ("a", "ab", "b"):
        source.add_floats(labels_of("x", job=job), [1.0])
    source.add_floats(labels_of("x"), [1.0])

    def jobs(matcher: str) -> set[str]:
        return {dict(labels).get("job", "") for labels in ask(source, f"x{{{matcher}}}")}

    assert jobs('job="a"') == {"a"}
    assert jobs('job!="a"') == {"", "ab", "b"}
    assert jobs('job=~"a|b"') == {"a", "b"}
    assert jobs('job!~"a.*"') == {"", "b"}
    assert jobs('job=""') == {""}
    assert source.metadata() == ()


def test_large_results_are_made_in_parts_that_fit_together() -> None:
    """Rows that are computed in different parts come out in their places, floats and histograms."""
    source = MemorySource()
    for number in range(12):
        source.add(labels_of("x", n=f"{number:02d}"), [(0, float(number))])
    source.add(labels_of("x", n="12"), [(0, histogram_of(12))])
    engine = Engine(source)
    for query in ("x", "last_over_time(x[5m])", "max_over_time(x[5m:4m])"):
        result = engine.query_range(query, 0, 10_999, 1)
        floats = [set(series.values.tolist()) for series in result.series[:12]]
        assert floats == [{float(number)} for number in range(12)]
    last = engine.query_range("x", 0, 10_999, 1).series[12]
    assert {histogram.count for histogram in last.histograms} == {12.0}
