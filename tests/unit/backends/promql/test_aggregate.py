"""Aggregations over series."""

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.promql.asking import ask, ask_one, ask_range, histogram_of, notes, refusal

from flashmm_backends.promql import Engine
from flashmm_backends.promql.testing import MemorySource, labels_of

VALUES = st.lists(st.integers(-(10**12), 10**12).map(lambda n: n / 1000), min_size=1, max_size=20)


def _source(values: Sequence[float], name: str = "x") -> MemorySource:
    source = MemorySource()
    for number, value in enumerate(values):
        source.add_floats(labels_of(name, n=f"{number:02d}", parity=str(number % 2)), [value])
    return source


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(x)", math.fsum),
        ("avg(x)", lambda values: math.fsum(values) / len(values)),
        ("min(x)", min),
        ("max(x)", max),
        ("count(x)", len),
        ("group(x)", lambda _: 1.0),
        ("stdvar(x)", statistics.pvariance),
        ("stddev(x)", statistics.pstdev),
        ("quantile(0.7, x)", lambda values: float(np.quantile(values, 0.7))),
    ],
)
@given(values=VALUES)
def test_aggregations_agree_with_the_standard_library(
    query: str, expected: Callable[[Sequence[float]], float], values: list[float]
) -> None:
    """Each aggregation equals an exact computation over the series."""
    scale = max(map(abs, values)) ** (2 if "stdvar" in query else 1)
    assert ask_one(_source(values), query) == pytest.approx(
        float(expected(values)), rel=1e-9, abs=1e-6 * max(scale, 1)
    )


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("sum by (parity) (x)", [{"parity": "0"}, {"parity": "1"}]),
        ("sum without (n) (x)", [{"parity": "0"}, {"parity": "1"}]),
        ("sum by (missing) (x)", [{}]),
        ("sum by (__name__) (x)", [{"__name__": "x"}]),
    ],
)
def test_groups_have_the_labels_asked_for(query: str, labels: list[dict[str, str]]) -> None:
    """`by` keeps the named labels, `without` all others but the name."""
    assert [dict(found) for found in ask(_source([1, 2, 3]), query)] == labels


def test_aggregations_are_made_at_each_step() -> None:
    """A group exists at the steps where it has a sample."""
    source = MemorySource()
    source.add(labels_of("x", n="1"), [(0, 1.0)])
    source.add(labels_of("x", n="2"), [(60_000, 2.0), (600_000, 4.0)])
    points = ask_range(source, "sum(x)", 600_000, 60_000)[()]
    assert points[0] == (0, 1.0)
    assert points[1] == (60_000, 3.0)
    assert points[-1] == (600_000, 4.0)
    assert [time for time, _ in points] == [*range(0, 360_000, 60_000), 600_000]


def test_sums_keep_what_cancels() -> None:
    """Sums across series are compensated."""
    assert ask_one(_source([1e100, 1, -1e100]), "sum(x)") == 1.0
    assert ask_one(_source([1.7e308, 1.7e308]), "avg(x)") == pytest.approx(1.7e308)


def test_infinite_and_nan_values() -> None:
    """min and max ignore NaN; infinities of both signs have no mean; variance of infinity is NaN."""
    source = _source([math.inf, math.nan, -1])
    assert ask_one(source, "min(x)") == -1.0
    assert ask_one(source, "max(x)") == math.inf
    assert math.isnan(ask_one(_source([math.inf, -math.inf]), "avg(x)"))
    assert math.isnan(ask_one(_source([math.inf]), "stdvar(x)"))


def test_topk_orders_an_instant_by_rank() -> None:
    """topk and bottomk give the extremes of each group in their order, NaN last."""
    source = _source([3, math.nan, 7, 5])
    assert list(ask(source, "topk(2, x)").values()) == [7.0, 5.0]
    assert list(ask(source, "bottomk(2, x)").values()) == [3.0, 5.0]
    assert [dict(labels)["n"] for labels in ask(source, "topk by (parity) (1, x)")] == ["02", "03"]
    assert len(ask(source, "topk(10, x)")) == 4
    assert math.isnan(list(ask(source, "topk(10, x)").values())[-1])
    assert ask(source, "topk(0, x)") == {}


def test_topk_selects_at_each_step() -> None:
    """The series that topk keeps may differ from step to step, as may k."""
    source = MemorySource()
    source.add_floats(labels_of("x", n="1"), [1, 5], step_ms=60_000)
    source.add_floats(labels_of("x", n="2"), [2, 3], step_ms=60_000)
    assert ask_range(source, "topk(1, x)", 60_000) == {
        labels_of("x", n="1"): [(60_000, 5.0)],
        labels_of("x", n="2"): [(0, 2.0)],
    }
    assert sum(map(len, ask_range(source, "topk(scalar(x{n='1'}), x)", 60_000).values())) == 3


@pytest.mark.parametrize(
    ("k", "message"),
    [
        ("NaN", "Parameter value is NaN"),
        ("1e30", "Scalar value 1e+30 overflows int64"),
    ],
)
def test_k_must_be_an_integer_of_64_bits(k: str, message: str) -> None:
    """A k that is no number or too large is an execution error."""
    refused = refusal(_source([1]), f"topk({k}, x)")
    assert (refused.kind, refused.message) == ("execution", message)


def test_a_k_below_one_keeps_nothing() -> None:
    """A k so small that it is no integer either is not looked at where no step has one above 0."""
    assert ask(_source([1]), "topk(-1e30, x)") == {}


def test_count_values_counts_by_value() -> None:
    """Each value becomes a label, written as Go writes it."""
    source = _source([1, 1, 0.5, math.nan, -math.inf, 1e21, 5e-7])
    counts = {dict(labels)["v"]: count for labels, count in ask(source, 'count_values("v", x)').items()}
    assert counts == {"1": 2.0, "0.5": 1.0, "NaN": 1.0, "-Inf": 1.0, "1000000000000000000000": 1.0, "0.0000005": 1.0}
    assert set(ask(source, 'count_values by (parity) ("parity", x)')) >= {labels_of(parity="1")}
    assert refusal(source, 'count_values("", x)').message == 'invalid label name ""'
    assert ask(MemorySource(), 'count_values("v", x)') == {}


def test_count_values_writes_histograms_out() -> None:
    """A histogram's value is its count, sum and buckets."""
    source = MemorySource()
    source.add(labels_of("x"), [(0, histogram_of(2, 1, total=3.5))])
    assert ask(source, 'count_values("v", x)') == {labels_of(v="{count:3, sum:3.5, (1,2]:2, (2,4]:1}"): 1.0}


def test_quantiles_across_series_are_noted_outside_the_unit_interval() -> None:
    """quantile() below 0 is -Inf with a warning, of NaN NaN."""
    source = _source([1, 2])
    assert ask_one(source, "quantile(-0.5, x)") == -math.inf
    assert notes(source, "quantile(-0.5, x)") == (
        "PromQL warning: quantile value should be between 0 and 1, got -0.5",
    )
    assert math.isnan(ask_one(source, "quantile(NaN, x)"))


def test_aggregations_of_nothing_are_nothing() -> None:
    """Without a series there is no group, except that absent says so."""
    assert Engine(MemorySource()).query("sum(x)", 0).samples == []
    assert ask(MemorySource(), "topk(1, x)") == {}
    assert ask(MemorySource(), "quantile(0.5, x)") == {}
    assert ask(MemorySource(), 'absent(x{a="b"})') == {labels_of(a="b"): 1.0}
