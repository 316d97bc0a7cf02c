"""What is known of a market at an instant: its book, and which of it is ours. From it come the rates of all sums."""

from typing import Final

from flashmm_instrumentation._book import EMPTY, Condition, DepthRule, Levels, condition, rests, without_us
from flashmm_instrumentation._ours import OwnSide
from flashmm_instrumentation._sums import Rates
from flashmm_instrumentation.semconv.attributes import Side


class MarketSight:
    """The last book and our orders. tick: 10⁻¹⁸. rates: what holds while the book is fresh."""

    __slots__ = ("_depth", "_own_asks", "_own_bids", "_tick", "asks", "bids", "rates")

    def __init__(self, tick: int, depth: DepthRule | None) -> None:
        self._tick: Final = tick
        self._depth: Final = depth
        self._own_bids, self._own_asks = OwnSide(), OwnSide()
        self.bids = self.asks = EMPTY
        self.rates = Rates()

    @property
    def own_bids(self) -> Levels:
        """Our bids as last told."""
        return self._own_bids.told

    @property
    def own_asks(self) -> Levels:
        """Our asks as last told."""
        return self._own_asks.told

    def book(self, bids: Levels, asks: Levels) -> None:
        """The market shows this."""
        self.bids, self.asks = bids, asks
        self._own_bids.seen()
        self._own_asks.seen()
        self.rates = self._derived()

    def quotes(self, bids: Levels, asks: Levels) -> None:
        """Our orders are these."""
        self._own_bids.tell(bids)
        self._own_asks.tell(asks)
        self.rates = self._derived()

    def doubt(self, order_id: str, side: Side, levels: Levels, *, rested: bool) -> bool:
        """Where an order may be; see OwnSide. The next book is the first that it matters for."""
        return (self._own_bids if side is Side.BUY else self._own_asks).doubt(order_id, levels, rested=rested)

    def _derived(self) -> Rates:
        bids, asks = self.bids, self.asks
        rates = Rates(condition(bids, asks), quoting=bool(self.own_bids or self.own_asks))
        if rates.condition is not Condition.VALID:
            return rates
        bid, ask = bids[0][0], asks[0][0]
        rates.total, rates.mid2 = ask - bid, ask + bid
        rates.one_tick = rates.total == self._tick
        rates.market = _spread(_others(bids, self._own_bids), _others(asks, self._own_asks))
        if self._depth is not None:
            rates.depth = _spread(self._depth.price(bids), self._depth.price(asks))
        self._derive_own(rates, bid, ask)
        return rates

    def _derive_own(self, rates: Rates, bid: int, ask: int) -> None:
        if rests(self.own_bids, bid, sign=1) and rests(self.own_asks, ask, sign=-1):
            own_bid, own_ask = self.own_bids[0][0], self.own_asks[0][0]
            rates.two_sided = True
            rates.own = own_ask - own_bid
            rates.at_best = own_bid == bid or own_ask == ask


def _others(levels: Levels, ours: OwnSide) -> int | None:
    return without_us(levels, ours.least, ours.most)


def _spread(bid: int | None, ask: int | None) -> int | None:
    return None if bid is None or ask is None else ask - bid
