"""Frames' heads, however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_receiver._http2 import FrameFlood, FrameRate, FrameWatch, HeadersTooLong

DATA, HEADERS, RESET, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_HEADERS = 4


def frame(kind: int, size: int, flags: int = 0) -> bytes:
    return size.to_bytes(3) + bytes((kind, flags)) + b"\0\0\0\1" + b"\x01" * size


FRAMES = st.lists(
    st.builds(frame, st.sampled_from([DATA, HEADERS, 4, 8]), st.integers(0, 60), st.just(END_HEADERS)), max_size=20
)


@given(FRAMES, st.lists(st.integers(0, 1500), max_size=12))
def test_cuts_change_nothing(frames: list[bytes], cuts: list[int]) -> None:
    """As many calls are seen as header blocks end, wherever the pieces are cut."""
    watch, whole = FrameWatch(200), b"".join(frames)
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    for begin, end in pairwise(edges):
        watch.feed(whole[begin:end])
    assert watch.calls == sum(each[3] == HEADERS for each in frames)


@pytest.mark.parametrize("size", [0, 1, 50])
def test_a_header_block_ends(size: int) -> None:
    """Frames that go on without an end are told, empty ones too; a block that ends leaves room for the next."""
    watch = FrameWatch(200)
    for _ in range(10):
        watch.feed(frame(HEADERS, 60) + frame(CONTINUATION, 60, END_HEADERS))
    assert watch.calls == 10
    with pytest.raises(HeadersTooLong):
        watch.feed(frame(HEADERS, size) + frame(CONTINUATION, size) * 200)


@pytest.mark.parametrize(
    ("frames", "cost"),
    [
        ([frame(PING, 8), frame(SETTINGS, 0), frame(DATA, 0), frame(DATA, 1023), frame(0xEE, 5)], 5),
        ([frame(DATA, 1024), frame(DATA, 16_384)], 0),
        ([frame(HEADERS, 31, END_HEADERS), frame(RESET, 4)], 1 + 8),
        ([frame(HEADERS, 320), frame(CONTINUATION, 320, END_HEADERS)], 2 + 20),
    ],
)
def test_what_frames_cost(frames: list[bytes], cost: int) -> None:
    """Data pays for itself; what is taken back, and headers, which may be packed, cost more than others."""
    watch = FrameWatch(10_000)
    watch.feed(b"".join(frames))
    assert watch.cost == cost


def test_frames_are_read_at_a_rate() -> None:
    """The first ones at once, the others as time goes on."""
    rate = FrameRate(per_s=100, burst=50, now_s=10.0)
    assert rate.room(10.0) == 100
    assert rate.take(50) == 0
    assert rate.take(20) == pytest.approx(0.2)
    assert rate.room(10.1) == pytest.approx(40)
    assert rate.take(0) == pytest.approx(0.1)
    assert rate.room(99.0) == 100


def test_a_flood_is_told_before_it_is_read_whole() -> None:
    """As many as there is room for pass, one more does not."""
    FrameWatch(200).feed(frame(PING, 8) * 50, 50)
    watch = FrameWatch(200)
    with pytest.raises(FrameFlood):
        watch.feed(frame(PING, 8) * 4_000, 50)
    assert watch.cost == 51
