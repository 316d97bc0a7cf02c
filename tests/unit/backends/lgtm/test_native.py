"""Native histograms come back from JSON as they were told."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.histogram import ZERO_THRESHOLD, Buckets, NativeHistogram
from flashmm_backends.lgtm._native import NotExponential, native_histogram
from flashmm_backends.ports import RangeSeries
from flashmm_backends.promql import _encode as encode
from flashmm_backends.promql._histograms import equal


def told(histogram: NativeHistogram) -> dict[str, Any]:
    """The histogram in Prometheus's JSON."""
    row = RangeSeries((), np.empty(0, np.int64), np.empty(0), [0], [histogram])
    return orjson.loads(encode.series(row))["histograms"][0][1]


def side(schema: int) -> st.SearchStrategy[Buckets]:
    """Buckets with populated ends, anywhere from the zero bucket to the largest number."""
    lowest, highest = ((exponent << schema if schema >= 0 else exponent >> -schema) for exponent in (-416, 1024))
    counts = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(lambda c: c[0] > 0 and c[-1] > 0)
    return st.builds(
        lambda offset, c: Buckets(offset, np.array(c, np.float64)), st.integers(lowest + 1, highest - 12), counts
    )


@st.composite
def histograms(draw: st.DrawFn) -> NativeHistogram:
    """Any histogram that OTLP can bring, with at least one bucket to tell the schema."""
    schema = draw(st.integers(-4, 8))
    positive, negative = draw(side(schema)), draw(st.just(Buckets(0, np.empty(0))) | side(schema))
    zero = float(draw(st.integers(0, 9)))
    count = zero + float(positive.counts.sum() + negative.counts.sum())
    return NativeHistogram(schema, ZERO_THRESHOLD, zero, count, draw(st.floats(-1e9, 1e9)), positive, negative)


@given(histograms())
def test_what_is_told_is_read_back(histogram: NativeHistogram) -> None:
    """Schema, zero bucket, counts and sum: equal, and told the same again."""
    again = native_histogram(told(histogram))
    assert told(again) == told(histogram)
    assert equal(again, histogram)


def test_a_histogram_without_buckets() -> None:
    """Only count and sum are told."""
    found = native_histogram({"count": "0", "sum": "NaN"})
    assert found.count == 0 and np.isnan(found.sum) and not len(found.positive.counts)


def test_a_zero_bucket_that_cuts_its_neighbour() -> None:
    """A wide zero bucket ends where the bucket beside it begins."""
    sent = NativeHistogram(0, 1.5, 2.0, 9.0, 1.0, Buckets(1, np.array([3.0, 4.0])), Buckets(0, np.empty(0)))
    assert equal(native_histogram(told(sent)), sent)


def test_the_outermost_buckets() -> None:
    """Up to the largest float, and beyond it."""
    sent = NativeHistogram(
        0, ZERO_THRESHOLD, 0.0, 6.0, 1.0, Buckets(1023, np.array([1.0, 2.0, 3.0])), Buckets(0, np.empty(0))
    )
    assert equal(native_histogram(told(sent)), sent)


@pytest.mark.parametrize(
    "buckets",
    [[[0, "0", "5", "1"]], [[0, "1", "3", "1"], [0, "3", "7", "1"]], [[0, "1", "2", "1"], [0, "2", "3", "1"]]],
)
def test_custom_buckets_are_not_passed_off_as_others(buckets: list[Any]) -> None:
    """What no exponential schema has is refused."""
    with pytest.raises(NotExponential, match="no exponential schema"):
        native_histogram({"count": "2", "sum": "3", "buckets": buckets})
