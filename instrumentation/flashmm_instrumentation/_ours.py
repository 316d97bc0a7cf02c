"""Which of a book's levels are ours: what the bot tells of its quotes, against what the last book can know of them.

A book is compared with the orders that were ours when it came, not with those of now: an order told later is not in
it, and one that left later still is. Where an answer is awaited (of a new order, an amend, a cancel; or none came),
the book may show the order before or after: it is in doubt, and so is what lies behind it, until the next book.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from flashmm_instrumentation._book import EMPTY, Level, Levels, Quantities

DOUBTS_LIMIT: Final = 256
"""Orders in doubt of one side; the oldest is forgotten, and said to be."""

_NOTHING: Final[Quantities] = {}


class OwnSide:
    """One side of our quotes. told: as last told, best first. least, most: what of the last book may be ours."""

    __slots__ = ("_doubts", "_held", "least", "most", "told")

    def __init__(self) -> None:
        self.told: Levels = EMPTY
        self.least = self.most = _NOTHING
        self._held = _NOTHING
        self._doubts: dict[str, Levels] = {}

    def tell(self, levels: Levels) -> None:
        """These are our orders now. The last book may show them already, if it came first."""
        self.told = levels
        self._held = _by_price(levels)
        self.most = Counter(self.most) | Counter(self._held)

    def doubt(self, order_id: str, levels: Levels) -> bool:
        """Where an order may be besides or instead; nowhere: it is known again. False if another is forgotten."""
        self._doubts.pop(order_id, None)
        if levels:
            self._doubts[order_id] = levels
        if len(self._doubts) <= DOUBTS_LIMIT:
            return True
        del self._doubts[next(iter(self._doubts))]
        return False

    def seen(self) -> None:
        """A book has come."""
        if not self._doubts:
            self.least = self.most = self._held
            return
        doubted = _by_price(level for levels in self._doubts.values() for level in levels)
        self.least = Counter(self._held) - Counter(doubted)
        self.most = Counter(self._held) + Counter(doubted)


def _by_price(levels: Iterable[Level]) -> Quantities:
    held: dict[int, int] = {}
    for price, quantity in levels:
        held[price] = held.get(price, 0) + quantity
    return held
