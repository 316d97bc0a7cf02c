"""The market with our orders and without them, whichever of the two the feed's book is."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice

from flashmm_demo._book import BookSide, LocalBook, Top
from flashmm_demo._messages import Level

OwnLevels = dict[Decimal, Decimal]
"""Our resting quantity by price, of one side."""


class MarketView:
    """A feed's book and our resting orders.

    includes_own: whether the feed's book holds our orders, as the simulated one does and recorded ones don't.
    """

    def __init__(self, book: LocalBook, *, includes_own: bool) -> None:
        self.book = book
        self.includes_own = includes_own
        self.own_bids: OwnLevels = {}
        self.own_asks: OwnLevels = {}

    def total(self, depth: int) -> tuple[list[Level], list[Level]]:
        """The best bid and ask levels, our orders included, best first."""
        bids = self._with_own(self.book.bids, self.own_bids, 1)
        asks = self._with_own(self.book.asks, self.own_asks, -1)
        return list(islice(bids, depth)), list(islice(asks, depth))

    def total_top(self) -> Top | None:
        """The best levels, our orders included."""
        bids, asks = self.total(1)
        return Top(*bids[0], *asks[0]) if bids and asks else None

    def others_top(self) -> Top | None:
        """The best levels without our orders; None where others' aren't known."""
        bid = next(self._without_own(self.book.bids, self.own_bids), None)
        ask = next(self._without_own(self.book.asks, self.own_asks), None)
        return Top(*bid, *ask) if bid and ask else None

    def _with_own(self, side: BookSide, own: OwnLevels, sign: int) -> Iterable[Level]:
        return side if self.includes_own or not own else _merged(side, own, sign)

    def _without_own(self, side: BookSide, own: OwnLevels) -> Iterator[Level]:
        if not self.includes_own:
            yield from side
            return
        for price, quantity in side:
            others = quantity - own.get(price, Decimal(0))
            if others > 0:
                yield price, others


def _merged(side: BookSide, own: OwnLevels, sign: int) -> Iterator[Level]:
    waiting = sorted(own, key=lambda price: sign * price)
    for price, quantity in side:
        while waiting and sign * waiting[-1] > sign * price:
            better = waiting.pop()
            yield better, own[better]
        if waiting and waiting[-1] == price:
            yield price, quantity + own[waiting.pop()]
        else:
            yield price, quantity
    for price in reversed(waiting):
        yield price, own[price]
