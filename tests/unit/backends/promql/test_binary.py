"""Binary operators and vector matching."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.promql.asking import MINUTE, ask, ask_one, ask_range, refusal, source_of

from flashmm_backends.promql.testing import MemorySource, labels_of

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


def _requests() -> MemorySource:
    source = MemorySource()
    for code, method, value in (("500", "get", 24), ("404", "get", 30), ("500", "post", 6), ("404", "post", 21)):
        source.add_floats(labels_of("errors", method=method, code=code), [float(value)])
    for method, value in (("get", 600), ("del", 34), ("post", 120)):
        source.add_floats(labels_of("requests", method=method), [float(value)])
    return source


@given(NUMBERS, NUMBERS)
def test_scalar_arithmetic(a: float, b: float) -> None:
    """Operators between scalars are those of IEEE 754, with Go's sign of the remainder."""
    left, right = f"({a!r})", f"({b!r})"
    source = MemorySource()
    expected: dict[str, object] = {"+": a + b, "-": a - b, "*": a * b}
    # numpy's arc tangent is off by one last digit at times, and never by two, as is Go's.
    turn = math.atan2(a, b)
    expected["atan2"] = pytest.approx(turn, rel=0, abs=math.ulp(turn))
    if b:
        expected |= {"/": a / b, "%": math.fmod(a, b)}
    for operator, value in expected.items():
        assert ask_one(source, f"{left} {operator} {right}") == value
    assert ask_one(source, f"{left} <bool {right}") == float(a < b)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("1 / 0", math.inf),
        ("-1 / 0", -math.inf),
        ("2 ^ 3 ^ 2", 512.0),
        ("-2 ^ 2", -4.0),
        ("1 + 2 * 3", 7.0),
        ("1 ==bool 1", 1.0),
    ],
)
def test_precedence_and_division(query: str, value: float) -> None:
    """Powers bind to the right and tighter than a sign; division by zero is infinite."""
    assert ask_one(MemorySource(), query) == value


def test_comparisons_filter_or_tell() -> None:
    """A comparison keeps the vector's samples that hold; with bool it gives 0 or 1 without the name."""
    source = source_of(x=[3])
    assert ask(source, "x > 2") == {labels_of("x"): 3.0}
    assert ask(source, "2 < x") == {labels_of("x"): 3.0}
    assert ask(source, "x > 5") == {}
    assert ask(source, "x >bool 5") == {(): 0.0}
    assert ask(source, "x + 1") == {(): 4.0}


def test_one_to_one_matching() -> None:
    """Series with equal labels meet, apart from those ignored; others are left out."""
    assert ask(_requests(), 'errors{code="500"} / ignoring(code) requests') == {
        labels_of(method="get"): 0.04,
        labels_of(method="post"): 0.05,
    }


def test_many_to_one_matching() -> None:
    """group_left lets many series meet one and may take labels from it."""
    source = _requests()
    ratios = ask(source, "errors / on(method) group_left() requests")
    assert ratios[labels_of(method="get", code="404")] == 0.05
    assert len(ratios) == 4
    assert ask(source, "requests / on(method) group_right() errors")[labels_of(method="get", code="500")] == 25.0
    source.add_floats(labels_of("owner", method="get", team="core"), [1.0])
    teams = ask(source, "errors * on(method) group_left(team) owner")
    assert {dict(labels)["team"] for labels in teams} == {"core"}


def test_comparison_of_one_to_many_keeps_the_left_value() -> None:
    """Whatever side is many, a comparison that holds returns the left operand."""
    found = ask(_requests(), "requests > on(method) group_right() errors")
    assert found[labels_of("errors", method="get", code="404")] == 600.0


DUPLICATE = (
    'found duplicate series for the match group {method="get"} on the right hand-side of the operation: '
    '[{__name__="errors", code="500", method="get"}, {__name__="errors", code="404", method="get"}];'
    "many-to-many matching not allowed: matching labels must be unique on one side"
)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "requests / on(method) errors",
            DUPLICATE,
        ),
        (
            "errors / on(method) requests",
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
        ),
        (
            "errors * on(method) group_left(code) requests",
            "multiple matches for labels: grouping labels must ensure unique matches",
        ),
    ],
)
def test_ambiguous_matches_are_refused(query: str, message: str) -> None:
    """Many-to-many matching is an execution error in Prometheus's words."""
    refused = refusal(_requests(), query)
    assert (refused.kind, refused.message) == ("execution", message)


def test_series_of_one_group_are_ambiguous_even_if_nothing_matches_them() -> None:
    """Two series of the `one` side in one match group are refused whatever is on the other side."""
    source = MemorySource()
    source.add_floats(labels_of("x", a="1", b="other"), [1.0])
    for a in ("1", "2"):
        source.add_floats(labels_of("y", a=a, b="p"), [1.0])
    assert 'duplicate series for the match group {b="p"}' in refusal(source, "x + ignoring(a) y").message


def test_ambiguity_counts_at_each_step_alone() -> None:
    """Series that match the same group at different times do not conflict."""
    source = source_of(x=[1] * 12)
    source.add(labels_of("y", n="1"), [(0, 10.0)])
    source.add(labels_of("y", n="2"), [(6 * MINUTE, 20.0)])
    points = ask_range(source, "x + on() y", 11 * MINUTE)[()]
    assert {value for time, value in points if time < 5 * MINUTE} == {11.0}
    assert {value for time, value in points if time >= 6 * MINUTE} == {21.0}


def test_set_operators() -> None:
    """and, or and unless compare labels, not values."""
    source = _requests()
    assert set(ask(source, "requests and on(method) errors")) == {
        labels_of("requests", method="get"),
        labels_of("requests", method="post"),
    }
    assert set(ask(source, "requests unless on(method) errors")) == {labels_of("requests", method="del")}
    assert len(ask(source, "errors or requests")) == 7
    assert len(ask(source, "errors or on(method) requests")) == 5


def test_or_joins_rows_of_equal_labels() -> None:
    """A series that comes from the left at some steps and from the right at others is one series."""
    source = source_of(x=[1, 5])
    points = ask_range(source, "(x > 2) or (x <= 2) * 1", MINUTE)
    assert points == {labels_of("x"): [(MINUTE, 5.0)], (): [(0, 1.0)]}
    assert ask_range(source, "(x > 2) * 1 or (x <= 2) * 1", MINUTE) == {(): [(0, 1.0), (MINUTE, 5.0)]}


def test_unary_minus() -> None:
    """A sign drops the name; of a scalar it is a number."""
    source = source_of(x=[3], y=[4])
    assert ask(source, "-x") == {(): -3.0}
    assert ask_one(source, "-(1 + 2)") == -3.0
    assert refusal(source, '-{__name__=~"x|y"}').message == "vector cannot contain metrics with the same labelset"


def test_operations_on_nothing() -> None:
    """An operand without series gives none."""
    source = source_of(x=[1])
    for query in ("x + none", "none + x", "none and x", "none > 1", "none + none"):
        assert ask(source, query) == {}
    assert ask(source, "x unless none") == {labels_of("x"): 1.0}
