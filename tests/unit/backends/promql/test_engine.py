"""The engine as a whole, against answers worked out by hand."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.batch import Labels
from flashmm_backends.histogram import STALE_NAN
from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql import Engine, Limits, Matcher, PromqlMetrics, Selection
from flashmm_backends.promql.testing import MemorySource, labels_of


def _source() -> MemorySource:
    source = MemorySource()
    source.add_floats(labels_of("requests_total", job="a", instance="1"), [0, 10, 20, 30, 40, 50], step_ms=60_000)
    source.add_floats(labels_of("requests_total", job="a", instance="2"), [0, 20, 40, 60, 80, 100], step_ms=60_000)
    source.add_floats(labels_of("requests_total", job="b", instance="1"), [5, 5, 5, 5, 5, 5], step_ms=60_000)
    return source


def _values(text: str, at_ms: int = 300_000) -> dict[tuple[tuple[str, str], ...], object]:
    return {sample.labels: sample.value for sample in Engine(_source()).query(text, at_ms).samples}


def test_selector_returns_newest_sample_of_each_series() -> None:
    """An instant selector gives the newest value of each matching series, with its name."""
    assert _values('requests_total{job="a"}') == {
        labels_of("requests_total", job="a", instance="1"): 50.0,
        labels_of("requests_total", job="a", instance="2"): 100.0,
    }


def test_rate_drops_the_name_and_divides_by_seconds() -> None:
    """rate() is per second, and not a metric of that name any more."""
    assert _values('rate(requests_total{instance="2"}[5m])') == {
        labels_of(job="a", instance="2"): pytest.approx(1 / 3)
    }


def test_sum_by_groups() -> None:
    """sum by adds the series of each group."""
    assert _values("sum by (job) (requests_total)") == {labels_of(job="a"): 150.0, labels_of(job="b"): 5.0}


def test_range_query_evaluates_at_each_step() -> None:
    """A range query has a point at every step from start to end."""
    result = Engine(_source()).query_range("sum(requests_total)", 0, 120_000, 60_000)
    assert [series.values.tolist() for series in result.series] == [[5.0, 35.0, 65.0]]


def test_many_to_one_matching_takes_labels_of_the_one_side() -> None:
    """group_left keeps the many side's labels."""
    values = _values("requests_total / on(job) group_left() sum by (job) (requests_total)")
    assert values[labels_of(job="b", instance="1")] == 1.0


def test_too_many_samples_are_refused() -> None:
    """A query that would hold more samples than allowed is refused in Prometheus's words."""
    with pytest.raises(QueryRefused) as refused:
        Engine(_source(), Limits(samples=5)).query("requests_total", 300_000)
    assert refused.value.kind == "execution"
    assert "too many samples" in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        "count_values('v', x)",
        "x - on() group_left() y",
        "count_over_time(x[1y:1ms])",
        "max_over_time(x[100d:1s])",
    ],
)
def test_results_that_would_explode_are_refused_before_they_are_made(text: str) -> None:
    """Values that become labels, matches of all with all, and fine subqueries count against the samples."""
    source = MemorySource()
    for number in range(150):
        source.add(labels_of("x", n=str(number)), [(60_000 * k, k + number / 1000) for k in range(150)])
        source.add(labels_of("y", n=str(number)), [(600_000 * number, 1.0)])
    with pytest.raises(QueryRefused, match="too many samples"):
        Engine(source, Limits(samples=100_000)).query_range(text, 0, 9_000_000, 60_000)


def test_time_is_limited() -> None:
    """A query past its deadline is refused as a timeout."""
    ticks = iter(range(1000))
    with pytest.raises(QueryRefused) as refused:
        Engine(_source(), Limits(seconds=2), clock=lambda: float(next(ticks))).query(
            "sum(rate(requests_total[5m]))", 0
        )
    assert (refused.value.kind, refused.value.message) == ("timeout", "query timed out in expression evaluation")


RESOLUTION = (
    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
)


@pytest.mark.parametrize(
    ("text", "start", "end", "step", "message"),
    [
        ("x", 0, 1, 0, "zero or negative query resolution step widths are not accepted. Try a positive integer"),
        ("x", 1, 0, 1, "end timestamp must not be before start time"),
        (
            "x",
            0,
            11_001,
            1,
            RESOLUTION,
        ),
        (
            "x[5m]",
            0,
            1,
            1,
            'invalid expression type "range vector" for range query, must be Scalar or instant Vector',
        ),
        ('"a"', 0, 1, 1, 'invalid expression type "string" for range query, must be Scalar or instant Vector'),
    ],
)
def test_range_queries_that_make_no_sense_are_refused(
    text: str, start: int, end: int, step: int, message: str
) -> None:
    """Steps, ends, resolutions and types that Prometheus refuses are refused in its words."""
    with pytest.raises(QueryRefused) as refused:
        Engine(_source()).query_range(text, start, end, step)
    assert refused.value == QueryRefused("bad_data", message)


def test_types_of_instant_results() -> None:
    """Scalars, strings and vectors are told apart; a scalar over a range is one series without labels."""
    engine = Engine(_source())
    assert engine.query("1 + 1", 5).samples[0].value == 2.0
    assert engine.query("1 + 1", 5).type == "scalar"
    assert engine.query('"text"', 5).text == "text"
    assert engine.query("vector(1)", 5).type == "vector"
    [series] = engine.query_range("time()", 0, 2000, 1000).series
    assert (series.labels, series.values.tolist()) == ((), [0.0, 1.0, 2.0])
    assert engine.query("requests_total[2m:1m]", 120_000).type == "matrix"


def test_equal_selectors_are_read_once() -> None:
    """A selector that occurs twice costs one read."""
    reads: list[object] = []

    class Counted(MemorySource):
        def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Selection:
            reads.append(matchers)
            return super().select(matchers, start_ms, end_ms)

    source = Counted()
    source.add_floats(labels_of("x"), [1.0])
    Engine(source).query("x + x / x", 0)
    assert len(reads) == 1


async def test_the_port_runs_queries_in_threads() -> None:
    """PromqlMetrics answers the metrics port, several at once, and passes refusals on."""
    metrics = PromqlMetrics(Engine(_source()))
    instant, over_time = await asyncio.gather(
        metrics.query("sum(requests_total)", 300_000), metrics.query_range("sum(requests_total)", 0, 60_000, 60_000)
    )
    assert [sample.value for sample in instant.samples] == [155.0]
    assert over_time.series[0].values.tolist() == [5.0, 35.0]
    with pytest.raises(QueryRefused):
        await metrics.query("sum(", 0)
    metrics.close()


LEAVES = st.sampled_from(
    [
        "x",
        "y",
        "x offset 1m",
        "y @ 120",
        "x @ end()",
        "rate(x[3m])",
        "sum_over_time(y[2m])",
        "max_over_time(x[4m:30s])",
        "deriv(y[5m])",
        "quantile_over_time(0.5, x[3m])",
        "changes(y[5m] offset 30s)",
        "count_over_time((x > 3)[3m:1m])",
        "none",
        "vector(time())",
        "h_bucket",
        "timestamp(x)",
        "vector(scalar(y))",
    ]
)
WRAPPERS = st.sampled_from(
    [
        "sum by (a) ({0})",
        "avg({0})",
        "max without (a) ({0})",
        "topk(1, {0})",
        "bottomk by (a) (2, {0})",
        "count_values('v', {0})",
        "quantile(0.5, {0})",
        "stddev({0})",
        "-({0})",
        "abs({0})",
        "clamp({0}, 1, 3)",
        "({0}) > 2",
        "2 >=bool ({0})",
        "({0}) + on(a, b, le) ({1})",
        "({0}) and on(a) ({1})",
        "({0}) unless ({1})",
        "({0}) or ({1})",
        "({0}) * on(a) group_left() sum by (a) ({1})",
        "absent({0})",
        "label_replace({0}, 'a', 'z', 'b', '(.*)')",
        "min_over_time(({0})[2m:30s])",
        "last_over_time(({0})[3m:1m] offset 1m)",
        "histogram_quantile(0.9, {0})",
        "hour({0})",
        "({0}) ^ 2 % 7",
    ]
)
QUERIES = st.recursive(
    LEAVES, lambda inner: st.builds(lambda wrapper, a, b: wrapper.format(a, b), WRAPPERS, inner, inner), max_leaves=5
)
POINTS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0.0, 1.0, 2.5, 7.0, math.nan, STALE_NAN])), max_size=12
)


@given(QUERIES, st.lists(POINTS, min_size=5, max_size=5))
def test_a_range_query_is_an_instant_query_at_each_step(text: str, points: list[list[tuple[int, float]]]) -> None:
    """Whatever the query, each step of a range is what an instant query at that time gives."""
    source = MemorySource()
    names = [("x", "1", ""), ("x", "2", ""), ("y", "1", ""), ("h_bucket", "1", "1"), ("h_bucket", "1", "+Inf")]
    for (name, label, bound), samples in zip(names, points, strict=True):
        labels = {"a": label, "b": name} | ({"le": bound} if bound else {})
        source.add(labels_of(name, **labels), [(15_000 * t, v) for t, v in samples])
    text = text.replace("@ end()", "@ 600")
    steps = range(0, 600_001, 45_000)
    instants = [_answer(source, text, at) for at in steps]
    try:
        result = Engine(source).query_range(text, 0, 600_000, 45_000)
    except QueryRefused as refused:
        assert refused.message in {outcome for outcome in instants if isinstance(outcome, str)} or (
            "labelset" in refused.message
        )
        return
    found: dict[int, dict[Labels, str]] = {at: {} for at in steps}
    for series in result.series:
        for at, value in zip(series.times_ms.tolist(), series.values.tolist(), strict=True):
            found[at][series.labels] = repr(value)
    assert list(found.values()) == instants


def _answer(source: MemorySource, text: str, at: int) -> dict[Labels, str] | str:
    try:
        return {sample.labels: repr(sample.value) for sample in Engine(source).query(text, at).samples}
    except QueryRefused as refused:
        return refused.message
