"""Histogram arithmetic against a second derivation: dictionaries of buckets, plain loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.histogram import NO_BUCKETS, Buckets, NativeHistogram
from flashmm_backends.promql import _histograms as native

Sides = dict[tuple[int, int], float]


def histogram(
    positive: dict[int, float],
    negative: dict[int, float] | None = None,
    *,
    schema: int = 0,
    zero: float = 0.0,
    threshold: float = 1e-128,
) -> NativeHistogram:
    """A histogram from bucket indexes and counts, its sum their number."""
    sides = [positive, negative or {}]
    count = zero + sum(sum(side.values()) for side in sides)
    return NativeHistogram(schema, threshold, zero, count, count, *map(dense, sides))


def dense(side: dict[int, float]) -> Buckets:
    """Buckets in a row from the lowest index to the highest."""
    if not side:
        return NO_BUCKETS
    low, high = min(side), max(side)
    return Buckets(low, np.array([float(side.get(index, 0.0)) for index in range(low, high + 1)]))


def populated(value: NativeHistogram) -> Sides:
    """Populated buckets by sign and index."""
    return {
        (sign, side.offset + position): float(count)
        for sign, side in ((1, value.positive), (-1, value.negative))
        for position, count in enumerate(side.counts)
        if count
    }


def coarser(sides: Sides, steps: int) -> Sides:
    """The same buckets 2**steps into one."""
    merged: Sides = {}
    for (sign, index), count in sides.items():
        key = (sign, math.ceil(index / 2**steps))
        merged[key] = merged.get(key, 0.0) + count
    return merged


SIDE = st.dictionaries(st.integers(-40, 40), st.integers(1, 1000).map(float), max_size=8)
HISTOGRAMS = st.builds(
    lambda positive, negative, schema, zero: histogram(positive, negative, schema=schema, zero=float(zero)),
    SIDE,
    SIDE,
    st.integers(-2, 8),
    st.integers(0, 50),
)


@given(HISTOGRAMS, HISTOGRAMS)
def test_addition_meets_at_the_coarser_schema(left: NativeHistogram, right: NativeHistogram) -> None:
    """Buckets add up index by index once both are as coarse as the coarser one; subtraction undoes it."""
    schema = min(left.schema, right.schema)
    expected = coarser(populated(left), left.schema - schema)
    for key, count in coarser(populated(right), right.schema - schema).items():
        expected[key] = expected.get(key, 0.0) + count
    both = native.add(left, right)
    assert (both.schema, both.count, both.zero_count) == (
        schema,
        left.count + right.count,
        left.zero_count + right.zero_count,
    )
    assert populated(both) == expected
    assert native.equal(native.subtract(both, right), native.at_schema(left, schema))


@given(st.lists(HISTOGRAMS, min_size=1, max_size=6))
def test_a_total_is_repeated_addition(histograms: list[NativeHistogram]) -> None:
    """And the mean is the total over the number."""
    folded = histograms[0]
    for other in histograms[1:]:
        folded = native.add(folded, other)
    assert native.equal(native.total(histograms), folded)
    assert native.equal(native.mean(histograms), native.divide(folded, len(histograms)))


def test_a_wider_zero_bucket_takes_whole_buckets() -> None:
    """A populated bucket that the threshold would split is taken in, and the threshold grows."""
    left = histogram({1: 2.0, 2: 3.0, 3: 4.0}, {0: 5.0}, zero=1.0)
    right = histogram({3: 1.0}, zero=7.0, threshold=1.5)
    both = native.add(left, right)
    assert both.zero_threshold == 2.0
    assert both.zero_count == 1 + 7 + 2 + 5
    assert populated(both) == {(1, 2): 3.0, (1, 3): 5.0}
    assert native.equal(native.total([left, right]), both)
    assert native.equal(native.add(right, left), both)


def test_a_mean_does_not_overflow() -> None:
    """Two histograms whose sum is beyond all floats have a finite mean."""
    huge = histogram({1: 1.2e308})
    assert native.mean([huge, huge]).positive.counts.tolist() == [1.2e308]
    assert math.isinf(native.total([huge, huge]).count)


def test_small_counts_survive_large_ones() -> None:
    """Summation is compensated."""
    parts = [histogram({1: count}) for count in (1e16, 1.0, 1.0, -1e16)]
    assert native.total(parts).positive.counts.tolist() == [2.0]


def test_division_by_zero_leaves_no_buckets() -> None:
    """Counts are infinite then, or NaN where there was nothing."""
    quotient = native.divide(histogram({1: 2.0}), 0.0)
    assert (quotient.count, quotient.positive, math.isnan(quotient.zero_count)) == (math.inf, NO_BUCKETS, True)
    assert native.scale(histogram({1: 2.0}, zero=1.0), -2.0).positive.counts.tolist() == [-4.0]


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (histogram({1: 2.0, 2: 1.0}), False),
        (histogram({1: 1.0, 2: 5.0}), True),
        (histogram({2: 9.0}), True),
        (histogram({1: 1.0}), True),
        (histogram({1: 9.0}, schema=1), True),
        (histogram({1: 2.0, 2: 1.0}, schema=-1), False),
        (histogram({1: 9.0}, threshold=0.0), True),
        (histogram({2: 9.0}, zero=2.0, threshold=2.0), False),
        (histogram({2: 9.0}, zero=2.0, threshold=1.5), True),
        (histogram({1: 9.0}, {3: 1.0}), False),
    ],
)
def test_resets(current: NativeHistogram, expected: bool) -> None:
    """A count that fell, a finer layout or a split bucket tell that a counter began anew."""
    assert native.is_reset(current, histogram({1: 2.0})) is expected
    assert native.resets([histogram({1: 2.0}), current]).tolist() == [False, expected]


def test_increase_adds_what_was_reached_before_a_reset() -> None:
    """0 → 4, a reset to 1, then 3 more: at the samples' own span the increase is 4 - 2 + 4."""
    samples = [histogram({1: count}) for count in (2.0, 4.0, 1.0, 4.0)]
    times = np.array([0, 10_000, 20_000, 30_000])
    increase = native.rate(times, samples, 0, 30_000, is_counter=True, is_rate=False)
    assert increase is not None
    assert increase.positive.counts.tolist() == [6.0]
    assert native.rate(times[:1], samples[:1], 0, 30_000, is_counter=True, is_rate=True) is None


def test_a_first_sample_before_a_reset_does_not_count() -> None:
    """Neither its count nor its resolution."""
    samples = [histogram({1: 9.0}, schema=-1), histogram({1: 1.0}), histogram({1: 4.0})]
    increase = native.rate(np.array([0, 10_000, 20_000]), samples, 0, 20_000, is_counter=True, is_rate=False)
    assert increase is not None
    assert (increase.schema, increase.positive.counts.tolist()) == (0, [4.0])


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [(-5_000, 25_000, 30.0), (-11_000, 20_000, 25.0), (0, 40_000, 25.0)],
)
def test_extrapolation(start_ms: int, end_ms: int, expected: float) -> None:
    """To the boundary if it is within 1.1 of the distance of samples, else half that distance."""
    samples = [histogram({1: count}) for count in (100.0, 110.0, 120.0)]
    times = np.array([0, 10_000, 20_000])
    increase = native.rate(times, samples, start_ms, end_ms, is_counter=True, is_rate=False)
    rate = native.rate(times, samples, start_ms, end_ms, is_counter=True, is_rate=True)
    delta = native.rate(times, samples, start_ms, end_ms, is_counter=False, is_rate=False)
    assert increase is not None and rate is not None and delta is not None
    assert increase.count == pytest.approx(expected)
    assert rate.count == pytest.approx(expected / ((end_ms - start_ms) / 1000))
    assert delta.count == pytest.approx(expected)


def test_extrapolation_stops_where_the_counter_was_zero() -> None:
    """A counter does not come from below zero."""
    samples = [histogram({1: 1.0}), histogram({1: 11.0})]
    increase = native.rate(np.array([0, 10_000]), samples, -9_000, 10_000, is_counter=True, is_rate=False)
    assert increase is not None
    assert increase.count == pytest.approx(11.0)


@pytest.mark.parametrize(
    ("q", "expected"),
    [(-1, -math.inf), (2, math.inf), (math.nan, math.nan), (0.5, 2.0**0.5), (0.0, 1.0), (1.0, 2.0), (0.75, 2**0.75)],
)
def test_quantiles_interpolate_exponentially(q: float, expected: float) -> None:
    """Half the way through (1, 2] is the square root of 2."""
    assert native.quantile(q, histogram({1: 4.0})) == pytest.approx(expected, nan_ok=True)
    if 0 <= q <= 1:
        assert native.quantile(1 - q, histogram({}, {1: 4.0})) == pytest.approx(-expected)


def test_quantiles_in_the_zero_bucket_are_linear() -> None:
    """And it is one-sided where the other side has no buckets."""
    assert native.quantile(0.25, histogram({1: 2.0}, zero=2.0, threshold=0.5)) == 0.25
    assert native.quantile(0.75, histogram({}, {1: 2.0}, zero=2.0, threshold=0.5)) == -0.25
    assert native.quantile(0.5, histogram({1: 1.0}, {1: 1.0}, zero=2.0, threshold=0.5)) == 0.0


def test_quantiles_without_or_with_nan_observations() -> None:
    """Nothing gives NaN; NaN observations count as above everything."""
    assert math.isnan(native.quantile(0.5, histogram({})))
    skewed = replace(histogram({1: 4.0}), count=8.0, sum=math.nan)
    assert native.quantile(0.25, skewed) == pytest.approx(2**0.5)
    assert math.isnan(native.quantile(0.9, skewed))
    assert native.quantile(0.05, replace(skewed, count=200.0, sum=1.0)) == 2.0
    assert math.isnan(native.quantile(0.0, replace(histogram({}), count=1.0)))


@given(HISTOGRAMS, st.floats(0.01, 0.99))
def test_fraction_is_the_inverse_of_quantile(value: NativeHistogram, q: float) -> None:
    """The share below the q-quantile is q, unless it falls between buckets or into the zero bucket."""
    found = native.quantile(q, value)
    if value.count == 0 or abs(found) < 1e-100:
        return
    assert native.fraction(-math.inf, found, value) == pytest.approx(q, abs=1e-6)
    assert native.fraction(found, math.inf, value) == pytest.approx(1 - q, abs=1e-6)


def test_fraction_at_its_edges() -> None:
    """No observations or NaN bounds give NaN, an empty interval 0, the zero bucket is linear."""
    value = histogram({1: 2.0}, {1: 2.0}, zero=4.0, threshold=0.5)
    assert native.fraction(0.0, 0.25, value) == pytest.approx(1 / 8)
    assert native.fraction(-1.5, 1.5, value) == pytest.approx(0.5 + 2 * 0.25 * math.log2(1.5))
    assert native.fraction(2.0, 1.0, value) == 0.0
    assert native.fraction(5.0, math.inf, value) == 0.0
    assert math.isnan(native.fraction(math.nan, 1.0, value))
    assert math.isnan(native.fraction(0.0, 1.0, histogram({})))
    assert native.fraction(0, math.inf, replace(value, sum=math.nan, count=16.0)) == pytest.approx(4 / 16)
    assert math.isnan(native.fraction(0, 1, replace(histogram({}), sum=math.nan)))


def test_moments() -> None:
    """The average is the sum over the count; the deviation takes each bucket at its geometric mean."""
    value = replace(histogram({1: 1.0, 3: 1.0}, {1: 2.0}, zero=2.0), sum=6.0)
    centres = [2**0.5, 32**0.5, -(2**0.5), -(2**0.5), 0.0, 0.0]
    expected = sum((centre - 1.0) ** 2 for centre in centres) / 6
    assert native.average(value) == 1.0
    assert native.variance(value) == pytest.approx(expected)
    assert native.deviation(value) == pytest.approx(expected**0.5)
    assert math.isnan(native.average(histogram({})))
    assert math.isnan(native.variance(histogram({})))


def test_json_buckets_tell_their_boundaries() -> None:
    """Above zero open on the left, below open on the right, the zero bucket closed; empty ones left out."""
    value = histogram({1: 1.0, 3: 2.0}, {0: 3.0}, zero=4.0, threshold=0.001)
    assert native.json_buckets(value) == [
        (1, -1.0, -0.5, 3.0),
        (3, -0.001, 0.001, 4.0),
        (0, 1.0, 2.0, 1.0),
        (0, 4.0, 8.0, 2.0),
    ]


def test_buckets_do_not_reach_into_the_zero_bucket() -> None:
    """A bucket that overlaps it begins at the threshold."""
    assert native.json_buckets(histogram({1: 1.0}, {1: 1.0}, zero=2.0, threshold=1.5)) == [
        (1, -2.0, -1.5, 1.0),
        (3, -1.5, 1.5, 2.0),
        (0, 1.5, 2.0, 1.0),
    ]


@pytest.mark.parametrize("schema", range(-4, 9))
def test_the_outermost_buckets_end_at_the_largest_float_and_infinity(schema: int) -> None:
    """Infinity has a bucket of its own, and no bound is NaN."""
    top = 1024 << schema if schema >= 0 else 1024 >> -schema
    value = replace(histogram({}), schema=schema, positive=Buckets(top, np.ones(2)))
    assert native.table(value).upper.tolist() == [np.finfo(float).max, math.inf]
    tiny = replace(value, positive=Buckets(1 - top, np.ones(1)))
    bounds = native.table(replace(tiny, zero_threshold=0.0))
    assert 0 <= bounds.lower[0] < bounds.upper[0]


def test_equality_ignores_empty_buckets_and_takes_nan_as_itself() -> None:
    """Layout padding is no difference; any count, the sum or the schema is."""
    value = histogram({1: 1.0})
    padded = replace(value, positive=Buckets(0, np.array([0.0, 1.0, 0.0])))
    assert native.equal(value, padded)
    assert native.equal(replace(value, sum=math.nan), replace(value, sum=math.nan))
    assert not native.equal(value, replace(value, sum=2.0))
    assert not native.equal(value, replace(value, schema=1))
    assert not native.equal(value, histogram({2: 1.0}))
