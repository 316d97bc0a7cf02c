"""Prices and quantities: exact, as integers of 10⁻¹⁸ inside and as decimal strings on the wire."""

import math
from decimal import Context, Decimal, InvalidOperation
from operator import index
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
    """The value is not a finite number, or has more than 20 digits before or 18 after the point."""


def atto(value: Number, name: str = "value") -> int:
    """value in units of 10⁻¹⁸, exact. Raises NotADecimal, which says name and what to pass instead."""
    scaled = value * ATTO if type(value) is int else _scaled(_parsed(value, name), name)
    if not -_LIMIT < scaled < _LIMIT:
        raise NotADecimal(f"{name} {value!r} has more than 20 digits before the point")
    return scaled


def _parsed(value: Number, name: str) -> Decimal:
    if isinstance(value, float):
        return Decimal(float.__repr__(value))  # its shortest form, also of a float64 of numpy's
    try:
        return Decimal(value if isinstance(value, Decimal | str) else index(value))
    except (InvalidOperation, TypeError):
        raise NotADecimal(
            f"{name} {value!r} is not a number: pass a Decimal, an int or a str such as '0.1'"
        ) from None


def _scaled(value: Decimal, name: str) -> int:
    if not value.is_finite():
        raise NotADecimal(f"{name} {value} is not finite: pass None, or do not call, where there is no value")
    if value.adjusted() > 20:
        raise NotADecimal(f"{name} {value} has more than 20 digits before the point")
    shifted = _EXACT.scaleb(value, _SCALE)
    scaled = int(shifted)
    if scaled != shifted:
        raise NotADecimal(f"{name} {value} has more than 18 digits after the point: round it")
    return scaled


def figure(value: Number, name: str) -> float:
    """value as a gauge has it. Raises NotADecimal where it is not a finite number."""
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read):
        raise NotADecimal(f"{name} {value!r} is not a finite number: do not call where there is no value")
    return read


def text(scaled: int, scale: int = _SCALE) -> str:
    """The shortest decimal string of scaled · 10⁻ˢᶜᵃˡᵉ."""
    whole, fraction = divmod(abs(scaled), 10**scale)
    sign = "-" if scaled < 0 else ""
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}." + f"{fraction:0{scale}d}".rstrip("0")


def amount_text(value: Number, name: str = "value") -> str:
    """value as the wire's decimal string. Raises NotADecimal."""
    return text(atto(value, name))


def optional_text(value: Number | None, name: str) -> str | None:
    """The same where there may be none."""
    return None if value is None else amount_text(value, name)


class Grid:
    """The multiples of a step (a tick or a lot).

    known: recent values that are on it and not negative, so that a price told again costs one look-up.
    """

    __slots__ = ("_per_unit", "known", "step")

    def __init__(self, step: Number) -> None:
        self.step: Final = atto(step, "a step")
        if self.step <= 0:
            raise NotADecimal(f"a step must be positive, not {step!r}")
        self._per_unit = ATTO / self.step
        self.known: Final[dict[Number, int]] = {}

    def atto(self, value: Number, name: str = "value") -> int:
        """value in 10⁻¹⁸; a float within a millionth of a step of the grid is that grid point."""
        if isinstance(value, float):
            steps = value * self._per_unit
            if (
                abs(steps) < 1e15
                and abs(steps - (nearest := round(float(steps)))) <= _FLOAT_SLACK + abs(steps) * 1e-12
            ):
                return nearest * self.step
        return atto(value, name)

    def holds(self, scaled: int) -> bool:
        """Whether scaled (in 10⁻¹⁸) is on the grid."""
        return scaled % self.step == 0

    def remember(self, value: Number, scaled: int) -> None:
        """Keep what value is, among the most recent 4,096 or so."""
        if len(self.known) >= _KNOWN_LIMIT:
            self.known.clear()
        self.known[value] = scaled
