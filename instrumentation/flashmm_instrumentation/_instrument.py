"""What is traded: the terms of one instrument."""

from dataclasses import dataclass

from flashmm_instrumentation._numbers import ATTO, Grid, NotADecimal, Number, atto, text
from flashmm_instrumentation._streams import Body


@dataclass(frozen=True, slots=True)
class Instrument:
    """Terms of an instrument; multiplier in 10⁻¹⁸ of base (linear) or quote (inverse) units per contract."""

    venue: str
    symbol: str
    tick: Grid
    lot: Grid
    multiplier: int
    inverse: bool
    base: str
    quote: str
    settle: str

    def body(self) -> Body:
        """The `flashmm.instrument` event's body."""
        return {
            "venue": self.venue,
            "symbol": self.symbol,
            "tick": text(self.tick.step),
            "lot": text(self.lot.step),
            "multiplier": text(self.multiplier),
            "inverse": self.inverse,
            "base": self.base,
            "quote": self.quote,
            "settle": self.settle,
        }

    def notional(self, price: int, quantity: int) -> float:
        """Notional in the quote currency of a quantity at a price (both 10⁻¹⁸)."""
        contracts = quantity * self.multiplier
        return contracts / ATTO**2 if self.inverse else contracts * price / ATTO**3


def instrument(
    venue: str,
    symbol: str,
    *,
    tick: Number,
    lot: Number,
    base: str,
    quote: str,
    settle: str | None,
    multiplier: Number,
    inverse: bool,
) -> Instrument:
    """Checked terms. Raises ValueError, naming what is wrong."""
    named = {"venue": venue, "symbol": symbol, "base": base, "quote": quote}
    for name, value in named.items():
        if not isinstance(value, str) or not value:  # pyright: ignore[reportUnnecessaryIsInstance] an author's mistake
            raise ValueError(f"{name} must be a text that is not empty, not {value!r}")
    terms = Instrument(
        venue,
        symbol,
        _grid("tick", tick),
        _grid("lot", lot),
        atto(multiplier),
        inverse,
        base,
        quote,
        settle or (base if inverse else quote),
    )
    if terms.multiplier <= 0:
        raise ValueError(f"multiplier must be positive, not {multiplier!r}")
    return terms


def _grid(name: str, step: Number) -> Grid:
    try:
        return Grid(step)
    except NotADecimal as error:
        raise ValueError(f"{name}: {error}") from None
