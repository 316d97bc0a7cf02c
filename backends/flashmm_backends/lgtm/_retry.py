"""When to ask again: exponential backoff with full jitter, within a deadline. No clock, no sleep.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})


def is_retryable(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in _RETRYABLE


class Backoff:
    """The waits between the attempts of one request, in seconds."""

    def __init__(self, first_s: float, max_s: float, random: Random) -> None:
        self._bound_s = first_s
        self._max_s = max_s
        self._random = random

    def next_s(self, retry_after_s: float | None) -> float:
        """The next wait: random below a bound that doubles; never shorter than what the server asks for."""
        wait_s = self._random.uniform(0, self._bound_s)
        self._bound_s = min(self._bound_s * 2, self._max_s)
        return max(wait_s, retry_after_s or 0.0)


def retry_after_s(header: str, wall_clock: Callable[[], float]) -> float | None:
    """What a Retry-After header asks for: seconds, or the time until a date; None where it can't be read."""
    if header.isdecimal() and header.isascii() and len(header) <= 9:
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(wall_clock(), UTC)).total_seconds())
