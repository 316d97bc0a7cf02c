"""Prices and quantities."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_instrumentation._numbers import ATTO, Grid, NotADecimal, amount_text, atto, text

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**19), max_value=10**19)


@given(decimals)
def test_decimals_come_back_exactly(value: Decimal) -> None:
    """The wire's string is the value, without exponent or trailing zeros."""
    wire = amount_text(value)
    assert Decimal(wire) == value
    assert "E" not in wire
    assert not ("." in wire and wire.endswith("0"))


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15).map(lambda x: round(x, 9)))
def test_a_float_is_its_shortest_form(value: float) -> None:
    """0.1 means one tenth."""
    assert Decimal(amount_text(value)) == Decimal(repr(value))


@given(st.integers(1, 10**9), st.sampled_from(["0.1", "0.01", "0.5", "0.00001", "5", "0.25"]))
def test_a_float_beside_the_grid_is_the_grid_point(steps: int, step: str) -> None:
    """Binary rounding, as from adding ticks up, doesn't take a price off its tick."""
    grid = Grid(step)
    noisy = steps * float(step) * (1 + 2e-16)
    assert grid.atto(noisy) == steps * atto(step)


def test_a_float_off_the_grid_stays_off() -> None:
    """A price between ticks is not rounded in silence."""
    grid = Grid("0.1")
    scaled = grid.atto(100.15)
    assert scaled == 100_150 * ATTO // 1000
    assert not grid.holds(scaled)


@pytest.mark.parametrize(
    "value", ["x", "", "NaN", float("inf"), "1e21", 10**20, "0.0000000000000000001", Decimal("-Infinity")]
)
def test_what_is_no_decimal_is_refused(value: object) -> None:
    """Neither text nor infinity nor too many digits pass."""
    with pytest.raises(NotADecimal):
        atto(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [0, -1, "0.0"])
def test_a_step_must_be_positive(step: object) -> None:
    """A grid of step zero has no points."""
    with pytest.raises(NotADecimal, match="positive"):
        Grid(step)  # type: ignore[arg-type]


def test_text_of_negative_fractions() -> None:
    """The sign comes once, before the digits."""
    assert text(-ATTO // 2) == "-0.5"
    assert text(0) == "0"
    assert text(15, 1) == "1.5"
