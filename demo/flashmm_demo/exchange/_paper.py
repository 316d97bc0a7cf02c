"""A paper exchange over a feed that doesn't know of the bot: it fills only what the public tape proves.

An order fills when a trade prints through its price, and at its price after as much has traded there as was displayed
when the order joined; cancels ahead never help. No more fills than was printed, and never as a taker.
"""

from dataclasses import dataclass
from decimal import Decimal

from flashmm_demo._book import LocalBook
from flashmm_demo._messages import Message, Reset, Trade
from flashmm_demo.exchange._orders import WOULD_TAKE, Account, Accounts, Amendment, Execution, OrderRequest


@dataclass(slots=True)
class _Resting:
    request: OrderRequest
    remaining: Decimal
    ahead: Decimal | None
    """What must trade at the price first; None when it isn't known, so that only a print through it fills."""


class PaperExchange:
    """Orders rest beside `books`, which the caller keeps up to date with the feed, after `observe`."""

    def __init__(self, books: dict[str, LocalBook], accounts: Accounts) -> None:
        self._books = books
        self._accounts = accounts
        self._resting: dict[str, _Resting] = {}
        self._executions: list[Execution] = []

    def place(self, request: OrderRequest, now_ns: int) -> str | None:  # noqa: ARG002 - the protocol's form
        """Rest an order behind what is displayed; a reason when it would take or no book is known."""
        book = self._books[request.symbol]
        if book.top() is None:
            return "no_book"
        if _crosses(book, request):
            return WOULD_TAKE
        self._resting[request.order_id] = _Resting(request, request.quantity, _displayed(book, request))
        return None

    def amend(self, request: OrderRequest, now_ns: int) -> Amendment:  # noqa: ARG002 - the protocol's form
        """Change an order; at another price, or with more, it waits behind what is displayed."""
        resting = self._resting.pop(request.order_id, None)
        if resting is None:
            return Amendment.GONE
        book = self._books[request.symbol]
        remaining = request.quantity - (resting.request.quantity - resting.remaining)
        if remaining <= 0 or _crosses(book, request):
            return Amendment.REMOVED
        if request.price != resting.request.price or remaining > resting.remaining:
            resting.ahead = _displayed(book, request)
        resting.request, resting.remaining = request, remaining
        self._resting[request.order_id] = resting
        return Amendment.DONE

    def cancel(self, order_id: str, now_ns: int) -> bool:  # noqa: ARG002 - the protocol's form
        """Take an order out; False when it has filled."""
        return self._resting.pop(order_id, None) is not None

    def resting(self, order_id: str) -> OrderRequest | None:
        """An order that hasn't filled."""
        resting = self._resting.get(order_id)
        return resting.request if resting is not None else None

    def observe(self, message: Message) -> None:
        """Fill what a trade proves. After a Reset no queue position is known any more."""
        match message:
            case Trade() if message.execution == "MARKET" and message.quantity:
                self._print(message)
            case Reset():
                for resting in self._of(message.symbol):
                    resting.ahead = None
            case _:
                pass

    def take_executions(self) -> list[Execution]:
        """Fills since the last call, in order."""
        taken, self._executions = self._executions, []
        return taken

    def pay_funding(self, symbol: str, rate: Decimal, mark: Decimal) -> Decimal:
        """Settle funding; the amount, negative when paid."""
        return self._accounts.of(symbol).pay_funding(rate, mark)

    def account(self, symbol: str) -> Account:
        """The exchange's own books."""
        return self._accounts.of(symbol)

    def _of(self, symbol: str) -> list[_Resting]:
        return [resting for resting in self._resting.values() if resting.request.symbol == symbol]

    def _print(self, trade: Trade) -> None:
        left = trade.quantity
        for resting in self._of(trade.symbol):
            quantity = min(_fillable(resting, trade), left)
            if quantity:
                left -= quantity
                self._fill(resting, quantity, trade)

    def _fill(self, resting: _Resting, quantity: Decimal, trade: Trade) -> None:
        request = resting.request
        resting.remaining -= quantity
        if not resting.remaining:
            del self._resting[request.order_id]
        self._executions.append(
            self._accounts.execute(request, request.price, quantity, str(trade.trade_id), trade.exchange_ns)
        )


def _crosses(book: LocalBook, request: OrderRequest) -> bool:
    top = book.top()
    if top is None:
        return False
    return request.sign * (request.price - (top.ask if request.sign > 0 else top.bid)) >= 0


def _displayed(book: LocalBook, request: OrderRequest) -> Decimal | None:
    side = book.bids if request.sign > 0 else book.asks
    best, _ = next(iter(side), (None, None))
    known = best is not None and (book.synced or request.sign * (request.price - best) >= 0)
    return side.quantity_at(request.price) if known else None


def _fillable(resting: _Resting, trade: Trade) -> Decimal:
    """What the trade would have filled of the order; moves the order up its queue."""
    request = resting.request
    through = request.sign * (request.price - trade.price)
    if through > 0:
        resting.ahead = Decimal(0)
        return min(resting.remaining, trade.quantity)
    if through < 0 or trade.buyer_is_maker != (request.sign > 0) or resting.ahead is None:
        return Decimal(0)
    beyond = trade.quantity - resting.ahead
    resting.ahead = max(Decimal(0), -beyond)
    return max(Decimal(0), min(resting.remaining, beyond))
