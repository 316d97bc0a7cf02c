"""How the maker decides: quotes, model, drift, risk, experiment. All pure."""

import math
from dataclasses import replace
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_demo._book import Top
from flashmm_demo.strategy import (
    DriftMonitor,
    Ewma,
    EwmaVolatility,
    FeatureState,
    MarketState,
    PriceModel,
    QuotingParameters,
    RecursiveLeastSquares,
    RiskLimits,
    Switchback,
    population_stability_index,
    quotes,
    refusal,
    size_share,
    value_at_risk,
)

from .builders import trade

SECOND_NS = 1_000_000_000
CALM = MarketState(
    mid=10_000.0, best_bid=9_980, best_ask=10_020, half_spread=20.0, volatility=15.0, alpha=0.0, inventory=0.0
)
STATES = st.builds(
    lambda bid, gap, spread, volatility, alpha, inventory: MarketState(
        bid + gap / 2, bid, bid + gap, spread, volatility, alpha, inventory
    ),
    st.integers(1_000, 10**6),
    st.integers(1, 200),
    st.floats(0.5, 100),
    st.floats(0, 200),
    st.floats(-50, 50),
    st.floats(-12, 12),
)


@given(STATES)
def test_quotes_never_take_and_never_cross(state: MarketState) -> None:
    """The bid stays below the best ask and our ask, the ask above the best bid."""
    got = quotes(state, QuotingParameters())
    assert got.bid < got.ask
    assert got.bid < state.best_ask
    assert got.ask > state.best_bid


@given(STATES, st.floats(0.5, 5))
def test_more_inventory_lowers_both_quotes(state: MarketState, more: float) -> None:
    """The lean is towards getting rid of it."""
    before, after = (
        quotes(state, QuotingParameters()),
        quotes(replace(state, inventory=state.inventory + more), QuotingParameters()),
    )
    assert after.bid <= before.bid
    assert after.ask <= before.ask
    assert after.reservation < before.reservation or state.volatility == 0


@given(STATES)
def test_without_inventory_or_signal_the_quotes_are_symmetric(state: MarketState) -> None:
    """The reservation price is the mid."""
    flat = replace(state, inventory=0.0, alpha=0.0)
    assert quotes(flat, QuotingParameters()).reservation == flat.mid


def test_the_spread_grows_with_volatility_and_with_the_markets_spread() -> None:
    """Both terms of the formula."""
    base = quotes(CALM, QuotingParameters()).half_spread
    assert quotes(replace(CALM, volatility=60.0), QuotingParameters()).half_spread > base
    assert quotes(replace(CALM, half_spread=40.0), QuotingParameters()).half_spread > base


def test_the_formula_is_avellaneda_and_stoikovs() -> None:
    """r = s + α - qγσ²τ and δ = γσ²τ/2 + ln(1 + γ/k)/γ, written out again."""
    parameters = QuotingParameters(risk_aversion=0.2, horizon_s=4.0, fill_decay=1.5, alpha_weight=0.5)
    got = quotes(replace(CALM, inventory=3.0, alpha=10.0), parameters)
    sigma, tau, k = 15.0, 4.0, 1.5 / 20
    gamma = 0.2 / (sigma * math.sqrt(tau))
    assert got.reservation == pytest.approx(10_000 + 5 - 3 * gamma * sigma**2 * tau)
    assert got.half_spread == pytest.approx(gamma * sigma**2 * tau / 2 + math.log(1 + gamma / k) / gamma)


@given(STATES)
def test_on_a_market_one_tick_wide_the_quotes_join_the_best_or_rest_one_tick_behind(state: MarketState) -> None:
    """Never both behind, and the side that steps back is the one that the pull speaks against."""
    narrow = replace(state, best_ask=state.best_bid + 1, mid=state.best_bid + 0.5)
    got = quotes(narrow, QuotingParameters())
    back = (narrow.best_bid - got.bid, got.ask - narrow.best_ask)
    assert back in {(0, 0), (1, 0), (0, 1)}
    pull = got.reservation - narrow.mid
    assert back == (0, 0) or back == ((1, 0) if pull < 0 else (0, 1))


def test_on_a_market_one_tick_wide_inventory_moves_the_adding_side_back() -> None:
    """Half a deviation is 2.8 quotes' sizes of inventory."""
    narrow = replace(CALM, mid=10_000.5, best_bid=10_000, best_ask=10_001, half_spread=0.5)
    quoted = [quotes(replace(narrow, inventory=held), QuotingParameters()) for held in (-3.0, -2.0, 2.0, 3.0)]
    assert [(each.bid, each.ask) for each in quoted] == [
        (10_000, 10_002),
        (10_000, 10_001),
        (10_000, 10_001),
        (9_999, 10_001),
    ]


@given(st.floats(-1, 1), st.floats(0, 10))
def test_a_side_shows_less_the_more_it_would_add(held: float, calmness: float) -> None:
    """A full quote where a fill reduces the inventory and the market is calm; nothing at the limit."""
    share = size_share(held, calmness)
    assert 0 <= share <= 1
    assert share <= size_share(held - 0.1, calmness)
    assert size_share(1.0, calmness) == 0
    assert size_share(-abs(held), max(1.0, calmness)) == 1


def test_a_believed_prediction_moves_both_quotes() -> None:
    """By alpha_weight of it."""
    up = quotes(replace(CALM, alpha=10.0), QuotingParameters())
    assert up.reservation == pytest.approx(CALM.mid + 6.0)


def test_volatility_of_a_random_walk_is_its_step() -> None:
    """Steps of 3 a √s, sampled at uneven times."""
    random, walk = Random(5), EwmaVolatility(1e6)
    now_ns, price = 0, 0.0
    for _ in range(20_000):
        gap_s = random.uniform(0.06, 0.4)
        now_ns += int(gap_s * SECOND_NS)
        price += random.gauss(0, 3 * math.sqrt(gap_s))
        walk.update(now_ns, price)
    assert walk.per_root_second == pytest.approx(3.0, rel=0.05)


def test_volatility_passes_over_bounce() -> None:
    """Moves within 50 ms are not looked at; before two prices it is 0."""
    walk = EwmaVolatility(10)
    walk.update(0, 100.0)
    walk.update(1_000_000, 200.0)
    assert walk.per_root_second == 0.0


def test_an_ewma_begins_at_its_first_value() -> None:
    """And goes a share of the way to each later one."""
    mean = Ewma(0.5)
    assert mean.value is None
    mean.update(4.0)
    mean.update(8.0)
    assert mean.value == 6.0


# The model.


def test_recursive_least_squares_finds_what_least_squares_finds() -> None:
    """Without forgetting and with next to no ridge it equals numpy's solution."""
    source = np.random.default_rng(1)
    x = source.normal(size=(500, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.3 + source.normal(scale=0.1, size=500)
    model = RecursiveLeastSquares(3, forgetting=1.0, ridge=1e-9)
    for row, truth in zip(x, y, strict=True):
        model.learn(tuple(row), float(truth))
    solution, *_ = np.linalg.lstsq(np.column_stack([np.ones(500), x]), y, rcond=None)
    assert model.predict((1.0, 2.0, 3.0)) == pytest.approx(float(solution @ [1, 1, 2, 3]), rel=1e-6)


def test_the_model_learns_the_direction_while_it_runs() -> None:
    """A feature that tells the next move: nearly all directions come true after a while."""
    model, random = PriceModel(1, SECOND_NS, "P"), Random(2)
    mid, signal = 1000.0, 0.0
    for second in range(600):
        assert len(model.outcomes(second * SECOND_NS, mid)) == (1 if second else 0)
        signal = random.choice((-1.0, 1.0))
        model.predict(second * SECOND_NS, (signal,), mid)
        mid *= 1 + 1e-4 * (signal + random.gauss(0, 0.3))
    assert model.accuracy is not None
    assert model.accuracy > 0.95


def test_an_outcome_answers_its_prediction_in_basis_points() -> None:
    """From the mid at the prediction to the mid at its horizon."""
    model = PriceModel(1, SECOND_NS, "P")
    made = model.predict(0, (1.0,), 1000.0)
    assert model.outcomes(SECOND_NS - 1, 1001.0) == []
    (outcome,) = model.outcomes(SECOND_NS, 1001.0)
    assert outcome.prediction == made
    assert outcome.truth_bp == pytest.approx(10.0)


def test_predictions_made_before_sight_was_lost_are_not_judged() -> None:
    """Their truth is unknown, not zero."""
    model = PriceModel(1, SECOND_NS, "P")
    model.predict(0, (1.0,), 1000.0)
    model.forget()
    assert model.outcomes(2 * SECOND_NS, 900.0) == []
    assert model.accuracy is None


def test_features_are_what_they_are_called() -> None:
    """A book of 3 to 1 at 1 bp of half a spread leans by a half; a rise of 2 bp fades, the fast one faster."""
    state = FeatureState()
    state.top(0, 9_998.0)
    state.top(0, 10_000.0)
    state.trade(trade("10001", "2", buyer_is_maker=False))
    top = Top(Decimal(9_999), Decimal(3), Decimal(10_001), Decimal(1))
    move_bp = (10_000 / 9_998 - 1) * 1e4
    assert state.vector(0, top) == pytest.approx((0.5, 0.5, math.tanh(7.5), move_bp, move_bp), abs=1e-6)
    faded = move_bp * math.exp(-1), move_bp * math.exp(-1 / 6)
    assert state.vector(500_000_000, top)[3:] == pytest.approx(faded)
    wide = Top(Decimal(9_998), Decimal(1), Decimal(10_002), Decimal(3))
    assert state.vector(0, wide)[:2] == pytest.approx((-0.5, -1.0))


def test_features_are_bounded_whatever_the_book() -> None:
    """Imbalance within one, the others within three."""
    state = FeatureState()
    state.top(0, 100.0)
    state.top(1, 150.0)
    state.trade(trade("100", "9999", received_ns=1))
    top = Top(Decimal(100), Decimal(1000), Decimal(200), Decimal("0.001"))
    vector = state.vector(2, top)
    assert vector[0] == pytest.approx(1.0, abs=1e-3)
    assert all(abs(value) <= 3.0 for value in vector)
    assert vector[2] < 0


# Drift.

WINDOWS = st.lists(st.floats(-100, 100), min_size=20, max_size=200)


@given(WINDOWS)
def test_a_window_has_no_drift_against_itself(window: list[float]) -> None:
    """The index is 0."""
    assert population_stability_index(window, window) == pytest.approx(0.0)


@given(WINDOWS, WINDOWS)
def test_the_index_is_never_negative(reference: list[float], recent: list[float]) -> None:
    """It is a divergence."""
    assert population_stability_index(reference, recent) >= -1e-12


def test_a_shifted_window_drifts() -> None:
    """By a standard deviation: far above the usual 0.25."""
    random = Random(1)
    reference = [random.gauss(0, 1) for _ in range(1000)]
    same = [random.gauss(0, 1) for _ in range(1000)]
    assert population_stability_index(reference, same) < 0.05
    assert population_stability_index(reference, [value + 1 for value in same]) > 0.5


def test_a_monitor_has_no_index_before_both_windows_are_full() -> None:
    """The first values are the reference; the recent window moves on."""
    monitor = DriftMonitor(10)
    for value in range(19):
        monitor.update(value % 10)
    assert monitor.index is None
    monitor.update(9)
    assert monitor.index == pytest.approx(0.0)


# Risk.

LIMITS = RiskLimits(Decimal(2), Decimal(1000))


@pytest.mark.parametrize(
    ("position", "sign", "exposure", "reason"),
    [
        ("0", 1, "0", None),
        ("2", 1, "0", "position_limit"),
        ("-2", -1, "0", "position_limit"),
        ("1", 1, "950", "exposure_limit"),
        ("2", -1, "5000", None),
        ("-9", 1, "5000", None),
    ],
)
def test_orders_beyond_a_limit_are_refused_and_those_that_reduce_never(
    position: str, sign: int, exposure: str, reason: str | None
) -> None:
    """One unit at 100, against a limit of 2 units and a notional of 1,000."""
    assert refusal(LIMITS, Decimal(position), sign, Decimal(1), Decimal(100), Decimal(exposure)) == reason


def test_value_at_risk_is_the_normal_quantile_of_an_hours_move() -> None:
    """1,000,000 at 1 bp a √s: 2.3263 × 0.0001 × 60 × 1,000,000."""
    assert value_at_risk(1e6, 1e-4) == pytest.approx(13_958.09, abs=0.01)


# The experiment.


@given(st.integers(0, 10**6), st.integers(0, 10**12))
def test_each_pair_holds_both_arms(seed: int, pair: int) -> None:
    """One span of quoting and one without, back to back."""
    plan = Switchback(seed, SECOND_NS)
    first, second = plan.at(2 * pair * SECOND_NS), plan.at((2 * pair + 1) * SECOND_NS)
    assert {first.arm, second.arm} == {"on", "off"}
    assert first.end_ns == second.start_ns
    assert first.assignment_id != second.assignment_id


def test_the_order_within_pairs_is_random_and_the_same_again() -> None:
    """Half of the pairs begin with quoting; the plan is a function of seed and time."""
    plan = Switchback(7, SECOND_NS)
    first = [plan.at(2 * pair * SECOND_NS).quoting for pair in range(2000)]
    assert 0.45 < sum(first) / 2000 < 0.55
    assert first == [Switchback(7, SECOND_NS).at(2 * pair * SECOND_NS).quoting for pair in range(2000)]
    assert first != [Switchback(8, SECOND_NS).at(2 * pair * SECOND_NS).quoting for pair in range(2000)]
