"""Times and durations are read as Prometheus reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.promql._encode import sample_text, time_text
from flashmm_backends.promql._parameters import duration_ns, time_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1700000000.123", 1_700_000_000_123),
        ("1.0006", 1_001),
        ("-1.5", -1_500),
        ("1e3", 1_000_000),
        (".5", 500),
        ("2024-08-08T10:00:00.1239Z", 1_723_111_200_123),
        ("2024-08-08T12:00:00+02:00", 1_723_111_200_000),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_times(text: str, expected: int) -> None:
    """Unix seconds are rounded to milliseconds, dates are cut off."""
    assert time_ms(text) == expected


@pytest.mark.parametrize(
    "text", ["", "now", "NaN", "Inf", "1_000", " 1", "2024-08-08", "2024-08-08 10:00:00Z", "1e14"]
)
def test_bad_times(text: str) -> None:
    """Neither a number nor a date with a zone."""
    with pytest.raises(ValueError, match=r"cannot parse|beyond"):
        time_ms(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15", 15), ("0.5", 0.5), ("1h30m", 5400), ("1y2w3d4h5m6s7ms", 33_019_506.007), ("-1", -1), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    """Seconds, or units from large to small."""
    assert duration_ns(text) == round(seconds * 1000) * 1_000_000


@pytest.mark.parametrize("text", ["", "1", "m", "1m1h", "1.5h", "300y", "9" * 40 + "y", "1e30"])
def test_bad_durations(text: str) -> None:
    """Wrong order, fractions of units, overflow."""
    if text == "1":
        assert duration_ns(text) == 10**9
        return
    with pytest.raises(ValueError, match="cannot parse"):
        duration_ns(text)


@given(st.integers(-(10**15), 10**15))
def test_times_survive_their_text(time: int) -> None:
    """A time that was answered can be asked for."""
    assert time_ms(time_text(time)) == time or abs(time) > 10**15


@given(st.floats(allow_nan=False))
def test_sample_values_read_back(value: float) -> None:
    """The text is exact."""
    assert float(sample_text(value).replace("Inf", "inf")) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (1e-6, "0.000001"),
        (9.5e-7, "9.5e-07"),
        (1e20, "100000000000000000000"),
        (1.5e21, "1.5e+21"),
        (1e300, "1e+300"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
        (0.00001, "0.00001"),
        (123456789.125, "123456789.125"),
    ],
)
def test_sample_values(value: float, text: str) -> None:
    """An exponent of two digits below 1e-6 and from 1e21 on."""
    assert sample_text(value) == text
