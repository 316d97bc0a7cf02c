"""Which of a book's levels are ours: what the bot tells of its quotes, against what the last book can know of them.

A book is compared with the orders that were ours when it came, not with those of now: an order told later is not in
it, and one that left later still is. Where an answer is awaited (of a new order, an amend, a cancel; or none came),
the book may show the order before or after: it is in doubt, and so is what lies behind it, until the next book.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from flashmm_instrumentation._book import EMPTY, Level, Levels, Quantities

DOUBTS_LIMIT: Final = 256
"""Orders in doubt of one side; the oldest is forgotten, and said to be."""

_NOTHING: Final[Quantities] = {}


@dataclass(slots=True)
class _Doubt:
    """Where an order may be, and at which prices it is in what was told."""

    at: Quantities
    told: set[int]

    def besides(self) -> Iterator[Level]:
        """Where it may be besides what was told."""
        return (level for level in self.at.items() if level[0] not in self.told)


class OwnSide:
    """One side of our quotes. told: as last told, best first. least, most: what of the last book may be ours."""

    __slots__ = ("_doubts", "_fell", "_held", "least", "most", "told")

    def __init__(self) -> None:
        self.told: Levels = EMPTY
        self.least = self.most = _NOTHING
        self._held = _NOTHING
        self._doubts: dict[str, _Doubt] = {}
        self._fell = False

    def tell(self, levels: Levels) -> None:
        """These are our orders now. The last book may show them already, if it came first."""
        before, self.told, self._held = self._held, levels, _by_price(levels)
        self.most = Counter(self.most) | Counter(self._held)
        for price, quantity in before.items():
            if self._held.get(price, 0) < quantity:
                self._falls(price)

    def _falls(self, price: int) -> None:
        """Less is told there: it may be an order in doubt that is told no longer."""
        self._fell = True
        for doubt in self._doubts.values():
            doubt.told.discard(price)

    def doubt(self, order_id: str, levels: Levels, *, rested: bool = False) -> bool:
        """Where an order may be; nowhere: it is known again. False if another is forgotten.

        rested: it was in the book, so that what was told of its price is taken to hold it, not to be besides it.
        """
        before = self._doubts.pop(order_id, None)
        if levels:
            at = _largest(levels)
            told = before.told if before is not None else self._told_at(at) if rested else set[int]()
            self._doubts[order_id] = _Doubt(at, told)
        if len(self._doubts) <= DOUBTS_LIMIT:
            return True
        del self._doubts[next(iter(self._doubts))]
        return False

    def seen(self) -> None:
        """A book has come."""
        self._fell = False
        if not self._doubts:
            self.least = self.most = self._held
            return
        doubts = self._doubts.values()
        self.least = Counter(self._held) - Counter(_by_price(level for doubt in doubts for level in doubt.at.items()))
        self.most = Counter(self._held) + Counter(_by_price(level for doubt in doubts for level in doubt.besides()))

    def _told_at(self, at: Quantities) -> set[int]:
        """Where the order is in what was told: enough is, no other is in doubt there, and none just left."""
        if self._fell:
            return set()
        others = {price for doubt in self._doubts.values() for price in doubt.at}
        return {price for price, quantity in at.items() if quantity <= self._held.get(price, 0)} - others


def _largest(levels: Levels) -> Quantities:
    """An order is at one of these: of one price the most counts, not the sum."""
    at: dict[int, int] = {}
    for price, quantity in levels:
        at[price] = max(quantity, at.get(price, 0))
    return at


def _by_price(levels: Iterable[Level]) -> Quantities:
    held: dict[int, int] = {}
    for price, quantity in levels:
        held[price] = held.get(price, 0) + quantity
    return held
