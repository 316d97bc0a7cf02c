"""Native histograms in columns are those one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.histogram import NO_BUCKETS, Buckets, NativeHistogram
from flashmm_backends.histogram_array import array_of, concatenated, no_histograms
from flashmm_backends.promql._histograms import at_schema, equal

SIDES = st.one_of(
    st.just(NO_BUCKETS),
    st.builds(
        lambda offset, counts: Buckets(offset, np.array(counts, np.float64)),
        st.one_of(st.integers(-5, 5), st.sampled_from([-(10**8), 10**8])),
        st.lists(st.integers(1, 9), min_size=1, max_size=6),
    ),
)
HISTOGRAMS = st.builds(
    lambda schema, count, positive, negative: NativeHistogram(schema, 0.0, 1.0, count, 2.0, positive, negative),
    st.integers(-1, 3),
    st.integers(1, 99).map(float),
    SIDES,
    SIDES,
)
SOME = st.lists(HISTOGRAMS, max_size=8)


@given(SOME)
def test_what_went_into_columns_comes_out(histograms: list[NativeHistogram]) -> None:
    """Whatever their layouts, in the same order."""
    found = array_of(histograms)
    assert all(map(equal, found.objects(), histograms))
    assert found.scalars().tolist() == [[1.0, each.count, 2.0] for each in histograms]
    assert found.schemas().tolist() == [each.schema for each in histograms]


@given(SOME, SOME)
def test_arrays_are_chosen_from_and_put_together(left: list[NativeHistogram], right: list[NativeHistogram]) -> None:
    """By cells alone, empty cells included."""
    one, other = array_of(left), array_of(right)
    whole = concatenated([one, no_histograms((2,)), other, one])
    assert all(map(equal, whole.objects(), [*left, *right, *left]))
    assert whole.held.sum() == len(whole) - 2
    assert all(map(equal, whole[::-1].objects(), [*left, *right, *left][::-1]))


@given(st.lists(HISTOGRAMS.filter(lambda h: abs(h.positive.offset) + abs(h.negative.offset) < 10), min_size=1))
def test_histograms_are_aligned_at_the_coarsest_resolution(histograms: list[NativeHistogram]) -> None:
    """As rows of one matrix, each as it is when brought to that resolution alone."""
    schema = min(each.schema for each in histograms)
    stack = array_of(histograms).aligned(schema)
    assert stack is not None
    rows = [stack.layout.histogram(row) for row in stack.matrix]
    assert all(map(equal, rows, [at_schema(each, schema) for each in histograms]))


def test_what_would_be_mostly_empty_is_not_aligned() -> None:
    """Buckets that lie far apart don't share a matrix."""
    far = [NativeHistogram(0, 0.0, 0.0, 1.0, 1.0, Buckets(at, np.ones(1)), NO_BUCKETS) for at in (-(10**8), 10**8)]
    assert array_of(far).aligned(0) is None
