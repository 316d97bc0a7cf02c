"""One side's quote: at most one order at a time, and what is known of it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from flashmm_demo.exchange import OrderRequest
from flashmm_instrumentation import Order


class SlotState(Enum):
    """Where the slot's order is."""

    IDLE = auto()
    PENDING = auto()
    LIVE = auto()
    CANCELLING = auto()


@dataclass(slots=True)
class Slot:
    """The bid (`sign` 1) or the ask (`sign` -1) of a symbol."""

    sign: int
    state: SlotState = SlotState.IDLE
    request: OrderRequest | None = None
    order: Order | None = None
    ticks: int = 0
    remaining: Decimal = Decimal(0)
    since_ns: int = 0
    """When it went live."""
    not_before_ns: int = 0
    """No new order before, after a rejection."""
    cancel_reason: str = ""

    def begin(self, request: OrderRequest, order: Order, ticks: int) -> None:
        """An order is on its way."""
        self.state = SlotState.PENDING
        self.request, self.order, self.ticks = request, order, ticks
        self.remaining = request.quantity

    def end(self) -> None:
        """The order is gone."""
        self.state = SlotState.IDLE
        self.request = self.order = None
        self.remaining = Decimal(0)

    def holds(self, order_id: str) -> bool:
        """Whether that is the slot's order."""
        return self.request is not None and self.request.order_id == order_id

    @property
    def resting(self) -> bool:
        """Whether the order is in the exchange's book."""
        return self.state in (SlotState.LIVE, SlotState.CANCELLING)
