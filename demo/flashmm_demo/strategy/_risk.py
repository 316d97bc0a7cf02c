"""What an order must pass before it is sent, and the figures of risk."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_Z_99: Final = 2.3263478740408408
"""The normal distribution's 99 % quantile."""
_VAR_HORIZON_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """position: largest absolute position, in base units; exposure: largest notional over all symbols, in quote."""

    position: Decimal
    exposure: Decimal


def refusal(
    limits: RiskLimits, position: Decimal, sign: int, quantity: Decimal, price: Decimal, exposure: Decimal
) -> str | None:
    """Why an order may not be sent, None when it may. Orders that reduce a position always may."""
    after = position + sign * quantity
    if abs(after) <= abs(position):
        return None
    if abs(after) > limits.position:
        return "position_limit"
    if exposure + quantity * price > limits.exposure:
        return "exposure_limit"
    return None


def value_at_risk(exposure: float, volatility: float) -> float:
    """Loss that one hour exceeds with a probability of 1 %, were returns normal and the position held.

    exposure: absolute notional; volatility: of returns over one second, as a fraction.
    Source: RiskMetrics technical document (1996), parametric value at risk.
    """
    return _Z_99 * volatility * math.sqrt(_VAR_HORIZON_S) * exposure
