"""Native histograms come from OTLP as Prometheus makes them, and survive their bytes."""

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
    HistogramRefused,
    NativeHistogram,
    from_otlp,
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
    whole = encode(from_otlp(scale=0, count=3, total=1, zero_count=0, positive=(0, [1, 2]), negative=(0, [])))
    for end in (1, 10, len(whole) - 1):
        with pytest.raises((ValueError, struct.error, IndexError)):
            decode(whole[:end])


def test_whole_counts_take_little_room() -> None:
    """A latency histogram with 160 buckets takes about a byte a bucket."""
    counts = np.random.default_rng(1).poisson(50, 160)
    histogram = from_otlp(
        scale=5, count=int(counts.sum()), total=1.0, zero_count=0, positive=(-300, counts.tolist()), negative=(0, [])
    )
    assert len(encode(histogram)) <= 160 + 18


def test_a_staleness_marker_survives_its_bytes() -> None:
    """The bit pattern is what makes the marker."""
    assert is_stale(decode(encode(STALE_HISTOGRAM)).sum)
    assert is_stale(STALE_NAN)
    assert not is_stale(math.nan)
    assert not is_stale(1.0)


def test_otlp_indexes_move_up_by_one() -> None:
    """OTLP's bucket 0 is above 1, Prometheus's bucket 0 ends at 1."""
    histogram = from_otlp(scale=0, count=6, total=None, zero_count=1, positive=(0, [2, 3]), negative=(-1, [0, 0]))
    assert (histogram.positive.offset, histogram.positive.counts.tolist()) == (1, [2, 3])
    assert (histogram.sum, histogram.zero_count, histogram.count) == (0.0, 1.0, 6.0)
    assert histogram.negative.counts.tolist() == [0]


def test_a_fine_scale_is_reduced_to_eight() -> None:
    """Scale 10 merges four buckets into one; OTLP's 0 … 3 are one bucket then."""
    histogram = from_otlp(
        scale=10, count=15, total=1.0, zero_count=0, positive=(-1, [1, 2, 3, 4, 5]), negative=(0, [])
    )
    assert histogram.schema == 8
    assert (histogram.positive.offset, histogram.positive.counts.tolist()) == (0, [1, 14])
    assert histogram.negative is NO_BUCKETS


@pytest.mark.parametrize(
    ("scale", "offset", "why"), [(-5, 0, "scale -5 is below -4"), (8, 2**20, "beyond"), (0, -(2**31), "beyond")]
)
def test_what_prometheus_cannot_hold_is_refused(scale: int, offset: int, why: str) -> None:
    """Too coarse a scale, and buckets where no number is."""
    with pytest.raises(HistogramRefused, match=why):
        from_otlp(scale=scale, count=1, total=1.0, zero_count=0, positive=(offset, [1]), negative=(0, []))


@pytest.mark.parametrize("schema", range(-4, 9))
def test_the_outermost_numbers_have_a_bucket(schema: int) -> None:
    """The smallest, the largest and infinity are within the range that is accepted."""
    top = 1024 << schema if schema >= 0 else 1024 >> -schema
    for offset in (-top, top - 1, top):
        from_otlp(scale=schema, count=1, total=1.0, zero_count=0, positive=(offset, [1]), negative=(0, []))


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
