"""Frames' heads, however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_receiver._http2 import FrameWatch, HeadersTooLong

DATA, HEADERS, CONTINUATION = 0, 1, 9
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
