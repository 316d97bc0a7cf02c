"""Classic histograms: quantiles and fractions of bucket series."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.promql.asking import MINUTE, ask, ask_one, ask_range, notes

from flashmm_backends.promql.testing import MemorySource, labels_of


def _source(bounds: dict[str, float]) -> MemorySource:
    source = MemorySource()
    for bound, count in bounds.items():
        source.add_floats(labels_of("h_bucket", le=bound), [count])
    return source


UNIFORM = {"0.1": 10.0, "0.2": 20.0, "0.3": 30.0, "+Inf": 30.0}


@given(st.floats(0.01, 1))
def test_quantiles_are_linear_within_a_bucket(wanted: float) -> None:
    """Of uniform observations the quantile is in proportion."""
    assert ask_one(_source(UNIFORM), f"histogram_quantile({wanted!r}, h_bucket)") == pytest.approx(0.3 * wanted)


@given(st.floats(0, 0.3), st.floats(0, 0.3))
def test_fractions_are_linear_within_a_bucket(lower: float, upper: float) -> None:
    """Of uniform observations the fraction is in proportion; of an empty interval 0."""
    expected = max(upper - lower, 0.0) / 0.3
    query = f"histogram_fraction({lower!r}, {upper!r}, h_bucket)"
    assert ask_one(_source(UNIFORM), query) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("bounds", "wanted", "value"),
    [
        ({"1": 5.0, "+Inf": 10.0}, "0.9", 1.0),
        ({"-1": 5.0, "1": 10.0, "+Inf": 10.0}, "0.1", -1.0),
        ({"1": 0.0, "+Inf": 0.0}, "0.5", math.nan),
        ({"+Inf": 3.0}, "0.5", math.nan),
        ({"1": 1.0, "2": 2.0}, "0.5", math.nan),
        (UNIFORM, "-1", -math.inf),
        (UNIFORM, "2", math.inf),
        (UNIFORM, "NaN", math.nan),
        ({"1": 5.0, "1.0": 5.0, "2": 20.0, "+Inf": 20.0}, "0.25", 0.5),
    ],
)
def test_quantiles_at_the_edges(bounds: dict[str, float], wanted: str, value: float) -> None:
    """The open bucket, no observations, missing +Inf, quantiles out of range, bounds written twice."""
    assert ask_one(_source(bounds), f"histogram_quantile({wanted}, h_bucket)") == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("bounds", "lower", "upper", "value"),
    [
        (UNIFORM, "-Inf", "+Inf", 1.0),
        (UNIFORM, "0.3", "+Inf", 0.0),
        (UNIFORM, "NaN", "1", math.nan),
        ({"1": 1.0, "2": 2.0}, "0", "1", math.nan),
        ({"1": 0.0, "+Inf": 0.0}, "0", "1", math.nan),
        ({"-1": 5.0, "1": 10.0, "+Inf": 10.0}, "-Inf", "0", 0.75),
    ],
)
def test_fractions_at_the_edges(bounds: dict[str, float], lower: str, upper: str, value: float) -> None:
    """Infinite limits, NaN, missing +Inf, negative buckets."""
    assert ask_one(_source(bounds), f"histogram_fraction({lower}, {upper}, h_bucket)") == pytest.approx(
        value, nan_ok=True
    )


def test_counts_that_fall_are_levelled_and_noted() -> None:
    """Buckets are forced to rise; a fall that rounding explains is not worth a note."""
    query = "histogram_quantile(0.5, h_bucket)"
    falling = _source({"1": 10.0, "2": 4.0, "+Inf": 20.0})
    assert ask_one(falling, query) == 1.0
    assert [note for note in notes(falling, query) if "monotonicity" in note]
    rounded = _source({"1": 10.0, "2": 10.0 - 1e-13, "+Inf": 20.0})
    assert notes(rounded, query) == ()


def test_series_without_a_bound_are_left_out_and_noted() -> None:
    """A float series without a readable le label is no bucket."""
    source = _source({"one": 1.0} | UNIFORM)
    source.add_floats(labels_of("h_bucket"), [1.0])
    assert ask_one(source, "histogram_quantile(0.5, h_bucket)") == pytest.approx(0.15)
    assert len(notes(source, "histogram_quantile(0.5, h_bucket)")) == 2


def test_buckets_that_come_and_go() -> None:
    """At each step the buckets that are present count; several histograms are told apart by their other labels."""
    source = MemorySource()
    for job in ("a", "b"):
        source.add_floats(labels_of("h_bucket", le="1", job=job), [5.0], start_ms=MINUTE * (job == "b"))
        source.add_floats(labels_of("h_bucket", le="2", job=job), [10.0])
        source.add_floats(labels_of("h_bucket", le="+Inf", job=job), [10.0])
    points = ask_range(source, "histogram_quantile(0.25, h_bucket)", MINUTE)
    assert points == {labels_of(job="a"): [(0, 0.5), (MINUTE, 0.5)], labels_of(job="b"): [(0, 0.5), (MINUTE, 0.5)]}
    assert ask(source, "histogram_quantile(0.75, sum by (le) (h_bucket))", MINUTE) == {(): 1.5}
