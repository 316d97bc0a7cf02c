"""Native histograms survive their bytes, and their buckets every change of form."""

import math
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.histogram import (
    NO_BUCKETS,
    STALE_HISTOGRAM,
    STALE_NAN,
    Buckets,
    NativeHistogram,
    is_stale,
    reduced,
    trimmed,
)
from flashmm_backends.histogram_codec import decode, decode_many, encode

COUNTS = st.lists(st.integers(0, 2**40), max_size=40)
FLOATS = st.lists(st.floats(allow_nan=False), max_size=20)


def buckets(counts: st.SearchStrategy[list[float]] | st.SearchStrategy[list[int]]) -> st.SearchStrategy[Buckets]:
    """Buckets at any index."""
    return st.builds(
        lambda offset, values: Buckets(offset if values else 0, np.array(values, np.float64)),
        st.integers(-(2**31), 2**31 - 1),
        counts,
    )


HISTOGRAMS = st.one_of(
    *(
        st.builds(
            NativeHistogram,
            st.integers(-4, 8),
            st.sampled_from([1e-128, 0.0, 0.001]),
            scalar,
            scalar,
            st.floats(),
            buckets(counts),
            buckets(counts),
        )
        for scalar, counts in ((st.integers(0, 2**60).map(float), COUNTS), (st.floats(), FLOATS))
    )
)


def same(left: NativeHistogram, right: NativeHistogram) -> bool:
    """Equal to the bit, NaN included."""
    scalars = [
        np.array([h.schema, h.zero_threshold, h.zero_count, h.count, h.sum, h.positive.offset, h.negative.offset])
        for h in (left, right)
    ]
    sides = [(left.positive, right.positive), (left.negative, right.negative)]
    return np.array_equal(*scalars, equal_nan=True) and all(np.array_equal(a.counts, b.counts) for a, b in sides)


def compact(histogram: NativeHistogram) -> NativeHistogram:
    """Without empty buckets at the ends."""
    return replace(histogram, positive=trimmed(histogram.positive), negative=trimmed(histogram.negative))


@given(HISTOGRAMS)
def test_a_histogram_survives_its_bytes(histogram: NativeHistogram) -> None:
    """Whatever was encoded comes back exactly."""
    assert same(decode(encode(histogram)), histogram)


@given(st.lists(HISTOGRAMS, max_size=6), st.lists(st.integers(0, 5), max_size=12))
def test_many_are_decoded_in_order(histograms: list[NativeHistogram], order: list[int]) -> None:
    """However layouts mix."""
    chosen = [histograms[i] for i in order if i < len(histograms)]
    decoded = decode_many([encode(h) for h in chosen]).objects()
    assert all(map(same, map(compact, decoded), map(compact, chosen)))


def test_bytes_that_are_cut_are_refused() -> None:
    """Nothing is read beyond the end."""
    whole = encode(NativeHistogram(0, 1e-128, 0.0, 3.0, 1.0, Buckets(1, np.array([1.0, 2.0])), NO_BUCKETS))
    for end in (1, 10, len(whole) - 1):
        with pytest.raises((ValueError, struct.error, IndexError)):
            decode(whole[:end])


def test_whole_counts_take_little_room() -> None:
    """A latency histogram with 160 buckets takes about a byte a bucket."""
    counts = np.random.default_rng(1).poisson(50, 160)
    sides = Buckets(-299, counts.astype(np.float64)), NO_BUCKETS
    histogram = NativeHistogram(5, 1e-128, 0.0, float(counts.sum()), 1.0, *sides)
    assert len(encode(histogram)) <= 160 + 18


def test_a_staleness_marker_survives_its_bytes() -> None:
    """The bit pattern is what makes the marker."""
    assert is_stale(decode(encode(STALE_HISTOGRAM)).sum)
    assert is_stale(STALE_NAN)
    assert not is_stale(math.nan)
    assert not is_stale(1.0)


@given(buckets(COUNTS), st.integers(0, 6))
def test_reduction_keeps_every_observation(before: Buckets, steps: int) -> None:
    """The sum of the counts stays, and each lands in the bucket that covers its own."""
    after = reduced(before, steps)
    assert after.counts.sum() == before.counts.sum()
    for position in np.flatnonzero(before.counts):
        index = ((before.offset + int(position) - 1) >> steps) + 1
        assert after.counts[index - after.offset] > 0


@given(buckets(COUNTS))
def test_trimming_drops_only_empty_ends(before: Buckets) -> None:
    """Populated buckets keep index and count."""
    after = trimmed(before)
    populated = {before.offset + i: c for i, c in enumerate(before.counts) if c}
    assert {after.offset + i: c for i, c in enumerate(after.counts) if c} == populated
    assert not len(after.counts) or (after.counts[0] and after.counts[-1])
