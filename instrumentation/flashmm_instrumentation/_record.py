"""What is known of an order, and the events that tell of it."""

from dataclasses import dataclass, field
from typing import Final

from flashmm_instrumentation._book import EMPTY, Levels
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._numbers import text
from flashmm_instrumentation._streams import Body
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv.attributes import Liquidity, OrderState, Side

FILLS_LIMIT: Final = 1_000
"""Fills of one order whose ids are remembered; the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. price, quantity: 10⁻¹⁸; fee and mid: as on the wire."""

    fill_id: str
    price: int
    quantity: int
    fee: str
    fee_currency: str
    liquidity: Liquidity
    mid: str | None
    exchange_ns: int | None
    trade_id: str | None


@dataclass(slots=True)
class OrderRecord:
    """Terms and fills. price, quantity, filled: 10⁻¹⁸; arrival_mid: as on the wire."""

    terms: Instrument
    side: Side
    price: int | None
    quantity: int
    order_id: str
    arrival_mid: str | None
    filled: int = field(default=0)
    exchange_id: str | None = None
    _fill_ids: dict[str, None] = field(default_factory=dict[str, None])

    def resting(self, price: int | None, quantity: int) -> Levels:
        """The level that is left of these terms; none of a market order or of one that is filled."""
        left = quantity - self.filled
        return ((price, left),) if price is not None and left > 0 else EMPTY

    def repeats(self, fill_id: str) -> bool:
        """Whether this fill was told before; it is remembered."""
        if fill_id in self._fill_ids:
            return True
        self._fill_ids[fill_id] = None
        if len(self._fill_ids) > FILLS_LIMIT:
            del self._fill_ids[next(iter(self._fill_ids))]
        return False

    def asked(self) -> dict[str, str]:
        """Price, where it has one, and quantity, as the placement's span has them."""
        quantity = {attr.ORDER_QUANTITY: text(self.quantity)}
        return quantity if self.price is None else {attr.ORDER_PRICE: text(self.price), **quantity}

    def transition(self, state: OrderState, reason: str | None, exchange_ns: int | None) -> Body:
        """The `flashmm.order` event's body."""
        return {
            "venue": self.terms.venue,
            "symbol": self.terms.symbol,
            "order_id": self.order_id,
            "exchange_order_id": self.exchange_id,
            "state": state.value,
            "side": self.side.value,
            "price": None if self.price is None else text(self.price),
            "quantity": text(self.quantity),
            "filled_quantity": text(self.filled),
            "reason": reason,
            "arrival_mid": self.arrival_mid,
            "exchange_time_ns": exchange_ns,
        }

    def fill(self, execution: Execution) -> Body:
        """The `flashmm.fill` event's body."""
        return {
            "venue": self.terms.venue,
            "symbol": self.terms.symbol,
            "fill_id": execution.fill_id,
            "order_id": self.order_id,
            "trade_id": execution.trade_id,
            "side": self.side.value,
            "price": text(execution.price),
            "quantity": text(execution.quantity),
            "liquidity": execution.liquidity.value,
            "fee": execution.fee,
            "fee_currency": execution.fee_currency,
            "mid": execution.mid,
            "exchange_time_ns": execution.exchange_ns,
        }
