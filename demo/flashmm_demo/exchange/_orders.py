"""What crosses between the bot and an exchange, and the exchange's own exact account of it."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import Final, Protocol

from flashmm_demo._messages import Message

WOULD_TAKE: Final = "would_take"
"""Why a post-only order isn't in the book: it would have traded at once."""


class Amendment(Enum):
    """What became of an order that was to be amended."""

    DONE = auto()
    GONE = auto()
    """It wasn't there any more."""
    REMOVED = auto()
    """Taken out: it would take at the new price, or no more than the new quantity was left of it."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A post-only limit order. `sign` is 1 to buy, -1 to sell; `quantity` counts what has filled already."""

    order_id: str
    symbol: str
    sign: int
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill as the exchange reports it. `fee` is negative when paid and positive when rebated."""

    fill_id: str
    order_id: str
    trade_id: str
    symbol: str
    sign: int
    price: Decimal
    quantity: Decimal
    fee: Decimal
    exchange_ns: int
    order_quantity: Decimal
    """The order's whole quantity at the fill, which tells of an amend before its answer comes."""


class Exchange(Protocol):
    """Where orders rest. Calls are in the order of time."""

    def place(self, request: OrderRequest, now_ns: int) -> str | None:
        """Rest an order; the reason when it is rejected."""
        ...

    def amend(self, request: OrderRequest, now_ns: int) -> Amendment:
        """Give an order that rests the request's price and quantity.

        It keeps its place in the queue at the same price with a smaller quantity, and goes to the end otherwise.
        """
        ...

    def cancel(self, order_id: str, now_ns: int) -> bool:
        """Take an order out; False when it is no longer there."""
        ...

    def resting(self, order_id: str) -> OrderRequest | None:
        """An order in the book, with its present terms; None when it isn't there."""
        ...

    def observe(self, message: Message) -> None:
        """A message of the market, before the bot sees it."""
        ...

    def take_executions(self) -> list[Execution]:
        """Fills since the last call, in order."""
        ...

    def pay_funding(self, symbol: str, rate: Decimal, mark: Decimal) -> Decimal:
        """Settle funding on the position at the mark price; the amount, negative when paid."""
        ...

    def account(self, symbol: str) -> "Account":
        """The exchange's own books of the bot's account."""
        ...


@dataclass(slots=True)
class Account:
    """One symbol's position and cash as the exchange keeps them; exact."""

    position: Decimal = field(default=Decimal(0))
    cash: Decimal = field(default=Decimal(0))
    """Of trading alone: what selling brought less what buying cost."""
    fees: Decimal = field(default=Decimal(0))
    funding: Decimal = field(default=Decimal(0))
    executions: int = 0

    def execute(self, execution: Execution) -> None:
        """Book one fill."""
        self.position += execution.sign * execution.quantity
        self.cash -= execution.sign * execution.quantity * execution.price
        self.fees += execution.fee
        self.executions += 1

    def pay_funding(self, rate: Decimal, mark: Decimal) -> Decimal:
        """Longs pay shorts at a positive rate; the amount, negative when paid."""
        amount = -(self.position * mark * rate)
        self.funding += amount
        return amount


class Accounts:
    """Accounts by symbol, the numbering of fills and the fee that each gets.

    maker_rebate: fraction of the notional; negative when makers pay.
    """

    def __init__(self, maker_rebate: Decimal) -> None:
        self._rebate = maker_rebate
        self._accounts: dict[str, Account] = {}
        self._fills = 0

    def of(self, symbol: str) -> Account:
        """That symbol's account, empty at first."""
        return self._accounts.setdefault(symbol, Account())

    def execute(
        self, request: OrderRequest, price: Decimal, quantity: Decimal, trade_id: str, exchange_ns: int
    ) -> Execution:
        """Book a maker's fill of an order and report it."""
        self._fills += 1
        fee = price * quantity * self._rebate
        execution = Execution(
            f"F{self._fills}",
            request.order_id,
            trade_id,
            request.symbol,
            request.sign,
            price,
            quantity,
            fee,
            exchange_ns,
            request.quantity,
        )
        self.of(request.symbol).execute(execution)
        return execution
