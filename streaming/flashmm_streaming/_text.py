"""Numbers as the exact decimal text that goes over the wire."""

import math
from decimal import Context, Decimal

EXACT = Context(prec=80)
"""Sums of P&L in it lose nothing: a double's shortest text has 17 digits."""


def from_float(value: float) -> str | None:
    """The shortest decimal that reads back as this double, as Prometheus prints it; None for NaN and infinity."""
    if not math.isfinite(value):
        return None
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def from_decimal(value: Decimal) -> str:
    """All digits, trailing zeros included, no exponent."""
    return format(value, "f")


def rounded(value: Decimal, places: int) -> str:
    """To a fixed number of places, half to even."""
    return format(value.quantize(Decimal(1).scaleb(-places), context=EXACT), "f")
