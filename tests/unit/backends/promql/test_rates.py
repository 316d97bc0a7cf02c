"""rate and its relatives, against a second derivation written sample by sample."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.promql.asking import MINUTE, ask, ask_one, notes, source_of

from flashmm_backends.promql.testing import MemorySource, labels_of

COUNTERS = st.lists(st.tuples(st.integers(1, 90_000), st.floats(0, 1e6, allow_nan=False)), min_size=0, max_size=30)


def _extrapolated(samples: list[tuple[int, float]], start: int, end: int, *, counter: bool) -> float | None:
    """Prometheus's rule in scalar form: the increase over (start, end]."""
    if len(samples) < 2:
        return None
    (first_ms, first), (last_ms, last) = samples[0], samples[-1]
    increase = last - first
    if counter:
        for (_, before), (_, after) in pairwise(samples):
            increase += before if after < before else 0.0
    sampled = (last_ms - first_ms) / 1000
    between = sampled / (len(samples) - 1)
    head, tail = (first_ms - start) / 1000, (end - last_ms) / 1000
    if head >= between * 1.1:
        head = between / 2
    if counter and increase > 0 and first >= 0:
        head = min(head, sampled * (first / increase))
    if tail >= between * 1.1:
        tail = between / 2
    return increase * ((sampled + head + tail) / sampled)


@given(COUNTERS, st.integers(1, 3_000_000), st.sampled_from([30_000, 300_000, 3_600_000]))
def test_rates_follow_the_extrapolation_rule(gaps: list[tuple[int, float]], at_ms: int, range_ms: int) -> None:
    """increase, rate and delta equal the rule applied to the samples of the window, whatever their spacing."""
    samples: list[tuple[int, float]] = []
    for gap, value in gaps:
        samples.append(((samples[-1][0] if samples else 0) + gap, value))
    source = MemorySource()
    source.add(labels_of("x_total"), samples)
    window = [(t, v) for t, v in samples if at_ms - range_ms < t <= at_ms]
    seconds = range_ms // 1000
    for function, counter, divisor in (("increase", True, 1), ("rate", True, seconds), ("delta", False, 1)):
        expected = _extrapolated(window, at_ms - range_ms, at_ms, counter=counter)
        got = ask(source, f"{function}(x_total[{seconds}s])", at_ms)
        assert got == ({} if expected is None else {(): pytest.approx(expected / divisor, rel=1e-12, abs=1e-300)})


def test_counter_resets_add_what_was_reached() -> None:
    """A counter that falls began anew: nothing is lost."""
    assert ask_one(source_of(x_total=[0, 10, 4, 8]), "increase(x_total[3m])", 3 * MINUTE) == pytest.approx(
        (8 - 10 + 10) * 1.5
    )


def test_instant_rates_use_the_last_two_samples() -> None:
    """irate is per second and knows resets; idelta is a plain difference."""
    source = source_of(up_total=[0, 30, 90], down_total=[0, 30, 6])
    assert ask_one(source, "irate(up_total[5m])", 2 * MINUTE) == 1.0
    assert ask_one(source, "irate(down_total[5m])", 2 * MINUTE) == 0.1
    assert ask_one(source, "idelta(down_total[5m])", 2 * MINUTE) == -24.0
    assert ask(source, "irate(up_total[30s])", 2 * MINUTE) == {}


def test_rates_of_what_is_no_counter_are_noted() -> None:
    """rate() of a metric not named like a counter says so, once."""
    [note] = notes(source_of(x=[1, 2, 3]), "rate(x[5m]) + increase(x[5m])", 2 * MINUTE)
    assert note.startswith("PromQL info: metric might not be a counter")
    assert notes(source_of(x_total=[1, 2, 3]), "rate(x_total[5m])", 2 * MINUTE) == ()


def test_nan_in_a_counter_makes_its_rate_nan() -> None:
    """NaN is no reset, and spreads."""
    assert math.isnan(ask_one(source_of(x_total=[1, 2, math.nan]), "rate(x_total[5m])", 2 * MINUTE))
