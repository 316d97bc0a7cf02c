"""Messages for the tests, with only what matters given."""

from decimal import Decimal

from flashmm_demo._messages import Depth, Snapshot, Ticker, Trade

Levels = dict[str, str]


def levels(given: Levels | None) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(price), Decimal(quantity)) for price, quantity in (given or {}).items())


def snapshot(last_id: int, bids: Levels, asks: Levels, symbol: str = "BTCUSDT") -> Snapshot:
    return Snapshot(symbol, last_id, 0, last_id, levels(bids), levels(asks), 0)


def depth(
    previous_id: int, last_id: int, bids: Levels | None = None, asks: Levels | None = None, symbol: str = "BTCUSDT"
) -> Depth:
    stream = f"{symbol.lower()}@depth@100ms"
    return Depth(symbol, last_id, 0, previous_id + 1, last_id, previous_id, levels(bids), levels(asks), 0, stream)


def ticker(
    update_id: int, bid: str = "100.0", ask: str = "100.2", quantity: str = "1", symbol: str = "BTCUSDT"
) -> Ticker:
    size = Decimal(quantity)
    return Ticker(symbol, update_id, 0, update_id, Decimal(bid), size, Decimal(ask), size, 0)


def trade(price: str, quantity: str = "1", *, buyer_is_maker: bool = True, received_ns: int = 0) -> Trade:
    return Trade("BTCUSDT", received_ns, 0, 1, Decimal(price), Decimal(quantity), buyer_is_maker, 0, "MARKET")
