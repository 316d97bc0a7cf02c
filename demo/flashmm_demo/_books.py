"""The bot's own books: positions and profit by first-in-first-out, exact in Decimal, in the settlement currency.

First in, first out because it needs no division: realized + unrealized = cash + position × mid holds to the last
digit, where an average cost would have to be rounded.
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from flashmm_demo.exchange import Execution

_ZERO = Decimal(0)


@dataclass(slots=True)
class _Lot:
    price: Decimal
    quantity: Decimal
    """Positive; the side is the position's."""


class SymbolBooks:
    """One symbol's position, profit, fees and funding."""

    def __init__(self) -> None:
        self.position = _ZERO
        self.cash = _ZERO
        """Of trading alone: what selling brought less what buying cost."""
        self.realized = _ZERO
        self.fees = _ZERO
        self.funding = _ZERO
        self.volume = _ZERO
        self.notional = _ZERO
        self.fills = 0
        self.mid: Decimal | None = None
        """The last known mid, which marks the open position."""
        self._open: deque[_Lot] = deque()

    @property
    def unrealized(self) -> Decimal:
        """Profit of the open lots at the last mid."""
        if self.mid is None:
            return _ZERO
        cost = sum((lot.price * lot.quantity for lot in self._open), _ZERO)
        return self.position * self.mid - (cost if self.position > 0 else -cost)

    @property
    def total(self) -> Decimal:
        """All profit, after fees and funding."""
        return self.realized + self.unrealized + self.fees + self.funding

    def execute(self, execution: Execution) -> None:
        """Book one fill."""
        self.fills += 1
        self.volume += execution.quantity
        notional = execution.quantity * execution.price
        self.notional += notional
        self.cash -= execution.sign * notional
        self.fees += execution.fee
        left = self._close(execution)
        if left:
            self._open.append(_Lot(execution.price, left))
        self.position += execution.sign * execution.quantity

    def fund(self, amount: Decimal) -> None:
        """Book a funding payment, negative when paid."""
        self.funding += amount

    def _close(self, execution: Execution) -> Decimal:
        """Close the oldest opposite lots; the quantity that is left to open."""
        left = execution.quantity
        while left and self._open and self.position * execution.sign < 0:
            lot = self._open[0]
            closed = min(left, lot.quantity)
            self.realized -= execution.sign * closed * (execution.price - lot.price)
            lot.quantity -= closed
            left -= closed
            if not lot.quantity:
                self._open.popleft()
        return left


@dataclass(frozen=True, slots=True)
class Totals:
    """Profit over all symbols, in the settlement currency."""

    realized: Decimal
    unrealized: Decimal
    fees: Decimal
    funding: Decimal
    exposure: Decimal
    """Absolute notional of the open positions at the mids."""

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.realized + self.unrealized + self.fees + self.funding


class Books:
    """The books of all symbols, which settle in one currency."""

    def __init__(self, symbols: tuple[str, ...], currency: str) -> None:
        self.currency = currency
        self.symbols = {symbol: SymbolBooks() for symbol in symbols}

    def execute(self, execution: Execution) -> None:
        """Book one fill."""
        self.symbols[execution.symbol].execute(execution)

    def totals(self) -> Totals:
        """The sums as of now."""
        books = self.symbols.values()
        return Totals(
            realized=sum((book.realized for book in books), _ZERO),
            unrealized=sum((book.unrealized for book in books), _ZERO),
            fees=sum((book.fees for book in books), _ZERO),
            funding=sum((book.funding for book in books), _ZERO),
            exposure=sum((abs(book.position * (book.mid or _ZERO)) for book in books), _ZERO),
        )
