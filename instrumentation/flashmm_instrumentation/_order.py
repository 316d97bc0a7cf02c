"""One order, from the tick it answers to its end."""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, set_span_in_context

from flashmm_instrumentation._boundary import Boundary, Misuse, survives
from flashmm_instrumentation._numbers import Number, amount_text, text
from flashmm_instrumentation._placement import Placement
from flashmm_instrumentation._scope import MarketScope
from flashmm_instrumentation._transitions import LEGAL, TERMINAL, follows
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import Liquidity, MisuseReason, OrderState, Outcome, Side, Stage

_ENDS_PLACEMENT: Final = {
    OrderState.ACKED: Outcome.ACKED,
    OrderState.PART_FILLED: Outcome.ACKED,  # the exchange has it: its acknowledgement was overtaken
    OrderState.FILLED: Outcome.ACKED,
    OrderState.CANCELLED: Outcome.ACKED,
    OrderState.REJECTED: Outcome.REJECTED,
    OrderState.EXPIRED: Outcome.EXPIRED,
    OrderState.UNKNOWN: Outcome.UNKNOWN,
}


class Order:
    """The marks of one order's life, in the order in which they happen. Each means now unless `at_ns` says else.

    Placement: decided, risk_checked, signed, submitted, then acked, rejected, timed_out or expired; leave out what
    your bot does not do. Later: replaced, filled, cancel_requested, cancelled, expired. What cannot follow is
    reported as it happened and counted (`illegal_transition`). Not for use from several threads at once.
    """

    __slots__ = (
        "_acked_ns",
        "_arrival_mid",
        "_cancel_ns",
        "_exchange_id",
        "_filled",
        "_id",
        "_placed",
        "_placement",
        "_price",
        "_quantity",
        "_scope",
        "_side",
        "_state",
    )

    def __init__(
        self,
        scope: MarketScope,
        side: Side,
        price: int | None,
        quantity: int,
        order_id: str,
        start_ns: int,
        now_ns: int,
    ) -> None:
        self._scope = scope
        self._side = side
        self._price = price
        self._quantity = quantity
        self._id = order_id
        self._filled = 0
        self._exchange_id: str | None = None
        self._arrival_mid = scope.mid
        self._state = OrderState.PENDING
        self._placed = False
        self._acked_ns: int | None = None
        self._cancel_ns: int | None = None
        self._placement = Placement(scope, side, start_ns, self._attributes())
        self._report(OrderState.PENDING, now_ns)

    @property
    def boundary(self) -> Boundary:
        """Where this handle's failures stop."""
        return self._scope.core.boundary

    @property
    def id(self) -> str:
        """The client order id."""
        return self._id

    @property
    def state(self) -> OrderState:
        """The state that the last mark led to."""
        return self._state

    # The way to the exchange.

    def received(self, at_ns: int) -> None:
        """The tick was in the bot's hands at at_ns: ends the stage `receive`. Market.order calls it."""
        self._placement.mark(Stage.RECEIVE, at_ns)

    @survives
    def decided(self, at_ns: int | None = None) -> None:
        """Side, price and quantity are chosen."""
        self._mark(Stage.DECIDE, at_ns)

    @survives
    def risk_checked(self, at_ns: int | None = None) -> None:
        """The order passed the bot's own checks."""
        self._mark(Stage.RISK_CHECK, at_ns)

    @survives
    def signed(self, at_ns: int | None = None) -> None:
        """The request is signed."""
        self._mark(Stage.SIGN, at_ns)

    @survives
    def submitted(self, at_ns: int | None = None) -> None:
        """The request is on the wire."""
        self._mark(Stage.SUBMIT, at_ns)

    @survives
    def acked(
        self, exchange_ns: int | None = None, exchange_order_id: str | None = None, at_ns: int | None = None
    ) -> None:
        """The exchange has accepted the order, at exchange_ns by its own clock."""
        now_ns = self._now_ns(at_ns)
        self._exchange_id = exchange_order_id or self._exchange_id
        if not self._placed:
            self._placement.mark(Stage.ACK, now_ns)
        self._observe_clock(exchange_ns, now_ns)
        self._enter(OrderState.ACKED, now_ns, exchange_ns=exchange_ns)

    @survives
    def rejected(self, reason: str, exchange_ns: int | None = None, at_ns: int | None = None) -> None:
        """The exchange, or the bot's own check, refused the order."""
        now_ns = self._now_ns(at_ns)
        self._observe_clock(exchange_ns, now_ns)
        self._enter(OrderState.REJECTED, now_ns, reason, exchange_ns)

    @survives
    def timed_out(self, reason: str = "timeout", at_ns: int | None = None) -> None:
        """No answer came: whether the order exists is unknown."""
        self._enter(OrderState.UNKNOWN, self._now_ns(at_ns), reason)

    # What happens later.

    @survives
    def replaced(
        self,
        price: Number | None,
        quantity: Number,
        exchange_ns: int | None = None,
        requested_ns: int | None = None,
        at_ns: int | None = None,
    ) -> None:
        """The exchange has amended the order; requested_ns: when the bot asked for it."""
        now_ns = self._now_ns(at_ns)
        terms = self._scope.terms
        self._price = None if price is None else terms.tick.atto(price)
        self._quantity = terms.lot.atto(quantity)
        self._later("amend", requested_ns or now_ns, now_ns)
        self._enter(OrderState.REPLACED, now_ns, exchange_ns=exchange_ns)

    @survives
    def filled(
        self,
        fill_id: str,
        price: Number,
        quantity: Number,
        fee: Number,
        fee_currency: str,
        liquidity: Liquidity,
        exchange_ns: int | None = None,
        trade_id: str | None = None,
        at_ns: int | None = None,
    ) -> None:
        """An execution. fee: negative when paid, positive when rebated."""
        now_ns = self._now_ns(at_ns)
        terms = self._scope.terms
        price_atto, quantity_atto = terms.tick.atto(price), terms.lot.atto(quantity)
        if quantity_atto <= 0:
            raise Misuse(MisuseReason.BAD_QUANTITY, f"a fill of {quantity!r}")
        liquidity = Liquidity(liquidity)
        self._filled += quantity_atto
        body = {
            "venue": terms.venue,
            "symbol": terms.symbol,
            "fill_id": fill_id,
            "order_id": self._id,
            "trade_id": trade_id,
            "side": self._side.value,
            "price": text(price_atto),
            "quantity": text(quantity_atto),
            "liquidity": liquidity.value,
            "fee": amount_text(fee),
            "fee_currency": fee_currency,
            "mid": self._scope.mid,
            "exchange_time_ns": exchange_ns,
        }
        self._scope.core.emit(events.FILL.name, now_ns, body, self._placement.span)
        with self._scope.lock:
            self._scope.integrator.fill(now_ns, quantity_atto)
        self._measure_fill(liquidity, price_atto, quantity_atto)
        self._later("fill", now_ns, now_ns)
        self._after_fill(now_ns, exchange_ns)

    @survives
    def cancel_requested(self, reason: str | None = None, at_ns: int | None = None) -> None:
        """The bot has sent a cancel."""
        self._cancel_ns = self._now_ns(at_ns)
        self._enter(OrderState.CANCEL_PENDING, self._cancel_ns, reason)

    @survives
    def cancelled(self, reason: str | None = None, exchange_ns: int | None = None, at_ns: int | None = None) -> None:
        """The order is out of the book, whoever asked for it."""
        now_ns = self._now_ns(at_ns)
        self._later("cancel", self._cancel_ns or now_ns, now_ns)
        self._enter(OrderState.CANCELLED, now_ns, reason, exchange_ns)

    @survives
    def expired(self, reason: str | None = None, exchange_ns: int | None = None, at_ns: int | None = None) -> None:
        """Its time in force ended, or a post-only order would have taken."""
        self._enter(OrderState.EXPIRED, self._now_ns(at_ns), reason, exchange_ns)

    # Behind the marks.

    def _now_ns(self, at_ns: int | None) -> int:
        return self._scope.core.clock.now_ns() if at_ns is None else at_ns

    def _mark(self, stage: Stage, at_ns: int | None) -> None:
        if self._placed:
            self.boundary.note(MisuseReason.LATE_STAGE, f"{stage.value} after the placement's end, order {self._id}")
            return
        self._placement.mark(stage, self._now_ns(at_ns))

    def _enter(
        self, state: OrderState, now_ns: int, reason: str | None = None, exchange_ns: int | None = None
    ) -> None:
        if state not in LEGAL[self._state]:
            self.boundary.note(
                MisuseReason.ILLEGAL_TRANSITION, f"{self._state.value} → {state.value}, order {self._id}"
            )
        outcome = _ENDS_PLACEMENT.get(state)
        if outcome is not None and not self._placed:
            self._placed = True
            self._placement.finish(outcome, now_ns, reason)
        if outcome is Outcome.ACKED and self._acked_ns is None:
            self._acked_ns = now_ns
        if state in TERMINAL and self._state not in TERMINAL:
            self._measure_lifetime(state, now_ns)
        self._state = follows(self._state, state)
        self._report(state, now_ns, reason, exchange_ns)

    def _report(
        self, state: OrderState, now_ns: int, reason: str | None = None, exchange_ns: int | None = None
    ) -> None:
        terms = self._scope.terms
        body = {
            "venue": terms.venue,
            "symbol": terms.symbol,
            "order_id": self._id,
            "exchange_order_id": self._exchange_id,
            "state": state.value,
            "side": self._side.value,
            "price": None if self._price is None else text(self._price),
            "quantity": text(self._quantity),
            "filled_quantity": text(self._filled),
            "reason": reason,
            "arrival_mid": self._arrival_mid,
            "exchange_time_ns": exchange_ns,
        }
        self._scope.core.emit(events.ORDER.name, now_ns, body, self._placement.span)

    def _after_fill(self, now_ns: int, exchange_ns: int | None) -> None:
        if self._filled > self._quantity:
            self.boundary.note(MisuseReason.OVERFILLED, f"order {self._id}")
        done = self._filled >= self._quantity
        self._enter(OrderState.FILLED if done else OrderState.PART_FILLED, now_ns, exchange_ns=exchange_ns)

    def _measure_fill(self, liquidity: Liquidity, price: int, quantity: int) -> None:
        core, labels, key = self._scope.core, self._scope.labels, (self._side, liquidity)
        context = set_span_in_context(NonRecordingSpan(self._placement.span), Context())
        core.instruments.fills.add(1, labels.fill[key], context)
        core.instruments.fill_notional.add(self._scope.terms.notional(price, quantity), labels.notional[key], context)

    def _measure_lifetime(self, state: OrderState, now_ns: int) -> None:
        if self._acked_ns is None or state is OrderState.REJECTED:
            return
        context = set_span_in_context(NonRecordingSpan(self._placement.span), Context())
        self._scope.core.instruments.order_lifetime.record(
            max(0, now_ns - self._acked_ns) / 1e9, self._scope.labels.side[self._side], context
        )

    def _later(self, name: str, start_ns: int, end_ns: int) -> None:
        """A short trace of its own, linked to the placement's."""
        links = [Link(self._placement.span)]
        tracer = self._scope.core.tracer
        tracer.start_span(name, Context(), attributes=self._attributes(), links=links, start_time=start_ns).end(
            max(start_ns, end_ns)
        )

    def _attributes(self) -> dict[str, str]:
        return {**self._scope.labels.side[self._side], attr.ORDER_ID: self._id}

    def _observe_clock(self, exchange_ns: int | None, now_ns: int) -> None:
        if exchange_ns is not None:
            self._scope.core.clock_offset(self._scope.terms.venue, exchange_ns, now_ns)
