"""When to ask again."""

from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.lgtm._retry import Backoff, retry_after_s

WALL_S = 1_800_000_000.0


@given(seed=st.integers(), first_s=st.floats(0.001, 1), max_s=st.floats(1, 60))
def test_waits_are_random_below_a_bound_that_doubles(seed: int, first_s: float, max_s: float) -> None:
    """Full jitter: from nothing to the bound, which never exceeds its maximum."""
    backoff = Backoff(first_s, max_s, Random(seed))
    waits = [backoff.next_s(None) for _ in range(20)]
    assert all(0 <= wait <= min(first_s * 2**i, max_s) for i, wait in enumerate(waits))


def test_the_same_seed_waits_the_same() -> None:
    """Randomness is the caller's."""
    runs = [[Backoff(1, 60, Random(seed)).next_s(None) for _ in range(3)] for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_the_server_may_ask_for_longer() -> None:
    """Retry-After is a lower bound."""
    backoff = Backoff(1, 60, Random(1))
    assert backoff.next_s(30.0) == 30.0
    assert backoff.next_s(0.0) > 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (format_datetime(datetime.fromtimestamp(WALL_S + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(WALL_S - 90, UTC), usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    """What can't be read asks for nothing."""
    assert retry_after_s(header, lambda: WALL_S) == seconds
