"""Arithmetic and comparison of floats."""

from collections.abc import Callable

import numpy as np

from flashmm_backends.promql._values import Floats, Mask

ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}

COMPARISON: dict[str, Callable[[Floats, Floats], Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}


def scalar_result(operator: str, left: Floats, right: Floats) -> Floats:
    """A binary operation between scalars; comparisons give 0 or 1."""
    if operator in ARITHMETIC:
        return ARITHMETIC[operator](left, right)
    return COMPARISON[operator](left, right).astype(np.float64)
