"""A local order book kept from snapshots, depth diffs and book tickers, with the exchange's sequence checks."""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from flashmm_demo._messages import Depth, Level, Message, Reset, Snapshot, Ticker

_BUFFER_MAX: Final = 2_000
"""Diffs kept while a snapshot is awaited; the oldest go first, and the snapshot then fails its check."""


@dataclass(frozen=True, slots=True)
class Top:
    """The best bid and ask with their quantities."""

    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal

    @property
    def mid(self) -> Decimal:
        """Half way between the best prices; exact."""
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> Decimal:
        """Ask less bid; negative when crossed."""
        return self.ask - self.bid


class BookSide:
    """One side's levels. `sign` is 1 for bids, where higher is better, and -1 for asks."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._quantities: dict[Decimal, Decimal] = {}
        self._prices: list[Decimal] = []

    def set(self, price: Decimal, quantity: Decimal) -> None:
        """Put the whole quantity at a price; 0 removes the level."""
        if quantity:
            if price not in self._quantities:
                insort(self._prices, price)
            self._quantities[price] = quantity
        elif self._quantities.pop(price, None) is not None:
            del self._prices[bisect_left(self._prices, price)]

    def end_at(self, price: Decimal) -> None:
        """Remove every level that is better than the price."""
        if self._sign > 0:
            cut = slice(bisect_right(self._prices, price), None)
        else:
            cut = slice(None, bisect_left(self._prices, price))
        for gone in self._prices[cut]:
            del self._quantities[gone]
        del self._prices[cut]

    def clear(self) -> None:
        """Forget all levels."""
        self._prices.clear()
        self._quantities.clear()

    def quantity_at(self, price: Decimal) -> Decimal:
        """The quantity at a price, 0 where there is none."""
        return self._quantities.get(price, Decimal(0))

    def __iter__(self) -> Iterator[Level]:
        """Levels, best first."""
        for price in reversed(self._prices) if self._sign > 0 else self._prices:
            yield price, self._quantities[price]

    def __len__(self) -> int:
        """How many levels are known."""
        return len(self._prices)


class LocalBook:
    """One symbol's book. Without a snapshot in sequence (`synced`) only the ticker's two levels are known.

    Source: Binance USD-M futures, "How to manage a local order book correctly".
    """

    def __init__(self) -> None:
        self.bids = BookSide(1)
        self.asks = BookSide(-1)
        self.synced = False
        self.gaps = 0
        """Times a diff was missing in the sequence."""
        self.reordered = 0
        """Messages ignored because newer ones had been applied."""
        self._last_id = 0
        self._fresh = False
        self._ticker: Ticker | None = None
        self._waiting: deque[Depth] = deque(maxlen=_BUFFER_MAX)

    def apply(self, message: Message) -> bool:
        """Take one message in; True if the book may have changed."""
        match message:
            case Ticker():
                return self._apply_ticker(message)
            case Depth():
                return self._apply_depth(message)
            case Snapshot():
                return self._apply_snapshot(message)
            case Reset():
                self._forget()
                return True
            case _:
                return False

    def top(self) -> Top | None:
        """The best levels; None while a side is empty."""
        bid = next(iter(self.bids), None)
        ask = next(iter(self.asks), None)
        return Top(*bid, *ask) if bid and ask else None

    def _apply_ticker(self, ticker: Ticker) -> bool:
        if ticker.update_id < self._newest_id():
            self.reordered += 1
            return False
        self._ticker = ticker
        self._overlay(ticker)
        return True

    def _apply_depth(self, depth: Depth) -> bool:
        if not self.synced:
            self._waiting.append(depth)
            return False
        if depth.last_id <= self._last_id:
            self.reordered += 1
            return False
        if self._follows(depth):
            self._apply_levels(depth)
        else:
            self._lose_sequence(depth)
        return True

    def _apply_snapshot(self, snapshot: Snapshot) -> bool:
        waiting = [depth for depth in self._waiting if depth.last_id > snapshot.last_id]
        self._waiting.clear()
        self._replace_levels(snapshot)
        for depth in waiting:
            self._apply_depth(depth)
        return True

    def _follows(self, depth: Depth) -> bool:
        # Ids are the exchange's own, over all symbols: a snapshot's may lie between two diffs of this one.
        if self._fresh:
            return depth.previous_id <= self._last_id
        return depth.previous_id == self._last_id

    def _replace_levels(self, snapshot: Snapshot) -> None:
        _fill(self.bids, snapshot.bids)
        _fill(self.asks, snapshot.asks)
        self._last_id = snapshot.last_id
        self._fresh = True
        self.synced = True
        self._overlay_newer()

    def _apply_levels(self, depth: Depth) -> None:
        for price, quantity in depth.bids:
            self.bids.set(price, quantity)
        for price, quantity in depth.asks:
            self.asks.set(price, quantity)
        self._last_id = depth.last_id
        self._fresh = False
        self._overlay_newer()

    def _lose_sequence(self, depth: Depth) -> None:
        self.gaps += 1
        self.synced = False
        self._waiting.append(depth)
        if self._ticker is not None:
            self._overlay(self._ticker)

    def _overlay_newer(self) -> None:
        if self._ticker is not None and self._ticker.update_id > self._last_id:
            self._overlay(self._ticker)

    def _overlay(self, ticker: Ticker) -> None:
        if not self.synced:
            self.bids.clear()
            self.asks.clear()
        self.bids.end_at(ticker.bid)
        self.bids.set(ticker.bid, ticker.bid_quantity)
        self.asks.end_at(ticker.ask)
        self.asks.set(ticker.ask, ticker.ask_quantity)

    def _newest_id(self) -> int:
        return max(self._last_id, self._ticker.update_id if self._ticker else 0)

    def _forget(self) -> None:
        self.bids.clear()
        self.asks.clear()
        self.synced = False
        self._last_id = 0
        self._ticker = None
        self._waiting.clear()


def _fill(side: BookSide, levels: Iterable[Level]) -> None:
    side.clear()
    for price, quantity in levels:
        side.set(price, quantity)
