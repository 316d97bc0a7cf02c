"""One market that the bot trades: what it sees of it, what it quotes there, and its orders."""

import threading
from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Final

from flashmm_instrumentation._book import EMPTY, DepthRule, Level, Levels
from flashmm_instrumentation._boundary import Boundary, Misuse, survives
from flashmm_instrumentation._core import Core
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._integrator import SECOND_NS, Closed, SpreadIntegrator
from flashmm_instrumentation._labels import market_labels
from flashmm_instrumentation._numbers import Grid, Number, amount_text, atto, text
from flashmm_instrumentation._order import Order
from flashmm_instrumentation._samples import emit_sample
from flashmm_instrumentation._scope import MarketScope
from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import DropReason, MisuseReason, Side

_FUTURE_NS: Final = SECOND_NS
_LEVELS_LIMIT: Final = 100


class Market:
    """A handle, bound once by Bot.market. Prices and quantities: Decimal, str, int or float (see Number).

    Times are UTC nanoseconds of the bot's clock (Bot.now_ns); one more than a second in the future counts as now.
    """

    __slots__ = (
        "__weakref__",
        "_depth",
        "_handled_ns",
        "_received_ns",
        "_running",
        "_scope",
        "_stale_after_ns",
    )

    def __init__(self, core: Core, terms: Instrument, stale_after_ns: int, depth: DepthRule | None) -> None:
        self._stale_after_ns: Final = stale_after_ns
        self._depth: Final = depth
        labels = market_labels(terms.venue, terms.symbol, terms.quote)
        integrator = SpreadIntegrator(terms.tick.step, core.clock.now_ns(), stale_after_ns, depth)
        self._scope: Final = MarketScope(core, terms, labels, integrator)
        self._received_ns: int | None = None
        self._handled_ns = 0
        self._running = True
        self._announce()

    @property
    def boundary(self) -> Boundary:
        """Where this handle's failures stop."""
        return self._scope.core.boundary

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
        self._book(self._level(bid, bid_qty), self._level(ask, ask_qty), received_ns)

    @survives
    def depth(
        self,
        bids: Iterable[tuple[Number, Number]],
        asks: Iterable[tuple[Number, Number]],
        received_ns: int | None = None,
    ) -> None:
        """Several levels of (price, quantity), best first, our own orders included; 100 a side are looked at."""
        self._book(self._levels(bids, sign=1), self._levels(asks, sign=-1), received_ns)

    @survives
    def trade(
        self,
        price: Number,
        quantity: Number,
        aggressor_side: Side | None = None,
        exchange_ns: int | None = None,
        received_ns: int | None = None,
    ) -> None:
        """A public trade, those with us included. aggressor_side: the taker's, where the venue tells it."""
        scope = self._scope
        now_ns = scope.core.clock.now_ns()
        at_ns = self._past(received_ns, now_ns)
        self._priced(price)
        quantity_atto = self._sized(quantity)
        if aggressor_side is not None:
            _side(aggressor_side)
        with scope.lock:
            scope.integrator.trade(at_ns, quantity_atto)
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
        """Our best resting orders from now on; None: not quoting that side."""
        self._quoting(self._level(our_bid, our_bid_qty), self._level(our_ask, our_ask_qty), received_ns)

    @survives
    def quoting_levels(
        self,
        our_bids: Iterable[tuple[Number, Number]],
        our_asks: Iterable[tuple[Number, Number]],
        received_ns: int | None = None,
    ) -> None:
        """All our resting orders as levels of (price, quantity), best first, for a bot that quotes in layers."""
        self._quoting(self._levels(our_bids, sign=1), self._levels(our_asks, sign=-1), received_ns)

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
        try:
            return self._order(self._scope, side, price, quantity, client_order_id, received_ns)
        except Exception as error:  # noqa: BLE001 the boundary: counts, logs once, raises under test
            self.boundary.caught("Market.order", error)
            return Order(self._scope.to_nowhere(), Side.BUY, None, 0, str(client_order_id), 0, 0)

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
        now_ns = self._scope.core.clock.now_ns()
        at_ns = self._past(start_ns, now_ns)
        self._emit(
            events.ASSIGNMENT.name,
            now_ns,
            experiment=experiment,
            assignment_id=assignment_id,
            arm=arm,
            start_ns=at_ns,
            planned_end_ns=planned_end_ns,
        )
        with self._scope.lock:
            self._scope.integrator.assignment(at_ns, assignment_id)

    # What the bot holds.

    @survives
    def inventory(self, position: Number, limit: Number | None = None) -> None:
        """The signed position, and the limit on its size."""
        instruments, labels = self._scope.core.instruments, self._scope.labels.market
        instruments.inventory_position.set(float(position), labels)
        if limit is not None:
            size = float(limit)
            if not size > 0:
                raise Misuse(MisuseReason.BAD_LIMIT, f"{limit!r} is not positive")
            instruments.inventory_utilization.set(abs(float(position)) / size, labels)

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
            quantity=amount_text(quantity),
            average_price=_optional(average_price),
            balance=_optional(balance),
            currency=self._scope.terms.settle,
            exchange_time_ns=exchange_ns,
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
            amount=amount_text(amount),
            currency=currency or self._scope.terms.settle,
            rate=_optional(rate),
            position=_optional(position),
            exchange_time_ns=exchange_ns,
        )

    # What the bot's ticker calls.

    def tick(self, now_ns: int) -> None:
        """Emit the samples of the seconds that are over."""
        if self._running:
            with self._scope.lock:
                closed = self._scope.integrator.close_until(now_ns)
            self._emit_samples(closed)

    def finish(self, now_ns: int) -> None:
        """Emit the last sample, cut at now_ns."""
        if self._running:
            self._running = False
            with self._scope.lock:
                closed = self._scope.integrator.finish(now_ns)
            self._emit_samples(closed)

    def restart_in_child(self) -> None:
        """After a fork: silent until the child tells of a book or quotes of its own."""
        self._scope.lock = threading.Lock()
        self._running = False

    # Behind them.

    def _announce(self) -> None:
        core, terms = self._scope.core, self._scope.terms
        core.emit(events.INSTRUMENT.name, core.clock.now_ns(), terms.body())

    def _resume(self, now_ns: int) -> None:
        tick = self._scope.terms.tick.step
        self._scope.integrator = SpreadIntegrator(tick, now_ns, self._stale_after_ns, self._depth)
        self._running = True
        self._announce()

    def _book(self, bids: Levels, asks: Levels, received_ns: int | None) -> None:
        scope = self._scope
        now_ns = scope.core.clock.now_ns()
        at_ns = self._past(received_ns, now_ns)
        if not self._running:
            self._resume(at_ns)
        with scope.lock:
            accepted = scope.integrator.book(at_ns, bids, asks)
        if accepted:
            self._received_ns, self._handled_ns = at_ns, now_ns
            scope.mid2 = bids[0][0] + asks[0][0] if bids and asks else None

    def _quoting(self, bids: Levels, asks: Levels, received_ns: int | None) -> None:
        at_ns = self._at_ns(received_ns)
        if not self._running:
            self._resume(at_ns)
        with self._scope.lock:
            self._scope.integrator.quotes(at_ns, bids, asks)

    def _order(
        self,
        scope: MarketScope,
        side: Side,
        price: Number | None,
        quantity: Number,
        order_id: str,
        received_ns: int | None,
    ) -> Order:
        now_ns = scope.core.clock.now_ns()
        side = _side(side)
        price_atto = None if price is None else self._priced(price)
        quantity_atto = self._sized(quantity)
        if quantity_atto <= 0:
            raise Misuse(MisuseReason.BAD_QUANTITY, f"an order of {quantity!r}")
        tick_ns = self._tick_ns(received_ns, now_ns)
        order = Order(scope, side, price_atto, quantity_atto, order_id, tick_ns or now_ns, now_ns)
        if tick_ns is not None and tick_ns == self._received_ns:
            order.received(self._handled_ns)
        return order

    def _tick_ns(self, received_ns: int | None, now_ns: int) -> int | None:
        if received_ns is not None:
            return self._past(received_ns, now_ns)
        last_ns = self._received_ns
        return None if last_ns is None or now_ns - last_ns > self._stale_after_ns else last_ns

    def _at_ns(self, at_ns: int | None) -> int:
        return self._past(at_ns, self._scope.core.clock.now_ns())

    def _past(self, at_ns: int | None, now_ns: int) -> int:
        if at_ns is None:
            return now_ns
        if at_ns > now_ns + _FUTURE_NS:
            self.boundary.note(
                MisuseReason.FUTURE_TIME, f"{at_ns} is {(at_ns - now_ns) / 1e9:.3f} s ahead of the bot's clock"
            )
            return now_ns
        return at_ns

    def _level(self, price: Number | None, quantity: Number | None) -> Levels:
        if price is None or quantity is None:
            if price is not quantity:
                raise Misuse(MisuseReason.HALF_A_LEVEL, f"price {price!r} with quantity {quantity!r}")
            return EMPTY
        priced, sized = self._priced(price), self._sized(quantity)
        return ((priced, sized),) if sized else EMPTY

    def _levels(self, levels: Iterable[tuple[Number, Number]], *, sign: int) -> Levels:
        given = ((self._priced(price), self._sized(quantity)) for price, quantity, *_ in levels)
        held = _held(islice(given, _LEVELS_LIMIT))
        if any(sign * worse[0] >= sign * better[0] for better, worse in pairwise(held)):
            raise Misuse(MisuseReason.UNSORTED_LEVELS, f"{self._scope.terms.symbol}: levels must come best first")
        return held

    def _priced(self, price: Number) -> int:
        return self._on(self._scope.terms.tick, price, MisuseReason.PRICE_OFF_TICK)

    def _sized(self, quantity: Number) -> int:
        sized = self._on(self._scope.terms.lot, quantity, MisuseReason.QUANTITY_OFF_LOT)
        if sized < 0:
            raise Misuse(MisuseReason.BAD_QUANTITY, f"{quantity!r} is negative")
        return sized

    def _on(self, grid: Grid, value: Number, reason: MisuseReason) -> int:
        known = grid.known.get(value)
        if known is not None:
            return known
        scaled = grid.atto(value)
        if not grid.holds(scaled):
            self.boundary.note(reason, f"{self._scope.terms.symbol}: {value!r}")
        elif scaled >= 0:
            grid.remember(value, scaled)
        return scaled

    def _emit(self, kind: str, time_ns: int, **fields: str | int | None) -> None:
        terms = self._scope.terms
        self._scope.core.emit(kind, time_ns, {"venue": terms.venue, "symbol": terms.symbol, **fields})

    def _emit_samples(self, closed: Closed) -> None:
        core, terms = self._scope.core, self._scope.terms
        notional = None if self._depth is None else text(self._depth.notional)
        for sample in closed.samples:
            emit_sample(core, terms, self._scope.labels.market, sample, notional)
        if closed.skipped:
            core.instruments.dropped(DropReason.GAP, closed.skipped)
        for reason, calls in closed.troubles.items():
            core.boundary.note(reason, f"{terms.symbol}: what the market told", calls)


def depth_rule(terms: Instrument, notional: Number | None) -> DepthRule | None:
    """The rule for a fixed notional in quote units. Raises ValueError if it is not positive."""
    if notional is None:
        return None
    scaled = atto(notional)
    if scaled <= 0:
        raise ValueError(f"depth_notional must be positive, not {notional!r}")
    return DepthRule(scaled, terms.multiplier, terms.inverse)


def _held(levels: Iterable[Level]) -> Levels:
    return tuple(level for level in levels if level[1] > 0)


def _side(side: Side) -> Side:
    try:
        return Side(side)
    except ValueError:
        raise Misuse(MisuseReason.UNKNOWN_SIDE, f"{side!r} is neither buy nor sell") from None


def _optional(value: Number | None) -> str | None:
    return None if value is None else amount_text(value)
