"""The market maker of one symbol: sees, decides, sends, and tells its telemetry of all of it."""

import logging
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from flashmm_demo._books import SymbolBooks
from flashmm_demo._forecast import Forecaster
from flashmm_demo._instruments import Instrument
from flashmm_demo._messages import Message, Reset, Trade
from flashmm_demo._signing import Signer
from flashmm_demo._slot import Dealing, Slot, SlotState
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo._view import MarketView
from flashmm_demo.exchange import Execution, Gateway, OrderRequest
from flashmm_demo.strategy import (
    Ewma,
    EwmaVolatility,
    MarketState,
    Quotes,
    QuotingParameters,
    RiskLimits,
    quotes,
    refusal,
    size_share,
)
from flashmm_instrumentation import Market, Side

_log = logging.getLogger(__name__)
_LEVELS: Final = 10
_DECIDE_EVERY_NS: Final = SECOND_NS // 50
_LIVE_AT_LEAST_NS: Final = SECOND_NS // 4
_VOLATILITY_MEMORY_S: Final = 30.0
_CALM_MEMORY_S: Final = 300.0
_SHRINK_FROM: Final = Decimal("0.3")
"""A smaller difference to the wanted size, in quotes, is left alone."""
_SPREAD_SHARE: Final = 0.02


class Desk(Protocol):
    """What a maker asks of the whole bot."""

    def exposure(self) -> Decimal:
        """Absolute notional of all positions."""
        ...

    def next_order_id(self) -> str:
        """A client order id not used before."""
        ...


@dataclass(frozen=True, slots=True)
class MakerTerms:
    """What a maker trades, and how much."""

    instrument: Instrument
    quantity: Decimal
    """Of one quote."""
    limits: RiskLimits
    quoting: QuotingParameters


class Maker:
    """Quotes one symbol on both sides while told to."""

    def __init__(
        self,
        terms: MakerTerms,
        view: MarketView,
        books: SymbolBooks,
        gateway: Gateway,
        signer: Signer,
        desk: Desk,
        market: Market,
        forecaster: Forecaster,
    ) -> None:
        self.terms = terms
        self.orders: Counter[str] = Counter()
        """Orders by what became of them."""
        self.volatility = EwmaVolatility(_VOLATILITY_MEMORY_S)
        """Of the mid, in ticks."""
        self._calm = EwmaVolatility(_CALM_MEMORY_S)
        self._view = view
        self._books = books
        self._desk = desk
        self._market = market
        self._forecaster = forecaster
        self._half_spread = Ewma(_SPREAD_SHARE)
        dealing = Dealing(terms.instrument, market, gateway, signer, self.orders, self._tell_own)
        self._slots = (Slot(1, dealing), Slot(-1, dealing))
        self._quoting = True
        self._decide_from_ns = 0

    @property
    def busy(self) -> bool:
        """Whether an order is in the book or on its way."""
        return any(slot.state is not SlotState.IDLE for slot in self._slots)

    @property
    def relative_volatility(self) -> float:
        """Of the mid's returns over one second, as a fraction."""
        mid = self._books.mid
        return self.volatility.per_root_second * float(self.terms.instrument.tick / mid) if mid else 0.0

    def quote(self, *, on: bool, reason: str, now_ns: int) -> None:
        """Begin or end quoting; at the end resting orders are cancelled."""
        self._quoting = on
        if not on:
            for slot in self._slots:
                slot.cancel(reason, now_ns)

    # What the market says.

    def hear(self, message: Message, now_ns: int) -> None:
        """Take in a message of the symbol."""
        if isinstance(message, Trade):
            self._hear_trade(message)
            return
        gaps = self._view.book.gaps
        changed = self._view.book.apply(message)
        if self._view.book.gaps != gaps:
            _log.warning("%s: a depth update is missing, waiting for a snapshot", message.symbol)
        if isinstance(message, Reset):
            self._lose_sight(message, now_ns)
        if changed:
            self._see(now_ns)

    def _hear_trade(self, trade: Trade) -> None:
        if trade.execution != "MARKET" or not trade.quantity:
            return
        self._forecaster.trade(trade)
        aggressor = Side.SELL if trade.buyer_is_maker else Side.BUY
        self._market.trade(trade.price, trade.quantity, aggressor, trade.exchange_ns, trade.received_ns)

    def _lose_sight(self, reset: Reset, now_ns: int) -> None:
        _log.info("%s: market data lost: %s", reset.symbol, reset.reason)
        self._forecaster.blind()
        for slot in self._slots:
            slot.cancel("market_data_lost", now_ns)

    def _see(self, now_ns: int) -> None:
        self._tell_book(now_ns)
        top = self._view.total_top()
        if top is not None and top.spread > 0:
            self._books.mid = top.mid
            mid = float(top.mid / self.terms.instrument.tick)
            self.volatility.update(now_ns, mid)
            self._calm.update(now_ns, mid)
            self._forecaster.top(now_ns, top)
        if now_ns >= self._decide_from_ns:
            self._decide_from_ns = now_ns + _DECIDE_EVERY_NS
            self._decide(now_ns)

    def _tell_book(self, now_ns: int) -> None:
        bids, asks = self._view.total(_LEVELS)
        self._market.depth(bids, asks, now_ns)

    # What to do about it.

    def _decide(self, now_ns: int) -> None:
        wanted = self._wanted()
        if wanted is None or not self._quoting:
            return
        for slot, ticks in zip(self._slots, (wanted.bid, wanted.ask), strict=True):
            self._steer(slot, ticks, wanted.half_spread, now_ns)

    def _wanted(self) -> Quotes | None:
        others = self._view.others_top()
        if others is None or others.spread <= 0:
            return None
        mid = others.mid
        tick = self.terms.instrument.tick
        self._half_spread.update(float(others.spread / tick) / 2)
        state = MarketState(
            mid=float(mid / tick),
            best_bid=self.terms.instrument.ticks(others.bid),
            best_ask=self.terms.instrument.ticks(others.ask),
            half_spread=self._half_spread.value or 0.5,
            volatility=self.volatility.per_root_second,
            alpha=self._forecaster.alpha_bp * 1e-4 * float(mid / tick),
            inventory=float(self._books.position / self.terms.quantity),
        )
        return quotes(state, self.terms.quoting)

    def _steer(self, slot: Slot, ticks: int, half_spread: float, now_ns: int) -> None:
        size = self._size(slot.sign)
        if not size:
            slot.cancel("inventory", now_ns)
        elif slot.state is SlotState.IDLE:
            if now_ns >= slot.not_before_ns:
                slot.place(self._request(slot.sign, ticks, size), self._refusal, now_ns)
        elif slot.state is SlotState.LIVE:
            self._requote(slot, ticks, half_spread, size, now_ns)

    def _size(self, sign: int) -> Decimal:
        """What to quote of a side: in whole lots, and no more than the limit on the position leaves."""
        room = self.terms.limits.position - sign * self._books.position
        lot = self.terms.instrument.lot
        share = size_share(sign * float(self._books.position / self.terms.limits.position), self._calmness)
        wanted = max(lot, self.terms.quantity * Decimal(share) // lot * lot)
        return min(wanted, max(Decimal(0), room))

    @property
    def _calmness(self) -> float:
        """The volatility of minutes over that of seconds; below 1 in a burst."""
        return self._calm.per_root_second / (self.volatility.per_root_second or 1.0)

    def _requote(self, slot: Slot, ticks: int, half_spread: float, size: Decimal, now_ns: int) -> None:
        """Amend in place: to the wanted price when it rests too far off, or to less at its price."""
        if self._is_off(slot, ticks, half_spread, now_ns):
            slot.amend(self.terms.instrument.price(ticks), size, now_ns)
        elif slot.remaining - size > self.terms.quantity * _SHRINK_FROM:
            slot.amend(slot.price, size, now_ns)

    def _is_off(self, slot: Slot, ticks: int, half_spread: float, now_ns: int) -> bool:
        """Whether the resting price is too far from the wanted one; too aggressive counts double."""
        threshold = max(1.0, 0.35 * half_spread)
        worse_by = slot.sign * (self.terms.instrument.ticks(slot.price) - ticks)
        if worse_by > 0:
            return worse_by > threshold / 2 or now_ns - slot.since_ns > 8 * SECOND_NS
        return -worse_by > threshold and now_ns - slot.since_ns > _LIVE_AT_LEAST_NS

    def _request(self, sign: int, ticks: int, size: Decimal) -> OrderRequest:
        traded = self.terms.instrument
        return OrderRequest(self._desk.next_order_id(), traded.symbol, sign, traded.price(ticks), size)

    def _refusal(self, request: OrderRequest) -> str | None:
        return refusal(
            self.terms.limits,
            self._books.position,
            request.sign,
            request.quantity,
            request.price,
            self._desk.exposure(),
        )

    # What came of it.

    def executed(self, execution: Execution, now_ns: int) -> None:
        """One of the orders has filled, in part or in full."""
        self._books.execute(execution)
        for slot in self._slots:
            slot.executed(execution, now_ns)
        self._market.inventory(self._books.position, self.terms.limits.position)

    def _tell_own(self, now_ns: int) -> None:
        """Our orders in the book have changed: note them in the view, tell the telemetry."""
        bid, ask = self._slots
        self._view.own_bids, self._view.own_asks = self._levels(bid), self._levels(ask)
        self._market.quoting(*_level(bid), *_level(ask), now_ns)
        if not self._view.includes_own:
            self._tell_book(now_ns)

    def _levels(self, slot: Slot) -> dict[Decimal, Decimal]:
        """What to count as ours: an order in doubt only where the feed's book would show it."""
        counts = slot.may_rest if self._view.includes_own else slot.resting
        return {slot.price: slot.remaining} if counts else {}


def _level(slot: Slot) -> tuple[Decimal, Decimal] | tuple[None, None]:
    return (slot.price, slot.remaining) if slot.quoted else (None, None)
