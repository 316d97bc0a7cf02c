"""Who else trades in the simulated market, and what they know.

The value moves as a jump diffusion. Informed traders see it, and take what is offered on the wrong side of it; the
other takers come in clusters and runs and know nothing. Background makers quote round a belief that follows the value
late, with a spread that wanders slowly. So whoever rests in the book loses to the informed and earns from the rest.
Source of the frame: Glosten & Milgrom (1985); Madhavan, Richardson & Roomans (1997) for runs of signs.
"""

import math
from dataclasses import dataclass
from random import Random

from flashmm_demo.simulation._hawkes import HawkesArrivals
from flashmm_demo.simulation._matching import BUY, SELL, MatchingEngine, Print


@dataclass(frozen=True, slots=True)
class MarketParameters:
    """How the simulated market behaves; prices in ticks, times in seconds."""

    volatility: float = 14.0
    """Standard deviation of the value over one second, without jumps."""
    jump_rate: float = 0.04
    """Jumps of the value a second."""
    jump_size: float = 60.0
    """Standard deviation of a jump."""
    half_spread: float = 22.0
    """Median of the background makers' half-spread."""
    spread_persistence_s: float = 25.0
    """Time in which the log half-spread forgets by 1/e."""
    spread_deviation: float = 0.35
    """Standard deviation of the log half-spread."""
    learning: float = 0.12
    """Share of the way from belief to value that a requote goes."""
    requote_rate: float = 8.0
    """Requotes of the background makers a second."""
    taker_rate: float = 0.5
    """Takers a second without clustering."""
    taker_branching: float = 0.6
    """Further takers that one brings."""
    taker_decay: float = 1.5
    """How fast a cluster ends, 1/s."""
    informed_share: float = 0.3
    """Share of the takers who see the value."""
    sign_persistence: float = 0.7
    """Probability that an uninformed taker trades the same way as the last one."""
    impact: float = 0.04
    """What a taken quote-size moves the belief, in half-spreads."""
    quote_lots: int = 40
    """Typical size of a background quote; a taker's typical size is a quarter of it."""
    levels: int = 12
    """Background levels a side."""


class Participants:
    """All but the bot. `advance` moves to the next event in time, `act` lets it happen."""

    def __init__(
        self, start_ticks: int, engine: MatchingEngine, parameters: MarketParameters, random: Random
    ) -> None:
        self._engine = engine
        self._p = parameters
        self._random = random
        self.value = float(start_ticks)
        self.belief = float(start_ticks)
        self._log_spread = 0.0
        self._last_sign = BUY
        self._takers = HawkesArrivals(
            parameters.taker_rate, parameters.taker_branching, parameters.taker_decay, random
        )
        self._taker_in_s = self._takers.next_gap()
        self._requote_in_s = random.expovariate(parameters.requote_rate)
        self._requote()

    @property
    def half_spread(self) -> float:
        """The background makers' half-spread now, in ticks."""
        return self._p.half_spread * math.exp(self._log_spread)

    @property
    def next_in_s(self) -> float:
        """Seconds from the last event to the next."""
        return min(self._taker_in_s, self._requote_in_s)

    def act(self) -> list[Print]:
        """Let the next event happen; the trades it made."""
        elapsed_s = self.next_in_s
        self._move_value(elapsed_s)
        self._taker_in_s -= elapsed_s
        self._requote_in_s -= elapsed_s
        if self._taker_in_s <= 0:
            self._taker_in_s = self._takers.next_gap()
            return self._take()
        self._requote_in_s = self._random.expovariate(self._p.requote_rate)
        return self._requote()

    def _move_value(self, elapsed_s: float) -> None:
        self.value += self._random.gauss(0.0, self._p.volatility * math.sqrt(elapsed_s))
        if self._random.random() < self._p.jump_rate * elapsed_s:
            self.value += self._random.gauss(0.0, self._p.jump_size)
        kept = math.exp(-elapsed_s / self._p.spread_persistence_s)
        noise = self._p.spread_deviation * math.sqrt(1 - kept * kept)
        self._log_spread = self._log_spread * kept + self._random.gauss(0.0, noise)

    def _take(self) -> list[Print]:
        if self._random.random() < self._p.informed_share:
            return self._take_informed()
        if self._random.random() > self._p.sign_persistence:
            self._last_sign = -self._last_sign
        return self._trade(self._last_sign, self._taker_lots(), self._limit(self._last_sign))

    def _take_informed(self) -> list[Print]:
        top = self._engine.top()
        if top is None:
            return []
        bid, ask = top
        if self.value > ask:
            return self._trade(BUY, 2 * self._taker_lots(), math.floor(self.value))
        if self.value < bid:
            return self._trade(SELL, 2 * self._taker_lots(), math.ceil(self.value))
        return []

    def _limit(self, sign: int) -> int:
        return round(self.belief + sign * 4 * self.half_spread)

    def _taker_lots(self) -> int:
        return max(1, round(self._p.quote_lots / 4 * self._random.lognormvariate(0.0, 0.8)))

    def _trade(self, sign: int, lots: int, limit: int) -> list[Print]:
        prints = self._engine.take(sign, lots, limit)
        traded = sum(trade.quantity for trade in prints)
        self.belief += sign * self._p.impact * self.half_spread * traded / self._p.quote_lots
        return prints

    def _requote(self) -> list[Print]:
        self.belief += self._p.learning * (self.value - self.belief)
        bid = math.floor(self.belief - self.half_spread)
        ask = max(bid + 1, math.ceil(self.belief + self.half_spread))
        prints = self._pull(BUY, bid) + self._pull(SELL, ask)
        self._refill(BUY, bid)
        self._refill(SELL, ask)
        return prints

    def _pull(self, sign: int, best: int) -> list[Print]:
        """Others leave the prices better than their new best, and take the bot's orders that it crosses."""
        ladder = self._engine.side(sign)
        for price in [price for price in ladder.others if ladder.rank(price) > ladder.rank(best)]:
            self._engine.set_others(sign, price, 0)
        if not self._engine.crosses(sign, best):
            return []
        return self._engine.take(sign, self._quote_lots(), best)

    def _refill(self, sign: int, best: int) -> None:
        ladder = self._engine.side(sign)
        if not self._engine.crosses(sign, best):
            self._engine.set_others(sign, best, ladder.others.get(best) or self._quote_lots())
        known = sorted(ladder.others, key=ladder.rank, reverse=True)
        for price in known[self._p.levels :]:
            self._engine.set_others(sign, price, 0)
        price = known[-1] if known else best
        for _ in range(self._p.levels - len(known)):
            price -= sign * self._random.randint(1, 9)
            if not self._engine.crosses(sign, price):
                self._engine.set_others(sign, price, self._quote_lots())

    def _quote_lots(self) -> int:
        return max(1, round(self._p.quote_lots * self._random.lognormvariate(0.0, 0.6)))
