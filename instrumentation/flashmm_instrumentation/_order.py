"""One order, from the tick it answers to its end."""

from typing import Final

from flashmm_instrumentation._aftermath import Aftermath
from flashmm_instrumentation._boundary import Boundary, Misuse, survives
from flashmm_instrumentation._inputs import ID_LIMIT, utf8
from flashmm_instrumentation._inputs import liquidity as known_liquidity
from flashmm_instrumentation._numbers import Number, amount_text
from flashmm_instrumentation._placement import Placement
from flashmm_instrumentation._record import Execution, OrderRecord
from flashmm_instrumentation._scope import MarketScope
from flashmm_instrumentation._transitions import LEGAL, TERMINAL, follows
from flashmm_instrumentation._whereabouts import Whereabouts
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
_HELD_NS: Final = 1_000_000_000


class Order:
    """The marks of one order's life, in the order in which they happen. Each means now unless `at_ns` says else.

    Placement: decided, risk_checked, signed, submitted, then acked, rejected, timed_out or expired; leave out what
    your bot does not do. Later: replace_requested, replaced or replace_rejected, filled, cancel_requested, cancelled
    (acked where the cancel was refused), expired. What cannot follow is reported as it happened and counted
    (`illegal_transition`); an end stays one. Not for several threads at once.
    """

    __slots__ = (
        "_acked_ns",
        "_aftermath",
        "_cancel_ns",
        "_last_ns",
        "_placed",
        "_placement",
        "_record",
        "_replace_ns",
        "_scope",
        "_state",
        "_where",
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
        handled_ns: int | None = None,
    ) -> None:
        """handled_ns: when the tick that it answers was in the bot's hands, where known: ends the stage `receive`."""
        self._scope = scope
        self._record = OrderRecord(scope.terms, side, price, quantity, order_id, scope.mids.at(start_ns))
        self._state = OrderState.PENDING
        self._last_ns = now_ns
        self._placed = False
        self._acked_ns: int | None = None
        self._cancel_ns: int | None = None
        self._replace_ns: int | None = None
        self._where = Whereabouts(scope, side, order_id)
        attributes = {**scope.labels.side[side], attr.ORDER_ID: order_id}
        self._placement = Placement(scope, side, start_ns, {**attributes, **self._record.asked()})
        if handled_ns is not None:
            self._placement.mark(Stage.RECEIVE, handled_ns)
        self._aftermath = Aftermath(scope, side, self._placement.span, attributes)
        self._report(OrderState.PENDING, now_ns)
        self._where.doubt(self._record.resting(price, quantity), now_ns, rested=False)

    @property
    def boundary(self) -> Boundary:
        """Where this handle's failures stop."""
        return self._scope.core.boundary

    @property
    def id(self) -> str:
        """The client order id, as it is reported: with a number added where an open order had it already."""
        return self._record.order_id

    @property
    def state(self) -> OrderState:
        """The state that the last mark led to."""
        return self._state

    # The way to the exchange.

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
        self._learn_id(exchange_order_id)
        if not self._placed:
            self._placement.mark(Stage.ACK, now_ns)
        self._enter(OrderState.ACKED, now_ns, exchange_ns=self._observe_clock(exchange_ns, now_ns))

    @survives
    def rejected(self, reason: str, exchange_ns: int | None = None, at_ns: int | None = None) -> None:
        """The exchange, or the bot's own check, refused the order."""
        now_ns = self._now_ns(at_ns)
        self._enter(OrderState.REJECTED, now_ns, reason, self._observe_clock(exchange_ns, now_ns))

    @survives
    def timed_out(self, reason: str = "timeout", at_ns: int | None = None) -> None:
        """No answer came: whether the order exists is unknown."""
        self._enter(OrderState.UNKNOWN, self._now_ns(at_ns), reason)

    # What happens later.

    @survives
    def replace_requested(self, price: Number | None, quantity: Number, at_ns: int | None = None) -> None:
        """The bot has asked for other terms; until the answer the order may be in the book with either.

        quantity: the order's whole one, with what has filled. No state follows before `replaced` or
        `replace_rejected` is told.
        """
        self._replace_ns = self._now_ns(at_ns)
        record = self._record
        wanted = record.resting(_price(self._scope, price), self._scope.inputs.positive(quantity))
        if self._state not in TERMINAL:
            self._where.doubt(record.resting(record.price, record.quantity) + wanted, self._replace_ns)

    @survives
    def replaced(
        self,
        price: Number | None,
        quantity: Number,
        exchange_ns: int | None = None,
        requested_ns: int | None = None,
        at_ns: int | None = None,
    ) -> None:
        """The exchange has amended the order. requested_ns: when the bot asked, if replace_requested was not told."""
        now_ns = self._now_ns(at_ns)
        record = self._record
        record.price, record.quantity = _price(self._scope, price), self._scope.inputs.positive(quantity)
        self._aftermath.trace("amend", requested_ns or self._replace_ns or now_ns, now_ns)
        self._replace_ns = None
        self._enter(OrderState.REPLACED, now_ns, exchange_ns=exchange_ns)

    @survives
    def replace_rejected(self, reason: str, exchange_ns: int | None = None, at_ns: int | None = None) -> None:
        """The exchange has refused the amend: the order keeps its terms and its state.

        Where it had ended before, which is why amends are refused mostly, the amend's trace alone tells of it.
        """
        now_ns = self._now_ns(at_ns)
        self._aftermath.trace("amend", self._replace_ns or now_ns, now_ns, _cut(reason))
        self._replace_ns = None
        if self._state not in TERMINAL:
            self._enter(OrderState.REPLACE_REJECTED, now_ns, reason, exchange_ns)

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
        """An execution; told again by the same id it is counted as misuse, and nothing else.

        fee: negative when paid, positive when rebated.
        """
        now_ns, scope = self._now_ns(at_ns), self._scope
        execution = Execution(
            scope.inputs.identifier(fill_id, "fill_id"),
            scope.inputs.fill_price(price),
            scope.inputs.positive(quantity),
            amount_text(fee, "fee"),
            scope.inputs.identifier(fee_currency, "fee_currency"),
            known_liquidity(liquidity),
            scope.mids.at(now_ns),
            scope.inputs.whole(exchange_ns),
            scope.inputs.optional_id(trade_id, "trade_id"),
        )
        if _unmended(fill_id, execution.fill_id) and self._record.repeats(fill_id):
            raise Misuse(MisuseReason.REPEATED_FILL, f"fill {fill_id} of order {self.id} was told before")
        self._record.filled += execution.quantity
        scope.core.streams.emit(events.FILL.name, now_ns, self._record.fill(execution), self._placement.span)
        scope.sampler.fill(now_ns, execution.quantity)
        self._aftermath.measure_fill(execution)
        self._aftermath.trace("fill", now_ns, now_ns)
        self._after_fill(now_ns, execution.exchange_ns)

    @survives
    def cancel_requested(self, reason: str | None = None, at_ns: int | None = None) -> None:
        """The bot has sent a cancel."""
        self._cancel_ns = self._now_ns(at_ns)
        self._enter(OrderState.CANCEL_PENDING, self._cancel_ns, reason)

    @survives
    def cancelled(self, reason: str | None = None, exchange_ns: int | None = None, at_ns: int | None = None) -> None:
        """The order is out of the book, whoever asked for it."""
        now_ns = self._now_ns(at_ns)
        self._aftermath.trace("cancel", self._cancel_ns or now_ns, now_ns)
        self._enter(OrderState.CANCELLED, now_ns, reason, exchange_ns)

    @survives
    def expired(self, reason: str | None = None, exchange_ns: int | None = None, at_ns: int | None = None) -> None:
        """Its time in force ended, or a post-only order would have taken."""
        self._enter(OrderState.EXPIRED, self._now_ns(at_ns), reason, exchange_ns)

    # Behind the marks.

    def _now_ns(self, at_ns: int | None) -> int:
        """The mark's time, never before the last one's, unless the clock was set back."""
        scope = self._scope
        now_ns = scope.inputs.time(at_ns, scope.core.clock.now_ns(), "at_ns")
        if now_ns < self._last_ns <= now_ns + _HELD_NS:
            return self._last_ns
        self._last_ns = now_ns
        return now_ns

    def _mark(self, stage: Stage, at_ns: int | None) -> None:
        if self._placed:
            self.boundary.note(MisuseReason.LATE_STAGE, f"{stage.value} after the placement's end, order {self.id}")
            return
        self._placement.mark(stage, self._now_ns(at_ns))

    def _enter(
        self, state: OrderState, now_ns: int, reason: str | None = None, exchange_ns: int | None = None
    ) -> None:
        if state not in LEGAL[self._state]:
            self.boundary.note(
                MisuseReason.ILLEGAL_TRANSITION, f"{self._state.value} → {state.value}, order {self.id}"
            )
        was, self._state = self._state, follows(self._state, state)
        self._locate(state, now_ns)
        outcome = _ENDS_PLACEMENT.get(state)
        if outcome is not None and not self._placed:
            self._placed = True
            self._placement.finish(outcome, now_ns, _cut(reason))
        if outcome is Outcome.ACKED and self._acked_ns is None:
            self._acked_ns = now_ns
        if self._state in TERMINAL and was not in TERMINAL:
            if self._acked_ns is not None and state is not OrderState.REJECTED:
                self._aftermath.measure_lifetime(now_ns - self._acked_ns)
            self._scope.end(self.id)
        self._report(state, now_ns, reason, exchange_ns)

    def _report(
        self, state: OrderState, now_ns: int, reason: str | None = None, exchange_ns: int | None = None
    ) -> None:
        body = self._record.transition(state, _cut(reason), self._scope.inputs.whole(exchange_ns))
        self._scope.core.streams.emit(events.ORDER.name, now_ns, body, self._placement.span)

    def _locate(self, told: OrderState, now_ns: int) -> None:
        """A request without an answer puts the order in doubt; an answer, or the first fill of all, takes it out."""
        record = self._record
        if self._state in (OrderState.CANCEL_PENDING, OrderState.UNKNOWN):
            self._where.doubt(record.resting(record.price, record.quantity), now_ns)
        elif told is not OrderState.PART_FILLED or self._acked_ns is None:
            self._where.known(now_ns)

    def _after_fill(self, now_ns: int, exchange_ns: int | None) -> None:
        record = self._record
        if record.filled > record.quantity:
            self.boundary.note(MisuseReason.OVERFILLED, f"order {self.id}")
        done = record.filled >= record.quantity
        self._enter(OrderState.FILLED if done else OrderState.PART_FILLED, now_ns, exchange_ns=exchange_ns)

    def _learn_id(self, exchange_order_id: str | None) -> None:
        if exchange_order_id is not None:
            self._record.exchange_id = self._scope.inputs.identifier(exchange_order_id, "exchange_order_id")

    def _observe_clock(self, exchange_ns: int | None, now_ns: int) -> int | None:
        """The exchange's time as it can be told; see Inputs.whole."""
        scope, read_ns = self._scope, self._scope.inputs.whole(exchange_ns)
        if read_ns is not None:
            scope.core.clock_offset(scope.terms.venue, read_ns, now_ns)
        return read_ns


def _unmended(given: object, told: str) -> bool:
    """Whether an id is the author's own: two fills without any must not be taken for the same."""
    return isinstance(given, str) and given != "" and given == told


def _price(scope: MarketScope, price: Number | None) -> int | None:
    return None if price is None else scope.inputs.price(price)


def _cut(reason: str | None) -> str | None:
    return None if reason is None else utf8(str(reason)[:ID_LIMIT])
