"""What the price model looks at: the book's lean, the flow of trades, the last moves."""

import math
from dataclasses import dataclass
from typing import Final

from flashmm_demo._book import Top
from flashmm_demo._messages import Trade

FEATURES: Final = ("imbalance", "microprice", "flow", "move_fast", "move_slow")
_FLOW_MEMORY_S: Final = 1.0
_FAST_S: Final = 0.5
_SLOW_S: Final = 3.0


@dataclass(slots=True)
class _Decaying:
    """A sum whose parts fade with time."""

    memory_s: float
    value: float = 0.0
    last_ns: int = 0

    def add(self, now_ns: int, part: float) -> None:
        self.value = self.at(now_ns) + part
        self.last_ns = now_ns

    def at(self, now_ns: int) -> float:
        return self.value * math.exp(-max(0, now_ns - self.last_ns) / (self.memory_s * 1e9))


class FeatureState:
    """Features of one symbol, kept up with its messages. Moves are in basis points of the mid."""

    def __init__(self) -> None:
        self._flow = _Decaying(_FLOW_MEMORY_S)
        self._volume = _Decaying(30.0)
        self._fast = _Decaying(_FAST_S)
        self._slow = _Decaying(_SLOW_S)
        self._mid = 0.0

    def trade(self, trade: Trade) -> None:
        """Take in a public trade."""
        quantity = float(trade.quantity)
        self._flow.add(trade.received_ns, -quantity if trade.buyer_is_maker else quantity)
        self._volume.add(trade.received_ns, quantity)

    def top(self, now_ns: int, mid: float) -> None:
        """Take in the mid after a book update."""
        if self._mid and mid != self._mid:
            move_bp = (mid / self._mid - 1) * 1e4
            self._fast.add(now_ns, move_bp)
            self._slow.add(now_ns, move_bp)
        self._mid = mid

    def vector(self, now_ns: int, top: Top) -> tuple[float, ...]:
        """The features now, in the order of FEATURES; each about of size one."""
        bid_quantity, ask_quantity = float(top.bid_quantity), float(top.ask_quantity)
        imbalance = (bid_quantity - ask_quantity) / (bid_quantity + ask_quantity)
        half_spread_bp = float(top.spread) / float(top.mid) * 5e3
        typical = self._volume.at(now_ns) / 30.0 + 1e-9
        return (
            imbalance,
            max(-3.0, min(3.0, imbalance * half_spread_bp)),
            math.tanh(self._flow.at(now_ns) / (4 * typical)),
            max(-3.0, min(3.0, self._fast.at(now_ns))),
            max(-3.0, min(3.0, self._slow.at(now_ns))),
        )
