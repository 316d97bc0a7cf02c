"""Pure questions to a book: what the market is without our orders, and at a fixed notional.

Prices and quantities are integers of 10⁻¹⁸. A side is a tuple of (price, quantity), best first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

Level = tuple[int, int]
Levels = tuple[Level, ...]
Quantities = Mapping[int, int]
"""By price."""

EMPTY: Final[Levels] = ()


class Condition(IntEnum):
    """What a fresh book is good for."""

    VALID = 0
    ONE_SIDED = 1
    CROSSED = 2


@dataclass(frozen=True, slots=True)
class DepthRule:
    """The fixed notional, in quote units of 10⁻¹⁸, and how a level's notional comes about."""

    notional: int
    multiplier: int
    inverse: bool

    def price(self, levels: Levels) -> int | None:
        """The price of the level at which the notional is reached; None if the known levels hold less."""
        wanted = self.notional * 10**18 if self.inverse else self.notional * 10**36
        held = 0
        for price, quantity in levels:
            held += quantity * self.multiplier * (1 if self.inverse else price)
            if held >= wanted:
                return price
        return None


def condition(bids: Levels, asks: Levels) -> Condition:
    """Whether the book has two sides, and its bid is below its ask."""
    if not bids or not asks:
        return Condition.ONE_SIDED
    return Condition.VALID if bids[0][0] < asks[0][0] else Condition.CROSSED


def without_us(levels: Levels, least: Quantities, most: Quantities) -> int | None:
    """The best price that holds more than is ours. least, most: what of each price may be ours.

    None if the known levels end before, or if it depends on how much is ours.
    """
    for price, quantity in levels:
        if quantity > most.get(price, 0):
            return price
        if quantity > least.get(price, 0):
            return None
    return None


def rests(ours: Levels, best: int, *, sign: int) -> bool:
    """Whether our best order can be in the book: not ahead of its best. sign: 1 for bids, -1 for asks."""
    return bool(ours) and sign * ours[0][0] <= sign * best
