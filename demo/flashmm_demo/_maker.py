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
from flashmm_demo._slot import Slot, SlotState
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
)
from flashmm_instrumentation import Liquidity, Market, Side

_log = logging.getLogger(__name__)
_LEVELS: Final = 10
_DECIDE_EVERY_NS: Final = SECOND_NS // 50
_LIVE_AT_LEAST_NS: Final = SECOND_NS // 4
_BACK_OFF_NS: Final = SECOND_NS // 2
_VOLATILITY_MEMORY_S: Final = 30.0
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
        self._view = view
        self._books = books
        self._gateway = gateway
        self._signer = signer
        self._desk = desk
        self._market = market
        self._forecaster = forecaster
        self._half_spread = Ewma(_SPREAD_SHARE)
        self._slots = (Slot(1), Slot(-1))
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
                self._cancel(slot, reason, now_ns)

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
        _log.warning("%s: market data lost: %s", reset.symbol, reset.reason)
        self._forecaster.blind()
        for slot in self._slots:
            self._cancel(slot, "market_data_lost", now_ns)

    def _see(self, now_ns: int) -> None:
        self._tell_book(now_ns)
        top = self._view.total_top()
        if top is not None and top.spread > 0:
            self._books.mid = top.mid
            self.volatility.update(now_ns, float(top.mid / self.terms.instrument.tick))
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
        if self._at_limit(slot.sign):
            self._cancel(slot, "inventory", now_ns)
        elif slot.state is SlotState.IDLE:
            if now_ns >= slot.not_before_ns:
                self._place(slot, ticks, now_ns)
        elif self._is_off(slot, ticks, half_spread, now_ns):
            self._cancel(slot, "requote", now_ns)

    def _at_limit(self, sign: int) -> bool:
        after = self._books.position + sign * self.terms.quantity
        return sign * after > self.terms.limits.position

    def _is_off(self, slot: Slot, ticks: int, half_spread: float, now_ns: int) -> bool:
        """Whether the resting price is too far from the wanted one; too aggressive counts double."""
        threshold = max(1.0, 0.35 * half_spread)
        worse_by = slot.sign * (slot.ticks - ticks)
        if worse_by > 0:
            return worse_by > threshold / 2 or now_ns - slot.since_ns > 8 * SECOND_NS
        return -worse_by > threshold and now_ns - slot.since_ns > _LIVE_AT_LEAST_NS

    def _place(self, slot: Slot, ticks: int, now_ns: int) -> None:
        price = self.terms.instrument.price(ticks)
        request = OrderRequest(
            self._desk.next_order_id(), self.terms.instrument.symbol, slot.sign, price, self.terms.quantity
        )
        side = Side.BUY if slot.sign > 0 else Side.SELL
        order = self._market.order(side, price, request.quantity, request.order_id)
        order.decided()
        refused = self._refusal(request)
        order.risk_checked()
        if refused is not None:
            self._note_rejection(slot, refused, now_ns)
            order.rejected(refused)
            return
        self._signer.sign(request, now_ns)
        order.signed()
        slot.begin(request, order, ticks)
        self._gateway.submit(request, self, now_ns)
        order.submitted()

    def _refusal(self, request: OrderRequest) -> str | None:
        return refusal(
            self.terms.limits,
            self._books.position,
            request.sign,
            request.quantity,
            request.price,
            self._desk.exposure(),
        )

    def _cancel(self, slot: Slot, reason: str, now_ns: int) -> None:
        if slot.state is not SlotState.LIVE or slot.request is None or slot.order is None:
            return
        slot.state = SlotState.CANCELLING
        slot.cancel_reason = reason
        slot.order.cancel_requested(reason)
        self._gateway.cancel(slot.request.order_id, self, now_ns)

    # What the exchange reports.

    def acked(self, request: OrderRequest, now_ns: int) -> None:
        """The order rests in the book; one that is no longer wanted is cancelled at once."""
        slot = self._slot_of(request.order_id)
        if slot is None or slot.order is None:
            return
        slot.state = SlotState.LIVE
        slot.since_ns = now_ns
        self.orders["acked"] += 1
        slot.order.acked(now_ns, f"X{request.order_id}")
        self._tell_own(now_ns)
        if not self._quoting:
            self._cancel(slot, "not_quoting", now_ns)

    def rejected(self, request: OrderRequest, reason: str, now_ns: int) -> None:
        """The exchange turned the order down; the side waits before it tries again."""
        slot = self._slot_of(request.order_id)
        if slot is None or slot.order is None:
            return
        slot.order.rejected(reason, now_ns)
        self._note_rejection(slot, reason, now_ns)
        slot.end()

    def cancelled(self, order_id: str, now_ns: int) -> None:
        """The order is out of the book."""
        slot = self._slot_of(order_id)
        if slot is None or slot.order is None:
            return
        self.orders["cancelled"] += 1
        slot.order.cancelled(slot.cancel_reason, now_ns)
        slot.end()
        self._tell_own(now_ns)

    def cancel_failed(self, order_id: str, now_ns: int) -> None:
        """A fill was faster: there is nothing to undo, the fill tells the rest."""
        del now_ns
        self.orders["cancel_failed"] += 1
        _log.info("cancel of %s came too late", order_id)

    def executed(self, execution: Execution, now_ns: int) -> None:
        """One of the orders has filled, in part or in full."""
        slot = self._slot_of(execution.order_id)
        if slot is None or slot.order is None:
            return
        self._books.execute(execution)
        slot.order.filled(
            execution.fill_id,
            execution.price,
            execution.quantity,
            execution.fee,
            self.terms.instrument.quote,
            Liquidity.MAKER,
            execution.exchange_ns,
            execution.trade_id,
        )
        slot.remaining -= execution.quantity
        if not slot.remaining:
            self.orders["filled"] += 1
            slot.end()
        self._tell_own(now_ns)
        self._market.inventory(self._books.position, self.terms.limits.position)

    def _slot_of(self, order_id: str) -> Slot | None:
        return next((slot for slot in self._slots if slot.holds(order_id)), None)

    def _note_rejection(self, slot: Slot, reason: str, now_ns: int) -> None:
        self.orders["rejected"] += 1
        slot.not_before_ns = now_ns + _BACK_OFF_NS
        _log.warning("order rejected: %s", reason)

    def _tell_own(self, now_ns: int) -> None:
        """Our orders in the book have changed: note them in the view, tell the telemetry."""
        bid, ask = self._slots
        self._view.own_bids, self._view.own_asks = _levels(bid), _levels(ask)
        self._market.quoting(*_level(bid), *_level(ask), now_ns)
        if not self._view.includes_own:
            self._tell_book(now_ns)


def _levels(slot: Slot) -> dict[Decimal, Decimal]:
    if not slot.resting or slot.request is None:
        return {}
    return {slot.request.price: slot.remaining}


def _level(slot: Slot) -> tuple[Decimal, Decimal] | tuple[None, None]:
    if not slot.resting or slot.request is None:
        return None, None
    return slot.request.price, slot.remaining
