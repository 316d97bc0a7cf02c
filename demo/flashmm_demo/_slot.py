"""One side's quote: at most one order at a time, from its placement through amends and lost answers to its end."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from flashmm_demo._instruments import Instrument
from flashmm_demo._signing import Signer
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo.exchange import WOULD_TAKE, Amendment, Execution, Gateway, OrderRequest
from flashmm_instrumentation import Liquidity, Market, Order, Side

_log = logging.getLogger(__name__)
_BACK_OFF_NS: Final = SECOND_NS // 2
_NO_ANSWER: Final = "no_answer"


class SlotState(Enum):
    """What is known of the slot's order."""

    IDLE = auto()
    PENDING = auto()
    LIVE = auto()
    AMENDING = auto()
    CANCELLING = auto()
    UNKNOWN = auto()
    """No answer came; the exchange has been asked what became of it."""


_AWAITING: Final = frozenset({SlotState.PENDING, SlotState.AMENDING, SlotState.CANCELLING})


@dataclass(frozen=True, slots=True)
class Dealing:
    """What a slot deals with."""

    instrument: Instrument
    market: Market
    gateway: Gateway
    signer: Signer
    outcomes: Counter[str]
    """Placements by their outcome, and what came of orders later."""
    changed: Callable[[int], None]
    """Called with the time whenever what is known to rest has changed."""


class Slot:
    """The bid (`sign` 1) or the ask (`sign` -1) of a symbol. Hears the gateway's reports of its order."""

    def __init__(self, sign: int, dealing: Dealing) -> None:
        self.sign = sign
        self.state = SlotState.IDLE
        self.since_ns = 0
        """Since when the order rests at its price."""
        self.not_before_ns = 0
        """No new order before, after a rejection."""
        self._dealing = dealing
        self._request: OrderRequest | None = None
        self._order: Order | None = None
        self._amends: dict[str, Order] = {}
        """Orders whose amend awaits its answer; by then one may have ended, and another be the slot's."""
        self._filled = Decimal(0)
        self._placed = False
        self._resting = False
        self._cancel_reason: str | None = None
        self._cancel_next: str | None = None

    @property
    def price(self) -> Decimal:
        """The order's, as last confirmed. Only while there is one."""
        return self._request.price if self._request is not None else Decimal(0)

    @property
    def remaining(self) -> Decimal:
        """What has not filled of the order; 0 without one."""
        return self._request.quantity - self._filled if self._request is not None else Decimal(0)

    @property
    def resting(self) -> bool:
        """Whether the exchange has confirmed that the order is in its book, and not that it left."""
        return self._resting

    @property
    def quoted(self) -> bool:
        """Whether it rests for certain: what is in doubt is not told as a quote of ours."""
        return self._resting and self.state is not SlotState.UNKNOWN

    @property
    def may_rest(self) -> bool:
        """Whether the order may be in the book, for all that is known."""
        return self._resting or self.state is SlotState.UNKNOWN

    def holds(self, order_id: str) -> bool:
        """Whether that is the slot's order."""
        return self._request is not None and self._request.order_id == order_id

    # What the maker asks for.

    def place(self, request: OrderRequest, refusal: Callable[[OrderRequest], str | None], now_ns: int) -> None:
        """Send a new order, unless the bot's own check has a reason not to. Only while idle."""
        side = Side.BUY if self.sign > 0 else Side.SELL
        order = self._dealing.market.order(side, request.price, request.quantity, request.order_id)
        order.decided()
        refused = refusal(request)
        order.risk_checked()
        if refused is not None:
            order.rejected(refused)
            self._dealing.outcomes["rejected"] += 1
            self._back_off(refused, now_ns)
            return
        self._dealing.signer.sign(request, now_ns)
        order.signed()
        self._begin(request, order)
        self._dealing.gateway.submit(request, self, now_ns)
        order.submitted()

    def amend(self, price: Decimal, remaining: Decimal, now_ns: int) -> None:
        """Ask for another price or size of what rests. Nothing happens while an answer is awaited."""
        if self.state is not SlotState.LIVE or self._request is None or self._order is None:
            return
        self.state = SlotState.AMENDING
        wanted = replace(self._request, price=price, quantity=self._filled + remaining)
        self._amends[wanted.order_id] = self._order
        self._order.replace_requested(wanted.price, wanted.quantity)
        self._dealing.gateway.amend(wanted, self, now_ns)

    def cancel(self, reason: str, now_ns: int) -> None:
        """Ask for the end of the order; while another answer is awaited, as soon as that has come."""
        if self._request is None or self._order is None or self.state is SlotState.CANCELLING:
            return
        if self.state is not SlotState.LIVE:
            self._cancel_next = reason
            return
        self.state = SlotState.CANCELLING
        self._cancel_reason = reason
        self._order.cancel_requested(reason)
        self._dealing.gateway.cancel(self._request.order_id, self, now_ns)

    # What the exchange reports.

    def acked(self, request: OrderRequest, now_ns: int) -> None:
        """The order rests in the book."""
        order = self._order_of(request.order_id)
        if order is None:
            return
        self._count_placement("acked")
        order.acked(now_ns, f"X{request.order_id}", at_ns=now_ns)
        self._live(now_ns)

    def rejected(self, request: OrderRequest, reason: str, now_ns: int) -> None:
        """The exchange turned the order down; the side waits before it tries again."""
        order = self._order_of(request.order_id)
        if order is None:
            return
        if reason == WOULD_TAKE:
            self._count_placement("expired")
            order.expired(reason, now_ns, at_ns=now_ns)
        else:
            self._count_placement("rejected")
            order.rejected(reason, now_ns, at_ns=now_ns)
            self._back_off(reason, now_ns)
        self._end(now_ns)

    def amended(self, request: OrderRequest, outcome: Amendment, now_ns: int) -> None:
        """The order has its new terms, or is out of the book; or it had ended before, as was told then."""
        order = self._amends.pop(request.order_id)
        if outcome is Amendment.GONE:
            self._dealing.outcomes["amend_failed"] += 1
            order.replace_rejected("order_gone", now_ns, at_ns=now_ns)
        elif outcome is Amendment.DONE:
            self._take_terms(request.price, request.quantity, now_ns)
            self._live(now_ns)
        else:
            self._dealing.outcomes["removed"] += 1
            order.expired(WOULD_TAKE, now_ns, at_ns=now_ns)
            self._end(now_ns)

    def cancelled(self, order_id: str, now_ns: int) -> None:
        """The order is out of the book."""
        order = self._order_of(order_id)
        if order is None:
            return
        self._dealing.outcomes["cancelled"] += 1
        order.cancelled(self._cancel_reason, now_ns, at_ns=now_ns)
        self._end(now_ns)

    def cancel_failed(self, order_id: str, now_ns: int) -> None:
        """A fill was faster: there is nothing to undo, the fill has told the rest."""
        del now_ns
        self._dealing.outcomes["cancel_failed"] += 1
        _log.info("cancel of %s came too late", order_id)

    def expired(self, order_id: str, now_ns: int) -> None:
        """The exchange has taken the order out: its time was up."""
        order = self._order_of(order_id)
        if order is None:
            return
        self._count_placement("expired")
        order.expired("time_in_force", now_ns, at_ns=now_ns)
        self._end(now_ns)

    def timed_out(self, order_id: str, now_ns: int) -> None:
        """No answer came: ask what became of the order, and leave the side alone until that is known."""
        self._amends.pop(order_id, None)
        order = self._order_of(order_id)
        if order is None or self.state not in _AWAITING:
            return
        _log.warning("no answer for order %s", order_id)
        self.state = SlotState.UNKNOWN
        self._count_placement("unknown")
        order.timed_out(_NO_ANSWER)
        self._dealing.changed(now_ns)
        self._dealing.gateway.find(order_id, self, now_ns)

    def found(self, order_id: str, resting: OrderRequest | None, now_ns: int) -> None:
        """What had become of an order without an answer."""
        order = self._order_of(order_id)
        if order is None:
            return
        if resting is None:
            self._found_absent(order, now_ns)
            return
        if not self._take_terms(resting.price, resting.quantity, now_ns):
            order.acked(now_ns, f"X{order_id}", at_ns=now_ns)
        self._live(now_ns)

    def executed(self, execution: Execution, now_ns: int) -> None:
        """The order has filled, in part or in full."""
        order = self._order_of(execution.order_id)
        if order is None:
            return
        self._count_placement("acked")
        self._take_terms(execution.price, execution.order_quantity, now_ns)
        self._filled += execution.quantity
        order.filled(
            execution.fill_id,
            execution.price,
            execution.quantity,
            execution.fee,
            self._dealing.instrument.quote,
            Liquidity.MAKER,
            execution.exchange_ns,
            execution.trade_id,
            now_ns,
        )
        if self.remaining:
            self._resting = True
            self._dealing.changed(now_ns)
        else:
            self._dealing.outcomes["filled"] += 1
            self._end(now_ns)

    # Behind them.

    def _order_of(self, order_id: str) -> Order | None:
        return self._order if self.holds(order_id) else None

    def _begin(self, request: OrderRequest, order: Order) -> None:
        self.state = SlotState.PENDING
        self._request, self._order = request, order
        self._filled = Decimal(0)
        self._placed = self._resting = False
        self._cancel_reason = self._cancel_next = None

    def _live(self, now_ns: int) -> None:
        self.state = SlotState.LIVE
        self.since_ns = now_ns
        self._resting = True
        unwanted = self._cancel_next or self._cancel_reason
        self._cancel_next = self._cancel_reason = None
        self._dealing.changed(now_ns)
        if unwanted is not None:
            self.cancel(unwanted, now_ns)

    def _end(self, now_ns: int) -> None:
        self.state = SlotState.IDLE
        self._request = self._order = None
        self._resting = False
        self._dealing.changed(now_ns)

    def _take_terms(self, price: Decimal, quantity: Decimal, now_ns: int) -> bool:
        """Whether what is told of the order is news: the amend that was asked for has been done."""
        if self._request is None or self._order is None:
            return False
        wanted = replace(self._request, price=price, quantity=quantity)
        if wanted == self._request:
            return False
        self._request = wanted
        self._dealing.outcomes["replaced"] += 1
        self._order.replaced(price, quantity, now_ns, at_ns=now_ns)
        return True

    def _found_absent(self, order: Order, now_ns: int) -> None:
        """It never arrived, or it was cancelled, or an amend had taken it out; a fill would have been told."""
        if self._cancel_reason is not None:
            self._dealing.outcomes["cancelled"] += 1
            order.cancelled(self._cancel_reason, now_ns, at_ns=now_ns)
        elif self._resting:
            self._dealing.outcomes["removed"] += 1
            order.expired(WOULD_TAKE, now_ns, at_ns=now_ns)
        else:
            order.rejected("never_arrived", now_ns, at_ns=now_ns)
        self._end(now_ns)

    def _back_off(self, reason: str, now_ns: int) -> None:
        self.not_before_ns = now_ns + _BACK_OFF_NS
        _log.warning("order rejected: %s", reason)

    def _count_placement(self, outcome: str) -> None:
        """Each placement has one outcome, the first that was heard of it."""
        if not self._placed:
            self._placed = True
            self._dealing.outcomes[outcome] += 1
