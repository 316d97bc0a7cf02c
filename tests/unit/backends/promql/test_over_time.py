"""*_over_time, changes, resets and regressions, against the standard library."""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.promql.asking import MINUTE, ask, ask_one, notes, refusal, source_of

from flashmm_backends.promql.testing import MemorySource, labels_of

SAMPLES = st.lists(st.integers(-(10**12), 10**12).map(lambda n: n / 1000), min_size=1, max_size=40)


def _source(values: Sequence[float]) -> MemorySource:
    source = MemorySource()
    source.add_floats(labels_of("x"), values, start_ms=1000, step_ms=1000)
    return source


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("sum_over_time(x[1h])", math.fsum),
        ("avg_over_time(x[1h])", lambda values: math.fsum(values) / len(values)),
        ("min_over_time(x[1h])", min),
        ("max_over_time(x[1h])", max),
        ("count_over_time(x[1h])", len),
        ("last_over_time(x[1h])", lambda values: values[-1]),
        ("stdvar_over_time(x[1h])", statistics.pvariance),
        ("stddev_over_time(x[1h])", statistics.pstdev),
        ("quantile_over_time(0.3, x[1h])", lambda values: float(np.quantile(values, 0.3))),
        ("resets(x[1h])", lambda values: sum(b < a for a, b in pairwise(values))),
        ("changes(x[1h])", lambda values: sum(b != a for a, b in pairwise(values))),
        ("present_over_time(x[1h])", lambda _: 1.0),
    ],
)
@given(values=SAMPLES)
def test_functions_agree_with_the_standard_library(
    function: str, expected: Callable[[Sequence[float]], float], values: list[float]
) -> None:
    """Each function of a window equals an exact computation over its samples."""
    scale = max(map(abs, values)) ** (2 if "stdvar" in function else 1)
    got = ask_one(_source(values), function, len(values) * 1000)
    assert got == pytest.approx(float(expected(values)), rel=1e-9, abs=1e-7 * scale if "std" in function else 1e-6)


def _compensated(term: float, total: float, lost: float) -> tuple[float, float]:
    reached = total + term
    if math.isinf(reached):
        return reached, 0.0
    larger, smaller = (total, term) if abs(total) >= abs(term) else (term, total)
    return reached, lost + ((larger - reached) + smaller)


def _running_variance(values: Sequence[float]) -> float:
    """Sample by sample, both sums compensated, as Prometheus has it."""
    mean, mean_lost, squares, squares_lost = 0.0, 0.0, 0.0, 0.0
    for number, value in enumerate(values, 1):
        delta = value - (mean + mean_lost)
        mean, mean_lost = _compensated(delta / number, mean, mean_lost)
        squares, squares_lost = _compensated(delta * (value - (mean + mean_lost)), squares, squares_lost)
    return (squares + squares_lost) / len(values)


@given(st.lists(st.floats(width=64) | st.floats(-1e3, 1e3), min_size=1, max_size=256))
def test_variances_are_prometheus_s_to_the_last_digit(values: list[float]) -> None:
    """Also of what overflows or is no number."""
    found = ask_one(_source(values), "stdvar_over_time(x[1h])", len(values) * 1000)
    assert found == pytest.approx(_running_variance(values), rel=0, abs=0, nan_ok=True)


@given(st.integers(257, 3000), st.floats(-1e9, 1e9))
def test_variances_of_long_windows(length: int, level: float) -> None:
    """Windows longer than a block lose nothing at a high level; of constants the variance is exactly 0."""
    values = [level + n % 7 for n in range(length)]
    found = ask_one(_source(values), "stdvar_over_time(x[1h])", length * 1000)
    assert found == pytest.approx(statistics.pvariance(values), rel=1e-6)
    assert ask_one(_source([level] * length), "stdvar_over_time(x[1h])", length * 1000) == 0.0


@given(st.integers(257, 3000))
def test_long_windows_are_summed_as_exactly_as_short_ones(length: int) -> None:
    """Windows longer than a block keep what cancels."""
    values = [1e16, *([1.0] * (length - 2)), -1e16]
    assert ask_one(_source(values), "sum_over_time(x[1h])", length * 1000) == length - 2


def test_the_mean_does_not_overflow() -> None:
    """The mean of huge samples is finite though their sum is not."""
    assert ask_one(source_of(x=[1.5e308, 1.5e308, 1.5e308]), "avg_over_time(x[5m])", 2 * MINUTE) == pytest.approx(
        1.5e308
    )
    assert ask_one(source_of(x=[1, math.inf]), "avg_over_time(x[5m])", MINUTE) == math.inf


def test_infinities_of_both_signs_sum_to_nan() -> None:
    """+Inf and -Inf have no sum, +Inf alone is its own."""
    assert math.isnan(ask_one(source_of(x=[math.inf, -math.inf]), "sum_over_time(x[5m])", MINUTE))
    assert ask_one(source_of(x=[math.inf, 1]), "sum_over_time(x[5m])", MINUTE) == math.inf


def test_nan_is_smaller_than_nothing_and_larger_than_nothing() -> None:
    """min and max ignore NaN while there is a number; quantiles sort it first."""
    source = source_of(x=[math.nan, 3, 1], y=[math.nan])
    assert ask_one(source, "min_over_time(x[5m])", 2 * MINUTE) == 1.0
    assert ask_one(source, "max_over_time(x[5m])", 2 * MINUTE) == 3.0
    assert math.isnan(ask_one(source, "max_over_time(y[5m])", 2 * MINUTE))
    assert ask_one(source, "quantile_over_time(1, x[5m])", 2 * MINUTE) == 3.0
    assert math.isnan(ask_one(source, "quantile_over_time(0, x[5m])", 2 * MINUTE))


def test_nan_does_not_change_to_nan() -> None:
    """changes() takes NaN as equal to NaN."""
    assert ask_one(source_of(x=[math.nan, math.nan, 1]), "changes(x[5m])", 2 * MINUTE) == 1.0


@pytest.mark.parametrize(("wanted", "value"), [("-1", -math.inf), ("2", math.inf)])
def test_quantiles_outside_the_unit_interval_are_infinite_and_noted(wanted: str, value: float) -> None:
    """A quantile below 0 or above 1 is infinite, with a warning."""
    source = source_of(x=[1, 2])
    assert ask_one(source, f"quantile_over_time({wanted}, x[5m])", MINUTE) == value
    assert notes(source, f"quantile_over_time({wanted}, x[5m])", MINUTE) == (
        f"PromQL warning: quantile value should be between 0 and 1, got {wanted}",
    )


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(2, 50))
def test_regressions_recover_a_line(slope: float, level: float, length: int) -> None:
    """deriv finds the slope of a line, predict_linear extends it."""
    source = _source([level + slope * second for second in range(length)])
    at = length * 1000
    assert ask_one(source, "deriv(x[1h])", at) == pytest.approx(slope, abs=1e-6)
    expected = level + slope * (length - 1 + 60)
    assert ask_one(source, "predict_linear(x[1h], 60)", at) == pytest.approx(expected, abs=1e-3)


def test_regression_of_constants_is_exact() -> None:
    """A constant has slope 0 exactly, an infinite one has none; one sample has no line."""
    assert ask_one(source_of(x=[0.1] * 7), "deriv(x[10m])", 6 * MINUTE) == 0.0
    assert math.isnan(ask_one(source_of(x=[math.inf] * 3), "deriv(x[10m])", 2 * MINUTE))
    assert ask(source_of(x=[1]), "deriv(x[10m])") == {}


def test_names_are_dropped_but_of_what_is_the_sample_itself() -> None:
    """last_over_time keeps the metric's name, a calculation does not; then equal labels are an error."""
    source = source_of(x=[1], y=[2])
    assert set(ask(source, 'last_over_time({__name__=~"x|y"}[5m])')) == {labels_of("x"), labels_of("y")}
    assert refusal(source, 'count_over_time({__name__=~"x|y"}[5m])').message == (
        "vector cannot contain metrics with the same labelset"
    )


def test_subqueries_evaluate_on_multiples_of_their_step() -> None:
    """A subquery's own steps are multiples of its step, whatever the time of the query; the default is 5 s."""
    source = source_of(x=[0, 1, 2, 3, 4, 5])
    assert ask_one(source, "count_over_time(x[150s:1m])", 5 * MINUTE + 10_000) == 3.0
    assert ask_one(source, "sum_over_time(x[2m:])", 5 * MINUTE) == 11 * 3 + 12 * 4 + 5
    assert ask_one(source, "max_over_time(rate(x[2m])[3m:1m])", 5 * MINUTE) == pytest.approx(1 / 60)
    assert ask(source, "min_over_time(x[1m:5m])", 7 * MINUTE) == {}
