"""Where to quote: a reservation price that leans against the inventory, and a spread round it.

Avellaneda & Stoikov (2008), "High-frequency trading in a limit order book", eqs. 29 and 30, for a rolling horizon τ:

    reservation  r = s + α - q γ σ² τ
    half-spread  δ = γ σ² τ / 2 + ln(1 + γ / k) / γ

On a market one tick wide no price lies between the best ones, and a quote behind them is reached only by a sweep, the
worst of fills. There the quotes join the best, and what pulls the reservation price away from the mid moves the side
that it speaks against one tick back.

s: mid in ticks; α: predicted move in ticks; q: inventory in quotes' sizes; σ: volatility in ticks a √s. k, how fast
fills become rarer away from the mid, is fill_decay over the market's half-spread; γ = risk_aversion / (σ √τ), so that
risk_aversion is a pure number and a calm market's quotes lean as much, measured in σ, as a wild one's.
"""

import math
from dataclasses import dataclass
from typing import Final

_LEAST_IN_A_BURST: Final = 0.4
"""Of a full quote."""
_STEP_BACK_FROM: Final = 0.5
"""Of a standard deviation over the horizon."""


@dataclass(frozen=True, slots=True)
class QuotingParameters:
    """How the maker quotes."""

    risk_aversion: float = 0.18
    """Lean per quote's size of inventory, in standard deviations over the horizon."""
    horizon_s: float = 1.0
    """τ: how long inventory is expected to be held."""
    fill_decay: float = 1.5
    """k times the market's half-spread."""
    alpha_weight: float = 0.6
    """Share of the predicted move that is believed."""


@dataclass(frozen=True, slots=True)
class MarketState:
    """What a quote depends on, in ticks."""

    mid: float
    best_bid: int
    best_ask: int
    half_spread: float
    """The market's without our own orders, smoothed; above 0."""
    volatility: float
    """A √s; at least 0."""
    alpha: float
    inventory: float
    """In quotes' sizes, signed."""


@dataclass(frozen=True, slots=True)
class Quotes:
    """Prices in ticks; the bid is below the ask, and neither takes."""

    bid: int
    ask: int
    reservation: float
    half_spread: float


def quotes(market: MarketState, parameters: QuotingParameters) -> Quotes:
    """The bid and ask for a market, post-only: kept at least one tick from the opposite best."""
    deviation = max(market.volatility, 0.1) * math.sqrt(parameters.horizon_s)
    aversion = parameters.risk_aversion / deviation
    decay = parameters.fill_decay / market.half_spread
    lean = aversion * deviation * deviation
    reservation = market.mid + parameters.alpha_weight * market.alpha - market.inventory * lean
    half_spread = lean / 2 + math.log1p(aversion / decay) / aversion
    if market.best_ask - market.best_bid == 1:
        pull = (reservation - market.mid) / deviation
        return Quotes(
            market.best_bid - (pull < -_STEP_BACK_FROM), market.best_ask + (pull > _STEP_BACK_FROM), reservation, 0.5
        )
    bid = min(math.floor(reservation - half_spread), market.best_ask - 1)
    ask = max(math.ceil(reservation + half_spread), market.best_bid + 1)
    return Quotes(bid, ask, reservation, half_spread)


def size_share(inventory_share: float, calmness: float) -> float:
    """How much of a full quote to show on a side, 0 to 1: less the more it would add, and less in a burst.

    inventory_share: of the limit, positive where a fill adds to it; calmness: the usual volatility over the present.
    """
    return max(0.0, 1 - max(0.0, inventory_share)) * min(1.0, max(_LEAST_IN_A_BURST, calmness))
