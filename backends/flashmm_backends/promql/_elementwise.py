"""Functions of one float at a time."""

from collections.abc import Callable

import numpy as np

from flashmm_backends.promql._values import Floats


def _rounded(values: Floats, nearest: Floats | float = 1.0) -> Floats:
    inverse = 1.0 / np.asarray(nearest)
    return np.floor(values * inverse + 0.5) / inverse


def _at_least(values: Floats, low: Floats) -> Floats:
    """Nothing is above infinity, as Go has it: not even NaN."""
    return np.where(np.isposinf(values) | np.isposinf(low), np.inf, np.maximum(values, low))


def _at_most(values: Floats, high: Floats) -> Floats:
    return -_at_least(-values, -high)


def _clamped(values: Floats, low: Floats, high: Floats) -> Floats:
    return _at_least(_at_most(values, high), low)


def _radians(values: Floats) -> Floats:
    return values * np.pi / 180


def _degrees(values: Floats) -> Floats:
    return values * 180 / np.pi


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


ELEMENTWISE: dict[str, Callable[..., Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "rad": _radians,
    "deg": _degrees,
    "sgn": _sign,
    "round": _rounded,
    "clamp": _clamped,
    "clamp_min": _at_least,
    "clamp_max": _at_most,
}
"""By name: (values of shape (rows, steps), scalars of shape (steps,) …) → values."""
