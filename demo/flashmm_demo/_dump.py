"""The books as JSON: exact amounts as decimal strings, for whoever wants to compare with them."""

import json
from collections import deque
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from flashmm_demo._books import Books, SymbolBooks
from flashmm_demo.exchange import Account, Execution

_RECENT_FILLS: Final = 200


class BooksFile:
    """Keeps a file at the latest state of the books; readers see a whole one always.

    The file's `fills` are the latest 200; all of them, one JSON a line, are in the file of the same name + `.fills`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recent: deque[dict[str, Any]] = deque(maxlen=_RECENT_FILLS)
        self._fills = path.with_name(path.name + ".fills").open("w", encoding="utf-8")

    def executed(self, execution: Execution, mid: Decimal | None, now_ns: int) -> None:
        """Note one fill."""
        fill = _fill_document(execution, mid, now_ns)
        self._recent.append(fill)
        self._fills.write(json.dumps(fill) + "\n")

    def write(self, document: dict[str, Any]) -> None:
        """Put the books' document in place, with the latest fills."""
        self._fills.flush()
        text = json.dumps(document | {"fills": list(self._recent)}, indent=1)
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(self._path)

    def close(self) -> None:
        """Close the fills' file."""
        self._fills.close()


def books_document(
    books: Books, accounts: dict[str, Account], orders: dict[str, int], as_of_ns: int, *, final: bool
) -> dict[str, Any]:
    """The books, the exchange's own account beside them, and the orders counted by outcome."""
    totals = books.totals()
    return {
        "as_of_ns": as_of_ns,
        "final": final,
        "currency": books.currency,
        "realized": _text(totals.realized),
        "unrealized": _text(totals.unrealized),
        "fees": _text(totals.fees),
        "funding": _text(totals.funding),
        "total": _text(totals.total),
        "exposure": _text(totals.exposure),
        "orders": dict(orders),
        "symbols": {symbol: _symbol_document(book, accounts[symbol]) for symbol, book in books.symbols.items()},
    }


def _symbol_document(book: SymbolBooks, account: Account) -> dict[str, Any]:
    return {
        "position": _text(book.position),
        "mid": None if book.mid is None else _text(book.mid),
        "cash": _text(book.cash),
        "realized": _text(book.realized),
        "unrealized": _text(book.unrealized),
        "fees": _text(book.fees),
        "funding": _text(book.funding),
        "volume": _text(book.volume),
        "notional": _text(book.notional),
        "fills": book.fills,
        "exchange": {
            "position": _text(account.position),
            "cash": _text(account.cash),
            "fees": _text(account.fees),
            "funding": _text(account.funding),
            "executions": account.executions,
        },
    }


def _fill_document(execution: Execution, mid: Decimal | None, now_ns: int) -> dict[str, Any]:
    return {
        "time_ns": now_ns,
        "fill_id": execution.fill_id,
        "order_id": execution.order_id,
        "trade_id": execution.trade_id,
        "symbol": execution.symbol,
        "side": "buy" if execution.sign > 0 else "sell",
        "price": _text(execution.price),
        "quantity": _text(execution.quantity),
        "fee": _text(execution.fee),
        "mid": None if mid is None else _text(mid),
    }


def _text(amount: Decimal) -> str:
    return format(amount, "f")
