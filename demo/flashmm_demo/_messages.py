"""What a feed yields: the public messages of a market, each with the local nanosecond at which it arrived."""

from dataclasses import dataclass
from decimal import Decimal

Level = tuple[Decimal, Decimal]
"""A price and the whole quantity there; quantity 0 removes the level."""


@dataclass(frozen=True, slots=True)
class Ticker:
    """The best bid and ask after update `update_id`."""

    symbol: str
    received_ns: int
    exchange_ns: int
    update_id: int
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    transaction_ns: int


@dataclass(frozen=True, slots=True)
class Depth:
    """Levels that changed in the updates `first_id` to `last_id`; `previous_id` ended the message before."""

    symbol: str
    received_ns: int
    exchange_ns: int
    first_id: int
    last_id: int
    previous_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    transaction_ns: int
    stream: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All known levels as of update `last_id`, best first."""

    symbol: str
    received_ns: int
    exchange_ns: int
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    transaction_ns: int


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade. `buyer_is_maker`: a sell order took it."""

    symbol: str
    received_ns: int
    exchange_ns: int
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    transaction_ns: int
    execution: str
    """`MARKET`, or how else it came about; others are not of the order book."""


@dataclass(frozen=True, slots=True)
class Reset:
    """What was known of the book no longer holds: a connection was lost, or a recording began again."""

    symbol: str
    received_ns: int
    reason: str


MarketMessage = Ticker | Depth | Snapshot | Trade
Message = MarketMessage | Reset
