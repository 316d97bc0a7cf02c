"""How the command line prints an answer of Prometheus's API."""

import math

import pytest

from flashmm_orchestration.cli._series import number, printed

BOT = {"job": "flashmm/maker", "instance": "maker", "flashmm_symbol": "BTCUSDT"}


def test_what_all_series_share_is_said_once_and_values_come_first() -> None:
    """With the unit, the time, and numbers whose points are below one another."""
    result = [
        {"metric": BOT | {"__name__": "t", "flashmm_side": side}, "value": [1_700_000_000, value]}
        for side, value in (("buy", "0.0049"), ("sell", "12.5"))
    ]
    assert printed(result, "seconds", 100).splitlines() == [
        "t  at 2023-11-14 22:13:20 UTC",
        '  flashmm_symbol="BTCUSDT", instance="maker", job="flashmm/maker"',
        "value (seconds)  flashmm_side",
        " 0.0049          buy",
        "12.5             sell",
    ]


def test_programs_are_groups_of_their_own() -> None:
    """Each with its labels."""
    result = [{"metric": {"job": job}, "value": [0, "1"]} for job in ("a", "b")]
    assert printed(result, "", 100).split("\n\n") == [
        f'at 1970-01-01 00:00:00 UTC\n  job="{job}"\nvalue\n1' for job in ("a", "b")
    ]


def test_too_many_labels_go_below_the_value() -> None:
    """No line is wider than asked."""
    labels = [{f"label_{number}": f"{'x' * 20}{which}" for number in range(6)} for which in "ab"]
    text = printed([{"metric": each, "value": [0, "1"]} for each in labels], "", 80)
    assert max(map(len, text.splitlines())) <= 80
    assert f'label_5="{"x" * 20}b"' in text


def test_a_curve_tells_its_last_value_and_its_range_and_begins_where_its_series_does() -> None:
    """Blanks before; NaN is no part of it."""
    result = [
        {"metric": {"of": "whole"}, "values": [[0, "1"], [10, "NaN"], [20, "8"], [30, "4.5"]]},
        {"metric": {"of": "late"}, "values": [[20, "2"], [30, "2"]]},
    ]
    assert printed(result, "", 100).splitlines() == [
        "1970-01-01 00:00:00 to 00:00:30 UTC",
        "value  least  most  curve  of",
        "4.5    1      8     ▁ █▅   whole",
        "2      2      2       ▁▁   late",
    ]


def test_histograms_have_count_sum_and_mean() -> None:
    """None of an empty one."""
    told = [{"count": "4", "sum": "1"}, {"count": "0", "sum": "0"}]
    result = [{"metric": {"n": str(i)}, "histogram": [0, each]} for i, each in enumerate(told)]
    assert [line.split() for line in printed(result, "", 100).splitlines()[1:]] == [
        ["count", "sum", "mean", "n"],
        ["4", "1", "0.25", "0"],
        ["0", "0", "NaN", "1"],
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (123456.78, "123456.78"),
        (1795730205.481, "1795730205.481"),
        (0.004903034488, "0.00490303"),
        (-0.5, "-0.5"),
        (1e-9, "1e-09"),
        (3e30, "3e+30"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_have_as_many_digits_as_one_reads(value: float, text: str) -> None:
    """Amounts to the thousandth, small ones to six digits."""
    assert number(value) == text
