"""Times in query strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.ports import Window
from flashmm_orchestration.api._times import BadTime, parse_time, parse_window

NOW = 1_800_000_000_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1800000000000000001", 1_800_000_000_000_000_001),
        ("15m", NOW - 900 * 10**9),
        ("250ms", NOW - 250 * 10**6),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T09:00:00.000001+01:00", NOW + 1000),
        ("2027-01-15T08:00:00", NOW),
        ("99999999999d", 0),
        ("9999-12-31T00:00:00Z", 2**63 - 1),
    ],
)
def test_three_forms_are_understood(text: str, expected: int) -> None:
    """Nanoseconds, a duration back from now, RFC 3339."""
    assert parse_time("start", text, NOW) == expected


@given(st.text(max_size=40))
def test_whatever_comes_is_a_time_or_a_named_error(text: str) -> None:
    """No other exception, no time outside 64 bits."""
    try:
        assert 0 <= parse_time("start", text, NOW) < 2**63
    except BadTime as error:
        assert "start=" in str(error)


def test_a_window_ends_now_and_is_never_empty() -> None:
    """The end may be left out; it must come after the start."""
    assert parse_window("1s", "", NOW) == Window(NOW - 10**9, NOW)
    for start, end, told in (("5", "5", "5"), ("2100-01-01", "", "now")):
        with pytest.raises(BadTime, match=f"^end='{told}' is not after start$"):
            parse_window(start, end, NOW)
