"""One symbol's simulated exchange: what happens in the matching engine becomes public messages and our executions."""

from collections import deque
from decimal import Decimal
from random import Random
from typing import Final

from flashmm_demo._instruments import Instrument
from flashmm_demo._messages import Depth, Level, MarketMessage, Snapshot, Ticker, Trade
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo.exchange._orders import WOULD_TAKE, Account, Accounts, Amendment, Execution, OrderRequest
from flashmm_demo.simulation._matching import SELL, Ladder, MatchingEngine, OwnOrder, Print
from flashmm_demo.simulation._participants import MarketParameters, Participants

_DEPTH_EVERY_NS: Final = SECOND_NS // 10
_MS: Final = 1_000_000


class SimulatedMarket:
    """Others act on their own at `next_ns`; the bot's orders come in between and rest among theirs."""

    def __init__(
        self, instrument: Instrument, start_ns: int, accounts: Accounts, parameters: MarketParameters, random: Random
    ) -> None:
        self.instrument = instrument
        self._accounts = accounts
        self._engine = MatchingEngine()
        self.participants = Participants(instrument.ticks(instrument.start_price), self._engine, parameters, random)
        self._event_ns = start_ns
        self._depth_ns = start_ns + _DEPTH_EVERY_NS
        self._requests: dict[str, OrderRequest] = {}
        self._executions: list[Execution] = []
        self._outbox: deque[MarketMessage] = deque()
        self._update_id = 1
        self._depth_id = 1
        self._trade_id = 0
        self._shown: tuple[int, int, int, int] | None = None
        self._start_ns: int | None = start_ns
        self._pull_forward()

    @property
    def next_ns(self) -> int:
        """The simulation's time of what happens next."""
        return min(self._event_ns, self._depth_ns) if self._start_ns is None else self._start_ns

    def step(self, stamp_ns: int) -> None:
        """Let the next thing happen, stamped so; the first is a snapshot of the book."""
        if self._start_ns is not None:
            self._start_ns = None
            self._begin(stamp_ns)
            return
        if self._depth_ns < self._event_ns:
            self._depth_ns += _DEPTH_EVERY_NS
            self._publish_depth(stamp_ns)
            return
        prints = self.participants.act()
        self._pull_forward()
        self._publish(prints, stamp_ns)

    def take_message(self) -> MarketMessage | None:
        """The oldest message not yet taken."""
        return self._outbox.popleft() if self._outbox else None

    def place(self, request: OrderRequest, now_ns: int) -> str | None:
        """Rest the bot's order in the book; the reason when it would take."""
        price = self.instrument.ticks(request.price)
        if self._engine.crosses(request.sign, price):
            return WOULD_TAKE
        self._requests[request.order_id] = request
        lots = int(request.quantity / self.instrument.lot)
        self._engine.place(OwnOrder(request.order_id, request.sign, price, lots))
        self._publish_ticker(now_ns)
        return None

    def amend(self, request: OrderRequest, now_ns: int) -> Amendment:
        """Change the bot's order where it rests."""
        order = self._engine.own(request.order_id)
        if order is None:
            return Amendment.GONE
        price = self.instrument.ticks(request.price)
        before = self._requests[request.order_id].quantity
        lots = order.quantity + int((request.quantity - before) / self.instrument.lot)
        if lots <= 0 or self._engine.crosses(request.sign, price):
            self.cancel(request.order_id, now_ns)
            return Amendment.REMOVED
        self._engine.amend(order, price, lots)
        self._requests[request.order_id] = request
        self._publish_ticker(now_ns)
        return Amendment.DONE

    def resting(self, order_id: str) -> OrderRequest | None:
        """The bot's order as it is in the book now."""
        return self._requests.get(order_id)

    def cancel(self, order_id: str, now_ns: int) -> bool:
        """Take the bot's order out; False when it has filled."""
        if self._engine.cancel(order_id) is None:
            return False
        del self._requests[order_id]
        self._publish_ticker(now_ns)
        return True

    def take_executions(self) -> list[Execution]:
        """The bot's fills since the last call."""
        taken, self._executions = self._executions, []
        return taken

    def _pull_forward(self) -> None:
        self._event_ns += max(1, int(self.participants.next_in_s * SECOND_NS))

    def _begin(self, stamp_ns: int) -> None:
        self._changed_levels(self._engine.bids)
        self._changed_levels(self._engine.asks)
        self._outbox.append(
            Snapshot(
                symbol=self.instrument.symbol,
                received_ns=stamp_ns,
                exchange_ns=_to_ms(stamp_ns),
                last_id=self._update_id,
                bids=self._levels(self._engine.bids),
                asks=self._levels(self._engine.asks),
                transaction_ns=_to_ms(stamp_ns),
            )
        )
        self._publish_ticker(stamp_ns)

    def _publish(self, prints: list[Print], stamp_ns: int) -> None:
        for trade in prints:
            self._trade_id += 1
            self._publish_trade(trade, stamp_ns)
            self._execute(trade, stamp_ns)
        self._publish_ticker(stamp_ns)

    def _publish_trade(self, trade: Print, stamp_ns: int) -> None:
        self._outbox.append(
            Trade(
                symbol=self.instrument.symbol,
                received_ns=stamp_ns,
                exchange_ns=_to_ms(stamp_ns),
                trade_id=self._trade_id,
                price=self.instrument.price(trade.price),
                quantity=self.instrument.quantity(trade.quantity),
                buyer_is_maker=trade.aggressor == SELL,
                transaction_ns=_to_ms(stamp_ns),
                execution="MARKET",
            )
        )

    def _execute(self, trade: Print, stamp_ns: int) -> None:
        if trade.order_id is None:
            return
        quantity = self.instrument.quantity(trade.quantity)
        request = self._requests[trade.order_id]
        self._executions.append(
            self._accounts.execute(request, request.price, quantity, str(self._trade_id), _to_ms(stamp_ns))
        )
        if not trade.left:
            del self._requests[trade.order_id]

    def _publish_ticker(self, stamp_ns: int) -> None:
        top = self._engine.top()
        if top is None:
            return
        bid, ask = top
        shown = (bid, self._engine.bids.lots_at(bid), ask, self._engine.asks.lots_at(ask))
        if shown != self._shown:
            self._shown = shown
            self._update_id += 1
            self._outbox.append(self._ticker(shown, stamp_ns))

    def _ticker(self, shown: tuple[int, int, int, int], stamp_ns: int) -> Ticker:
        bid, bid_lots, ask, ask_lots = shown
        return Ticker(
            symbol=self.instrument.symbol,
            received_ns=stamp_ns,
            exchange_ns=_to_ms(stamp_ns),
            update_id=self._update_id,
            bid=self.instrument.price(bid),
            bid_quantity=self.instrument.quantity(bid_lots),
            ask=self.instrument.price(ask),
            ask_quantity=self.instrument.quantity(ask_lots),
            transaction_ns=_to_ms(stamp_ns),
        )

    def _publish_depth(self, stamp_ns: int) -> None:
        bids, asks = self._changed_levels(self._engine.bids), self._changed_levels(self._engine.asks)
        if not bids and not asks:
            return
        self._update_id += 1
        self._outbox.append(
            Depth(
                symbol=self.instrument.symbol,
                received_ns=stamp_ns,
                exchange_ns=_to_ms(stamp_ns),
                first_id=self._depth_id + 1,
                last_id=self._update_id,
                previous_id=self._depth_id,
                bids=bids,
                asks=asks,
                transaction_ns=_to_ms(stamp_ns),
                stream=f"{self.instrument.symbol.lower()}@depth@100ms",
            )
        )
        self._depth_id = self._update_id

    def _changed_levels(self, ladder: Ladder) -> tuple[Level, ...]:
        return tuple(self._level(ladder, price) for price in self._engine.take_changed(ladder.sign))

    def _levels(self, ladder: Ladder) -> tuple[Level, ...]:
        return tuple(self._level(ladder, price) for price in ladder.prices())

    def _level(self, ladder: Ladder, price: int) -> tuple[Decimal, Decimal]:
        return self.instrument.price(price), self.instrument.quantity(ladder.lots_at(price))


def _to_ms(ns: int) -> int:
    return ns // _MS * _MS


class SimulatedExchange:
    """The `Exchange` of the simulated feed: every symbol's market behind one door."""

    def __init__(self, markets: dict[str, SimulatedMarket], accounts: Accounts) -> None:
        self._markets = markets
        self._accounts = accounts

    def place(self, request: OrderRequest, now_ns: int) -> str | None:
        """Rest an order in its symbol's book; the reason when it would take."""
        return self._markets[request.symbol].place(request, now_ns)

    def amend(self, request: OrderRequest, now_ns: int) -> Amendment:
        """Change an order in its symbol's book."""
        return self._markets[request.symbol].amend(request, now_ns)

    def resting(self, order_id: str) -> OrderRequest | None:
        """An order in any of the books."""
        found = (market.resting(order_id) for market in self._markets.values())
        return next((request for request in found if request is not None), None)

    def cancel(self, order_id: str, now_ns: int) -> bool:
        """Take an order out; False when it is no longer there."""
        return any(market.cancel(order_id, now_ns) for market in self._markets.values())

    def observe(self, message: object) -> None:
        """Nothing to learn: the simulated market knows of the orders."""

    def take_executions(self) -> list[Execution]:
        """Fills since the last call, by symbol and in order."""
        return [execution for market in self._markets.values() for execution in market.take_executions()]

    def pay_funding(self, symbol: str, rate: Decimal, mark: Decimal) -> Decimal:
        """Settle funding; the amount, negative when paid."""
        return self._accounts.of(symbol).pay_funding(rate, mark)

    def account(self, symbol: str) -> Account:
        """The exchange's own books."""
        return self._accounts.of(symbol)
