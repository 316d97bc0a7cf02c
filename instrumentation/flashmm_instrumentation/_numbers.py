"""Prices and quantities: exact, as integers of 10⁻¹⁸ inside and as decimal strings on the wire."""

from decimal import Context, Decimal, InvalidOperation
from typing import Final

Number = Decimal | int | float | str
"""What an author may pass. A float stands for its shortest decimal form, or for the grid point beside it."""

ATTO: Final = 10**18
_SCALE: Final = 18
_EXACT: Final = Context(prec=80)
_LIMIT: Final = 10**20 * ATTO
_FLOAT_SLACK: Final = 1e-6
_KNOWN_LIMIT: Final = 4_096


class NotADecimal(ValueError):
    """The value is no finite number, or has more than 20 digits before or 18 after the point."""


def atto(value: Number) -> int:
    """value in units of 10⁻¹⁸, exact. Raises NotADecimal."""
    if type(value) is int:
        scaled = value * ATTO
    else:
        scaled = _scaled(Decimal(repr(value)) if isinstance(value, float) else _parsed(value))
    if not -_LIMIT < scaled < _LIMIT:
        raise NotADecimal(f"{value!r} has more than 20 digits before the point")
    return scaled


def _parsed(value: Decimal | int | str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        raise NotADecimal(f"{value!r} is not a number") from None


def _scaled(value: Decimal) -> int:
    if not value.is_finite():
        raise NotADecimal(f"{value} is not finite")
    if value.adjusted() > 20:
        raise NotADecimal(f"{value} has more than 20 digits before the point")
    shifted = _EXACT.scaleb(value, _SCALE)
    scaled = int(shifted)
    if scaled != shifted:
        raise NotADecimal(f"{value} has more than 18 digits after the point")
    return scaled


def text(scaled: int, scale: int = _SCALE) -> str:
    """The shortest decimal string of scaled · 10⁻ˢᶜᵃˡᵉ."""
    whole, fraction = divmod(abs(scaled), 10**scale)
    sign = "-" if scaled < 0 else ""
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}." + f"{fraction:0{scale}d}".rstrip("0")


def amount_text(value: Number) -> str:
    """value as the wire's decimal string. Raises NotADecimal."""
    return text(atto(value))


class Grid:
    """The multiples of a step (a tick or a lot).

    known: recent values that are on it and not negative, so that a price told again costs one look-up.
    """

    __slots__ = ("_per_unit", "known", "step")

    def __init__(self, step: Number) -> None:
        self.step: Final = atto(step)
        if self.step <= 0:
            raise NotADecimal(f"a step must be positive, not {step!r}")
        self._per_unit = ATTO / self.step
        self.known: Final[dict[Number, int]] = {}

    def atto(self, value: Number) -> int:
        """value in 10⁻¹⁸; a float within a millionth of a step of the grid is that grid point."""
        if type(value) is float:
            steps = value * self._per_unit
            if abs(steps) < 1e15 and abs(steps - (nearest := round(steps))) <= _FLOAT_SLACK + abs(steps) * 1e-12:
                return nearest * self.step
        return atto(value)

    def holds(self, scaled: int) -> bool:
        """Whether scaled (in 10⁻¹⁸) is on the grid."""
        return scaled % self.step == 0

    def remember(self, value: Number, scaled: int) -> None:
        """Keep what value is, among the most recent 4,096 or so."""
        if len(self.known) >= _KNOWN_LIMIT:
            self.known.clear()
        self.known[value] = scaled
