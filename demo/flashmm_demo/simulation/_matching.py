"""A matching engine in whole ticks and lots: price-time priority, with the bot's orders among the others'.

Others' liquidity is kept a quantity a price. The bot's order waits behind what was there when it came; when others
cancel, those behind it go first, so that cancels help it only when none is left behind.
"""

from dataclasses import dataclass, field
from typing import Final

BUY: Final = 1
SELL: Final = -1


@dataclass(slots=True)
class OwnOrder:
    """One resting order of the bot. `sign` is BUY or SELL; `ahead` is the lots that trade before it."""

    order_id: str
    sign: int
    price: int
    quantity: int
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Print:
    """One trade. `aggressor` is BUY or SELL; `order_id` is of the bot's order that was hit, if one was, and `left`
    the lots that it still has."""

    price: int
    quantity: int
    aggressor: int
    order_id: str | None = None
    left: int = 0


@dataclass(slots=True)
class Ladder:
    """One side of the book: others' lots by price, and the bot's orders in their order of arrival."""

    sign: int
    others: dict[int, int] = field(default_factory=dict[int, int])
    own: list[OwnOrder] = field(default_factory=list[OwnOrder])

    def best(self) -> int | None:
        """The best price of anyone."""
        prices = [*self.others, *(order.price for order in self.own)]
        return max(prices, key=self.rank, default=None)

    def rank(self, price: int) -> int:
        """Higher is better on this side."""
        return self.sign * price

    def lots_at(self, price: int) -> int:
        """All lots at a price, the bot's included."""
        return self.others.get(price, 0) + sum(order.quantity for order in self.own if order.price == price)

    def prices(self) -> list[int]:
        """All prices, best first."""
        return sorted({*self.others, *(order.price for order in self.own)}, key=self.rank, reverse=True)


class MatchingEngine:
    """The simulated exchange's book of one symbol. What changes is collected in `changed` until taken."""

    def __init__(self) -> None:
        self.bids = Ladder(BUY)
        self.asks = Ladder(SELL)
        self._changed: dict[int, set[int]] = {BUY: set(), SELL: set()}

    def side(self, sign: int) -> Ladder:
        """The ladder that orders of that sign rest on."""
        return self.bids if sign == BUY else self.asks

    def top(self) -> tuple[int, int] | None:
        """Best bid and ask in ticks; None while a side is empty."""
        bid, ask = self.bids.best(), self.asks.best()
        return None if bid is None or ask is None else (bid, ask)

    def set_others(self, sign: int, price: int, lots: int) -> None:
        """Others have so many lots at a price from now on. The price must not cross the other side."""
        ladder = self.side(sign)
        if lots == ladder.others.get(price, 0):
            return
        if lots:
            ladder.others[price] = lots
        else:
            del ladder.others[price]
        for order in ladder.own:
            if order.price == price:
                order.ahead = min(order.ahead, lots)
        self._changed[sign].add(price)

    def crosses(self, sign: int, price: int) -> bool:
        """Whether an order at that price would trade at once."""
        opposite = self.side(-sign).best()
        return opposite is not None and sign * (price - opposite) >= 0

    def place(self, order: OwnOrder) -> None:
        """Rest one of the bot's orders behind all that is at its price. It must not cross."""
        ladder = self.side(order.sign)
        order.ahead = ladder.others.get(order.price, 0)
        ladder.own.append(order)
        self._changed[order.sign].add(order.price)

    def own(self, order_id: str) -> OwnOrder | None:
        """One of the bot's orders; None when it isn't there (any more)."""
        resting = (order for ladder in (self.bids, self.asks) for order in ladder.own)
        return next((order for order in resting if order.order_id == order_id), None)

    def cancel(self, order_id: str) -> OwnOrder | None:
        """Take one of the bot's orders out; None when it isn't there (any more)."""
        order = self.own(order_id)
        if order is not None:
            self.side(order.sign).own.remove(order)
            self._changed[order.sign].add(order.price)
        return order

    def amend(self, order: OwnOrder, price: int, lots: int) -> None:
        """Change a resting order: with less at its price it keeps its place. The price must not cross."""
        if price == order.price and lots <= order.quantity:
            order.quantity = lots
            self._changed[order.sign].add(price)
            return
        self.cancel(order.order_id)
        order.price, order.quantity = price, lots
        self.place(order)

    def take(self, aggressor: int, lots: int, limit: int) -> list[Print]:
        """Trade up to so many lots against the other side, no worse than the limit price."""
        ladder = self.side(-aggressor)
        prints: list[Print] = []
        while lots:
            price = ladder.best()
            if price is None or aggressor * (price - limit) > 0:
                break
            traded = self._trade_at(ladder, price, lots)
            prints += traded
            lots -= sum(trade.quantity for trade in traded)
        return prints

    def take_changed(self, sign: int) -> list[int]:
        """Prices whose quantity changed since the last call, best first."""
        changed = sorted(self._changed[sign], key=self.side(sign).rank, reverse=True)
        self._changed[sign].clear()
        return changed

    def _trade_at(self, ladder: Ladder, price: int, lots: int) -> list[Print]:
        self._changed[ladder.sign].add(price)
        prints: list[Print] = []
        for order in [order for order in ladder.own if order.price == price]:
            lots -= self._hit_others(ladder, price, min(lots, order.ahead), prints)
            lots -= self._hit_own(ladder, order, lots, prints)
        self._hit_others(ladder, price, lots, prints)
        return prints

    def _hit_others(self, ladder: Ladder, price: int, lots: int, prints: list[Print]) -> int:
        hit = min(lots, ladder.others.get(price, 0))
        if not hit:
            return 0
        ladder.others[price] -= hit
        if not ladder.others[price]:
            del ladder.others[price]
        for order in ladder.own:
            if order.price == price:
                order.ahead = max(0, order.ahead - hit)
        prints.append(Print(price, hit, -ladder.sign))
        return hit

    def _hit_own(self, ladder: Ladder, order: OwnOrder, lots: int, prints: list[Print]) -> int:
        hit = min(lots, order.quantity)
        if not hit:
            return 0
        order.quantity -= hit
        if not order.quantity:
            ladder.own.remove(order)
        prints.append(Print(order.price, hit, -ladder.sign, order.order_id, order.quantity))
        return hit
