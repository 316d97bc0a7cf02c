"""The instruments that the demo knows: steps, currencies and where the simulated market begins."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from flashmm_demo._settings import DemoError


class UnknownSymbol(DemoError):
    """A symbol without known price and quantity steps."""

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self.symbol = symbol

    def __str__(self) -> str:
        """Names the symbol and those that are known."""
        return f"unknown symbol {self.symbol!r}: use one of {', '.join(sorted(INSTRUMENTS))}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A linear perpetual: prices in `tick` steps, quantities in `lot` steps of the base currency."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    start_price: Decimal
    """Where the simulated market begins."""

    def price(self, ticks: int) -> Decimal:
        """The price of so many ticks, with the tick's digits."""
        return self.tick * ticks

    def quantity(self, lots: int) -> Decimal:
        """The quantity of so many lots, with the lot's digits."""
        return self.lot * lots

    def ticks(self, price: Decimal) -> int:
        """Whole ticks in a price that lies on a step."""
        return int(price / self.tick)

    def lots_for(self, notional: float, price: Decimal) -> int:
        """Lots nearest to a notional at a price, at least one."""
        return max(1, round(notional / float(price * self.lot)))


def _perpetual(base: str, tick: str, lot: str, start: str) -> Instrument:
    return Instrument(f"{base}USDT", base, "USDT", Decimal(tick), Decimal(lot), Decimal(start))


INSTRUMENTS: Final[dict[str, Instrument]] = {
    instrument.symbol: instrument
    for instrument in (
        _perpetual("BTC", "0.10", "0.001", "61800.00"),
        _perpetual("ETH", "0.01", "0.001", "2681.60"),
        _perpetual("SOL", "0.0100", "0.01", "158.4000"),
        _perpetual("BNB", "0.010", "0.01", "514.200"),
    )
}


def instrument(symbol: str) -> Instrument:
    """The instrument of that name. Raises UnknownSymbol."""
    if symbol not in INSTRUMENTS:
        raise UnknownSymbol(symbol)
    return INSTRUMENTS[symbol]
