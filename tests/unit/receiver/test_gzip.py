"""Unpacking gzip."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_receiver._gzip import decompressed, unpacked_if_small
from flashmm_receiver.errors import Malformed, TooLarge


@given(st.lists(st.binary(max_size=40_000), min_size=1, max_size=4))
def test_members_are_put_together(parts: list[bytes]) -> None:
    """As gzip's own tool does it, whatever their sizes."""
    body = b"".join(map(gzip.compress, parts))
    assert decompressed(body, 1 << 20) == b"".join(parts)
    if len(parts) == 1:
        assert unpacked_if_small(body, 50_000) == parts[0]


@given(st.binary(max_size=2_000), st.integers(0, 3_000))
def test_damage_is_refused(content: bytes, cut: int) -> None:
    """Cut off, or not gzip at all."""
    whole = gzip.compress(content)
    if cut < len(whole):
        with pytest.raises(Malformed):
            decompressed(whole[:cut], 1 << 20)
        assert unpacked_if_small(whole[:cut], 1 << 20) is None
    with pytest.raises(Malformed):
        decompressed(b"no" + whole, 1 << 20)


def test_what_comes_out_is_bounded() -> None:
    """To the byte."""
    body = gzip.compress(bytes(100_000))
    assert len(decompressed(body, 100_000)) == 100_000
    with pytest.raises(TooLarge):
        decompressed(body, 99_999)
    assert unpacked_if_small(body, 99_999) is None


def test_members_are_bounded() -> None:
    """A body of half a million empty ones is refused at the thousand and first."""
    with pytest.raises(Malformed, match="1000 members"):
        decompressed(gzip.compress(b"") * 500_000, 1 << 20)
