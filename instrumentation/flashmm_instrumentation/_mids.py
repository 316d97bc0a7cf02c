"""What a market's mid was at a time: an order's when its tick arrived, a fill's when it happened."""

from collections import deque
from typing import Final

from flashmm_instrumentation._book import Condition, Levels, condition
from flashmm_instrumentation._numbers import text

BOOKS_LIMIT: Final = 128
"""Books whose mid is remembered; before the oldest of them it is not known."""


class Mids:
    """The mids of the last books, by the time at which each arrived."""

    __slots__ = ("_stale_after_ns", "_told")

    def __init__(self, stale_after_ns: int) -> None:
        self._stale_after_ns: Final = stale_after_ns
        self._told: Final[deque[tuple[int, int | None]]] = deque(maxlen=BOOKS_LIMIT)

    def book(self, received_ns: int, bids: Levels, asks: Levels) -> None:
        """The book from received_ns on."""
        valid = condition(bids, asks) is Condition.VALID
        self._told.append((received_ns, bids[0][0] + asks[0][0] if valid else None))

    def at(self, at_ns: int) -> str | None:
        """The mid at at_ns as on the wire; None where the book was stale, one-sided or crossed, or is forgotten."""
        for received_ns, mid2 in reversed(tuple(self._told)):
            if received_ns <= at_ns:
                fresh = at_ns - received_ns <= self._stale_after_ns
                return text(mid2 * 5, 19) if fresh and mid2 is not None else None
        return None
