"""The exchange's JSON: combined-stream and REST snapshot messages to typed ones and back, byte for byte.

Source: Binance USD-M futures, "Individual Symbol Book Ticker", "Diff. Book Depth", "Trade" and "Order Book".
"""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal, DecimalException
from typing import Any, Final, cast

from flashmm_demo._messages import Depth, Level, MarketMessage, Snapshot, Ticker, Trade
from flashmm_demo._settings import DemoError

_MS: Final = 1_000_000
_Json = dict[str, Any]


class MalformedMessage(DemoError):
    """Text that is not a message of the exchange."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        """Shows the beginning of the text."""
        return f"not a market message: {self.text[:80]!r}"


def decode(text: str, received_ns: int, default_symbol: str) -> MarketMessage | None:
    """A message from the exchange's JSON; None for one that is no market data, such as a subscription's answer.

    default_symbol: whose a snapshot is that names none, as the exchange's don't.
    Raises MalformedMessage.
    """
    try:
        return _typed(json.loads(text), received_ns, default_symbol)
    except (ValueError, KeyError, TypeError, AttributeError, DecimalException, RecursionError) as error:
        raise MalformedMessage(text) from error


def encode(message: MarketMessage, *, name_symbol: bool = False) -> str:
    """The exchange's JSON for a message. name_symbol: let a snapshot name its symbol, for several in one file."""
    match message:
        case Ticker():
            return _enveloped(f"{message.symbol.lower()}@bookTicker", _ticker_json(message))
        case Depth():
            return _enveloped(message.stream, _depth_json(message))
        case Trade():
            return _enveloped(f"{message.symbol.lower()}@trade", _trade_json(message))
        case Snapshot():
            return _compact(_snapshot_json(message, name_symbol=name_symbol))


def _typed(document: object, received_ns: int, default_symbol: str) -> MarketMessage | None:
    if not isinstance(document, dict):
        raise TypeError
    return _message(cast("_Json", document), received_ns, default_symbol)


def _message(document: _Json, received_ns: int, default_symbol: str) -> MarketMessage | None:
    if "lastUpdateId" in document:
        return _snapshot(document, received_ns, default_symbol)
    if "stream" not in document:
        return None
    data: _Json = document["data"]
    reader = _READERS.get(data["e"])
    return reader(data, received_ns, document["stream"]) if reader else None


def _ticker(data: _Json, received_ns: int, _stream: str) -> Ticker:
    return Ticker(
        symbol=str(data["s"]),
        received_ns=received_ns,
        exchange_ns=_whole(data["E"]) * _MS,
        update_id=_whole(data["u"]),
        bid=_amount(data["b"]),
        bid_quantity=_amount(data["B"]),
        ask=_amount(data["a"]),
        ask_quantity=_amount(data["A"]),
        transaction_ns=_whole(data["T"]) * _MS,
    )


def _depth(data: _Json, received_ns: int, stream: str) -> Depth:
    return Depth(
        symbol=str(data["s"]),
        received_ns=received_ns,
        exchange_ns=_whole(data["E"]) * _MS,
        first_id=_whole(data["U"]),
        last_id=_whole(data["u"]),
        previous_id=_whole(data["pu"]),
        bids=_levels(data["b"]),
        asks=_levels(data["a"]),
        transaction_ns=_whole(data["T"]) * _MS,
        stream=stream,
    )


def _trade(data: _Json, received_ns: int, _stream: str) -> Trade:
    return Trade(
        symbol=str(data["s"]),
        received_ns=received_ns,
        exchange_ns=_whole(data["E"]) * _MS,
        trade_id=_whole(data["t"]),
        price=_amount(data["p"]),
        quantity=_amount(data["q"]),
        buyer_is_maker=bool(data["m"]),
        transaction_ns=_whole(data["T"]) * _MS,
        execution=str(data["X"]),
    )


def _snapshot(data: _Json, received_ns: int, default_symbol: str) -> Snapshot:
    return Snapshot(
        symbol=str(data.get("symbol", default_symbol)),
        received_ns=received_ns,
        exchange_ns=_whole(data["E"]) * _MS,
        last_id=_whole(data["lastUpdateId"]),
        bids=_levels(data["bids"]),
        asks=_levels(data["asks"]),
        transaction_ns=_whole(data["T"]) * _MS,
    )


_READERS: Final[dict[str, Callable[[_Json, int, str], MarketMessage]]] = {
    "bookTicker": _ticker,
    "depthUpdate": _depth,
    "trade": _trade,
}


def _whole(number: object) -> int:
    if type(number) is not int:
        raise TypeError
    return number


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite() or amount < 0:
        raise ValueError(text)
    return amount


def _levels(pairs: list[list[str]]) -> tuple[Level, ...]:
    return tuple([(_amount(price), _amount(quantity)) for price, quantity in pairs])


def _ticker_json(message: Ticker) -> _Json:
    return {
        "e": "bookTicker",
        "u": message.update_id,
        "s": message.symbol,
        "b": str(message.bid),
        "B": str(message.bid_quantity),
        "a": str(message.ask),
        "A": str(message.ask_quantity),
        "T": message.transaction_ns // _MS,
        "E": message.exchange_ns // _MS,
    }


def _depth_json(message: Depth) -> _Json:
    return {
        "e": "depthUpdate",
        "E": message.exchange_ns // _MS,
        "T": message.transaction_ns // _MS,
        "s": message.symbol,
        "U": message.first_id,
        "u": message.last_id,
        "pu": message.previous_id,
        "b": _pairs(message.bids),
        "a": _pairs(message.asks),
    }


def _trade_json(message: Trade) -> _Json:
    return {
        "e": "trade",
        "E": message.exchange_ns // _MS,
        "T": message.transaction_ns // _MS,
        "s": message.symbol,
        "t": message.trade_id,
        "p": str(message.price),
        "q": str(message.quantity),
        "X": message.execution,
        "m": message.buyer_is_maker,
    }


def _snapshot_json(message: Snapshot, *, name_symbol: bool) -> _Json:
    return {
        **({"symbol": message.symbol} if name_symbol else {}),
        "lastUpdateId": message.last_id,
        "E": message.exchange_ns // _MS,
        "T": message.transaction_ns // _MS,
        "bids": _pairs(message.bids),
        "asks": _pairs(message.asks),
    }


def _pairs(levels: Iterable[Level]) -> list[list[str]]:
    return [[str(price), str(quantity)] for price, quantity in levels]


def _enveloped(stream: str, data: _Json) -> str:
    return _compact({"stream": stream, "data": data})


def _compact(document: _Json) -> str:
    return json.dumps(document, separators=(",", ":"))
