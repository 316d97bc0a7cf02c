"""The engine as a whole, against answers worked out by hand."""

import pytest

from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql import Engine, Limits
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
