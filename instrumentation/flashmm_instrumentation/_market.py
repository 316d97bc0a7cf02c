"""One market that the bot trades: what it sees of it, what it quotes there, and its orders."""

from collections.abc import Iterable
from typing import Final

from flashmm_instrumentation._book import DepthRule, Levels
from flashmm_instrumentation._boundary import Boundary, Misuse, survives, survives_with
from flashmm_instrumentation._core import Core
from flashmm_instrumentation._inputs import side as known_side
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._numbers import Number, amount_text, atto, figure, optional_text
from flashmm_instrumentation._order import Order
from flashmm_instrumentation._scope import MarketScope
from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import MisuseReason, Side


class Market:
    """A handle, bound once by Bot.market. Prices and quantities: Decimal, str, int or float (see Number).

    Times are UTC nanoseconds of the bot's clock (Bot.now_ns); one more than a second in the future counts as now.
    """

    __slots__ = (
        "__weakref__",
        "_handled_ns",
        "_nowhere",
        "_received_ns",
        "_scope",
        "_stale_after_ns",
    )

    def __init__(self, core: Core, terms: Instrument, stale_after_ns: int, depth: DepthRule | None) -> None:
        self._stale_after_ns: Final = stale_after_ns
        self._scope: Final = MarketScope(core, terms, stale_after_ns, depth)
        self._received_ns: int | None = None
        self._handled_ns = 0
        self._nowhere: MarketScope | None = None
        self._scope.sampler.begin(core.clock.now_ns())

    @property
    def boundary(self) -> Boundary:
        """Where this handle's failures stop."""
        return self._scope.core.boundary

    def expect(self, terms: Instrument) -> None:
        """Raises ValueError, naming what differs, if the market is bound on other terms."""
        bound, asked = self._scope.terms.body(), terms.body()
        differing = [f"{name} {bound[name]}, not {asked[name]}" for name in bound if bound[name] != asked[name]]
        if differing:
            raise ValueError(f"{terms.venue} {terms.symbol} is bound already with {', '.join(differing)}")

    # What the bot sees.

    @survives
    def book(
        self,
        bid: Number | None,
        bid_qty: Number | None,
        ask: Number | None,
        ask_qty: Number | None,
        received_ns: int | None = None,
    ) -> None:
        """The top of the book, our own orders included, from received_ns on. None: that side is empty.

        Where the whole of a best level is ours, the market without us cannot be derived from the top alone; give
        more levels with depth().
        """
        self._book(
            self._scope.inputs.level(bid, bid_qty, "bid"), self._scope.inputs.level(ask, ask_qty, "ask"), received_ns
        )

    @survives
    def depth(
        self,
        bids: Iterable[tuple[Number, Number]],
        asks: Iterable[tuple[Number, Number]],
        received_ns: int | None = None,
    ) -> None:
        """Several levels of (price, quantity), best first, our own orders included; 100 a side are looked at."""
        self._book(
            self._scope.inputs.levels(bids, "bids", sign=1),
            self._scope.inputs.levels(asks, "asks", sign=-1),
            received_ns,
        )

    @survives
    def trade(
        self,
        price: Number,
        quantity: Number,
        aggressor_side: Side | None = None,
        exchange_ns: int | None = None,
        received_ns: int | None = None,
    ) -> None:
        """A public trade, those with us included. aggressor_side: the taker's, where the venue tells it.

        The quantity and the count go into the spread sample. price and aggressor_side are checked and not kept: a
        bot tells what the effective spread takes, so that nobody's calls change when that is measured.
        """
        scope, at_ns = self._scope, self._at_ns(received_ns)
        scope.inputs.price(price)
        traded = scope.inputs.quantity(quantity)
        if aggressor_side is not None:
            known_side(aggressor_side)
        scope.sampler.trade(at_ns, traded)
        exchange_ns = scope.inputs.whole(exchange_ns)
        if exchange_ns is not None:
            scope.core.clock_offset(scope.terms.venue, exchange_ns, at_ns)

    # What the bot does.

    @survives
    def quoting(
        self,
        our_bid: Number | None,
        our_bid_qty: Number | None,
        our_ask: Number | None,
        our_ask_qty: Number | None,
        received_ns: int | None = None,
    ) -> None:
        """Our best resting orders from received_ns on, now if not given; None: not quoting that side.

        A book is compared with the quotes told before it, so tell an order when the exchange has it, and give the
        book's own received_ns where that book shows it already.
        """
        inputs = self._scope.inputs
        bids, asks = inputs.level(our_bid, our_bid_qty, "our_bid"), inputs.level(our_ask, our_ask_qty, "our_ask")
        self._quoting(bids, asks, received_ns)

    @survives
    def quoting_levels(
        self,
        our_bids: Iterable[tuple[Number, Number]],
        our_asks: Iterable[tuple[Number, Number]],
        received_ns: int | None = None,
    ) -> None:
        """All our resting orders as levels of (price, quantity), best first, for a bot that quotes in layers."""
        inputs = self._scope.inputs
        bids, asks = inputs.levels(our_bids, "our_bids", sign=1), inputs.levels(our_asks, "our_asks", sign=-1)
        self._quoting(bids, asks, received_ns)

    def _unplaced(self, *told: object, **named: object) -> Order:
        """What an order that cannot be made sense of gets: a handle like any other, whose telemetry goes nowhere."""
        order_id = named.get("client_order_id", told[3] if len(told) > 3 else "")
        known_id = order_id if isinstance(order_id, str) else ""
        self._nowhere = self._nowhere or self._scope.to_nowhere()
        return Order(self._nowhere, Side.BUY, None, 0, known_id, 0, 0)

    @survives_with(_unplaced)
    def order(
        self,
        side: Side,
        price: Number | None,
        quantity: Number,
        client_order_id: str,
        received_ns: int | None = None,
    ) -> Order:
        """A new order. price: None for a market order.

        received_ns: when the tick that it answers arrived; the last book's if not given, and now if that is older
        than the staleness limit. The stage `receive` ends when that book was told, and is left out for another tick.
        """
        scope, now_ns = self._scope, self._scope.core.clock.now_ns()
        side, order_id = known_side(side), scope.inputs.identifier(client_order_id, "client_order_id")
        priced = None if price is None else scope.inputs.price(price)
        sized = scope.inputs.positive(quantity)
        tick_ns = self._tick_ns(received_ns, now_ns)
        handled_ns = self._handled_ns if tick_ns is not None and tick_ns == self._received_ns else None
        return Order(scope, side, priced, sized, scope.begin(order_id), tick_ns or now_ns, now_ns, handled_ns)

    @survives
    def assignment(
        self,
        experiment: str,
        assignment_id: str,
        arm: str,
        start_ns: int | None = None,
        planned_end_ns: int | None = None,
    ) -> None:
        """Which arm (`on` or `off`) a switchback experiment is in from now on; the current spread sample ends."""
        if arm not in ("on", "off"):
            raise Misuse(MisuseReason.BAD_ARM, f"{arm!r} is neither on nor off")
        at_ns, inputs = self._at_ns(start_ns, "start_ns"), self._scope.inputs
        assignment_id = inputs.identifier(assignment_id, "assignment_id")
        self._emit(
            events.ASSIGNMENT.name,
            self._scope.core.clock.now_ns(),
            experiment=inputs.identifier(experiment, "experiment"),
            assignment_id=assignment_id,
            arm=arm,
            start_ns=at_ns,
            planned_end_ns=inputs.whole(planned_end_ns, "planned_end_ns"),
        )
        self._scope.sampler.assignment(at_ns, assignment_id)

    # What the bot holds.

    @survives
    def inventory(self, position: Number, limit: Number | None = None) -> None:
        """The signed position, and the limit on its size."""
        instruments, labels = self._scope.core.instruments, self._scope.labels.market
        held = figure(position, "position")
        instruments.inventory_position.set(held, labels)
        if limit is not None:
            size = figure(limit, "limit")
            if not size > 0:
                raise Misuse(MisuseReason.BAD_LIMIT, f"limit {limit!r} is not positive")
            instruments.inventory_utilization.set(abs(held) / size, labels)

    @survives
    def position(
        self,
        quantity: Number,
        average_price: Number | None = None,
        balance: Number | None = None,
        exchange_ns: int | None = None,
        received_ns: int | None = None,
    ) -> None:
        """A position as the exchange reports it, and the balance of the settlement currency."""
        self._emit(
            events.POSITION.name,
            self._at_ns(received_ns),
            quantity=amount_text(quantity, "quantity"),
            average_price=optional_text(average_price, "average_price"),
            balance=optional_text(balance, "balance"),
            currency=self._scope.terms.settle,
            exchange_time_ns=self._scope.inputs.whole(exchange_ns),
        )

    @survives
    def funding(
        self,
        amount: Number,
        currency: str | None = None,
        rate: Number | None = None,
        position: Number | None = None,
        exchange_ns: int | None = None,
        received_ns: int | None = None,
    ) -> None:
        """A funding payment: negative when paid. currency: the settlement currency if not given."""
        self._emit(
            events.FUNDING.name,
            self._at_ns(received_ns),
            amount=amount_text(amount, "amount"),
            currency=self._scope.inputs.identifier(currency or self._scope.terms.settle, "currency"),
            rate=optional_text(rate, "rate"),
            position=optional_text(position, "position"),
            exchange_time_ns=self._scope.inputs.whole(exchange_ns),
        )

    # What the bot's ticker calls.

    def tick(self, now_ns: int) -> None:
        """Emit the samples of the seconds that are over."""
        self._scope.sampler.tick(now_ns)

    def finish(self, now_ns: int) -> None:
        """Emit the last sample, cut at now_ns."""
        self._scope.sampler.finish(now_ns)

    def restart_in_child(self) -> None:
        """After a fork: silent until the child tells of a book or quotes of its own."""
        self._scope.sampler.restart_in_child()
        self._nowhere = None

    # Behind them.

    def _book(self, bids: Levels, asks: Levels, received_ns: int | None) -> None:
        scope = self._scope
        now_ns = scope.core.clock.now_ns()
        at_ns = scope.inputs.time(received_ns, now_ns)
        if scope.sampler.book(at_ns, bids, asks):
            self._received_ns, self._handled_ns = at_ns, now_ns
            scope.mids.book(at_ns, bids, asks)

    def _quoting(self, bids: Levels, asks: Levels, received_ns: int | None) -> None:
        self._scope.sampler.quotes(self._at_ns(received_ns), bids, asks)

    def _tick_ns(self, received_ns: int | None, now_ns: int) -> int | None:
        if received_ns is not None:
            return self._scope.inputs.time(received_ns, now_ns)
        last_ns = self._received_ns
        return None if last_ns is None or now_ns - last_ns > self._stale_after_ns else last_ns

    def _at_ns(self, at_ns: int | None, name: str = "received_ns") -> int:
        return self._scope.inputs.time(at_ns, self._scope.core.clock.now_ns(), name)

    def _emit(self, kind: str, time_ns: int, **fields: str | int | None) -> None:
        terms = self._scope.terms
        self._scope.core.streams.emit(kind, time_ns, {"venue": terms.venue, "symbol": terms.symbol, **fields})


def depth_rule(terms: Instrument, notional: Number | None) -> DepthRule | None:
    """The rule for a fixed notional in quote units. Raises ValueError if it is not positive."""
    if notional is None:
        return None
    scaled = atto(notional, "depth_notional")
    if scaled <= 0:
        raise ValueError(f"depth_notional must be positive, not {notional!r}")
    return DepthRule(scaled, terms.multiplier, terms.inverse)
