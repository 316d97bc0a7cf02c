"""Functions with rules of their own."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.promql.asking import MINUTE, ask, ask_one, ask_range, notes, refusal, source_of

from flashmm_backends.promql.testing import MemorySource, labels_of

SECONDS = st.integers(-(10**10), 10**10)


@given(SECONDS)
def test_date_functions_agree_with_the_calendar(seconds: int) -> None:
    """Each part of a date is that of the UTC calendar, before 1970 too."""
    moment = datetime.fromtimestamp(seconds, UTC)
    first = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    after = datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC)
    expected = {
        "year": moment.year,
        "month": moment.month,
        "day_of_month": moment.day,
        "day_of_week": moment.isoweekday() % 7,
        "day_of_year": moment.timetuple().tm_yday,
        "days_in_month": (after - first).days,
        "hour": moment.hour,
        "minute": moment.minute,
    }
    for function, value in expected.items():
        assert ask_one(MemorySource(), f"{function}(vector({seconds}))") == value


def test_date_functions_default_to_the_evaluation_time() -> None:
    """Without an argument they tell of the time of the query; of no time they are NaN."""
    assert ask_one(MemorySource(), "hour()", 90 * MINUTE) == 1.0
    assert math.isnan(ask_one(MemorySource(), "year(vector(NaN))"))


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("abs(vector(-2))", 2.0),
        ("ceil(vector(1.2))", 2.0),
        ("floor(vector(-1.2))", -2.0),
        ("round(vector(2.5))", 3.0),
        ("round(vector(-2.5))", -2.0),
        ("round(vector(17), 5)", 15.0),
        ("clamp(vector(7), 1, 5)", 5.0),
        ("clamp_min(vector(1), 3)", 3.0),
        ("clamp_max(vector(9), 3)", 3.0),
        ("clamp_max(vector(NaN), -Inf)", -math.inf),
        ("clamp_min(vector(NaN), Inf)", math.inf),
        ("clamp(vector(NaN), -Inf, -Inf)", -math.inf),
        ("clamp(vector(-Inf), -Inf, NaN)", -math.inf),
        ("sgn(vector(-3))", -1.0),
        ("sgn(vector(0))", 0.0),
        ("exp(vector(0))", 1.0),
        ("ln(vector(0))", -math.inf),
        ("log2(vector(8))", 3.0),
        ("log10(vector(1000))", pytest.approx(3.0)),
        ("sqrt(vector(9))", 3.0),
        ("deg(vector(pi()))", pytest.approx(180.0)),
        ("rad(vector(180))", pytest.approx(math.pi)),
        ("sinh(vector(1))", pytest.approx(math.sinh(1))),
        ("acosh(vector(2))", pytest.approx(math.acosh(2))),
        ("scalar(vector(4))", 4.0),
        ("time()", 60.0),
    ],
)
def test_mathematics(query: str, value: float) -> None:
    """Functions of single values give what the mathematical function gives."""
    assert ask_one(MemorySource(), query, MINUTE) == value


def test_clamp_of_an_empty_interval_gives_nothing() -> None:
    """Where the minimum is above the maximum there is no result."""
    assert ask(source_of(x=[1]), "clamp(x, 5, 1)") == {}


def test_scalar_of_several_series_is_nan() -> None:
    """scalar() needs exactly one series."""
    source = source_of(x=[1], y=[2])
    assert math.isnan(ask_one(source, 'scalar({__name__=~"x|y"})'))
    assert math.isnan(ask_one(source, "scalar(none)"))


def test_label_replace_uses_the_parts_of_a_match() -> None:
    """Groups are referred to by number or name; without a match nothing changes; an empty value removes."""
    source = MemorySource()
    source.add_floats(labels_of("x", pair="BTC-USDT", a="$"), [1.0])
    assert dict(next(iter(ask(source, 'label_replace(x, "base", "$1", "pair", "(.*)-.*")'))))["base"] == "BTC"
    named = 'label_replace(x, "q", "<${quote}$$>", "pair", ".*-(?P<quote>.*)")'
    assert dict(next(iter(ask(source, named))))["q"] == "<USDT$>"
    assert dict(next(iter(ask(source, 'label_replace(x, "q", "$9${none}", "pair", ".*")')))).get("q") is None
    assert ask(source, 'label_replace(x, "q", "z", "pair", "BTC")') == ask(source, "x")
    assert "pair" not in dict(next(iter(ask(source, 'label_replace(x, "pair", "", "pair", ".*")'))))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('label_replace(x, "a", "$1", "b", "(")', "invalid regular expression in label_replace(): ("),
        ('label_replace(x, "", "$1", "b", "(.*)")', "invalid destination label name in label_replace(): "),
        ('label_join(x, "", ",", "b")', "invalid destination label name in label_join(): "),
        ('label_join(x, "a", ",", "")', "invalid source label name in label_join(): "),
        (
            'label_replace({__name__=~"x|y"}, "__name__", "z", "", "")',
            "vector cannot contain metrics with the same labelset",
        ),
    ],
)
def test_relabelling_errors(query: str, message: str) -> None:
    """Bad patterns, bad names and labels that come to be equal are execution errors."""
    refused = refusal(source_of(x=[1], y=[2]), query)
    assert (refused.kind, refused.message) == ("execution", message)


def test_label_join_joins_values() -> None:
    """label_join sets a label to others' values with a separator; missing ones are empty."""
    source = MemorySource()
    source.add_floats(labels_of("x", a="1", b="2"), [1.0])
    assert dict(next(iter(ask(source, 'label_join(x, "c", "-", "a", "none", "b")'))))["c"] == "1--2"


def test_absent_tells_of_what_a_selector_fixes() -> None:
    """absent() has the labels that are matched by equality once, and no value while there is a series."""
    source = source_of(x=[1])
    assert ask(source, "absent(x)") == {}
    assert ask(source, 'absent(y{a="1",b!="2",c=~"3"})') == {labels_of(a="1"): 1.0}
    assert ask(source, 'absent(y{a="1",a="2"})') == {(): 1.0}
    assert ask(source, "absent(sum(y))") == {(): 1.0}
    assert ask(source, 'absent_over_time(y{a="1"}[5m])') == {labels_of(a="1"): 1.0}
    assert ask(source, "absent_over_time(x[5m])", 4 * MINUTE) == {}
    assert ask(source, "absent_over_time(x[5m])", 5 * MINUTE) == {(): 1.0}
    assert ask_range(source, "absent(x)", 6 * MINUTE) == {(): [(5 * MINUTE, 1.0), (6 * MINUTE, 1.0)]}


def test_sort_orders_an_instant_by_value() -> None:
    """sort and sort_desc order by value, NaN last; in a range they only warn."""
    source = source_of(a=[2], b=[math.nan], c=[1])
    everything = '{__name__=~"a|b|c"}'
    assert [dict(labels)["__name__"] for labels in ask(source, f"sort({everything})")] == ["c", "a", "b"]
    assert [dict(labels)["__name__"] for labels in ask(source, f"sort_desc({everything})")] == ["a", "c", "b"]
    assert notes(source, f"sort({everything})") == ()
