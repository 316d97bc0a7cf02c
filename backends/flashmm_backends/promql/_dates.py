"""Date functions: seconds since 1970 to parts of the UTC date."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from flashmm_backends.promql._values import Floats

_Dates = npt.NDArray[np.datetime64]
_SECONDS_MAX = 2.0**53


def _part(part: Callable[[_Dates], npt.NDArray[np.int64]]) -> Callable[[Floats], Floats]:
    def function(seconds: Floats) -> Floats:
        valid = np.abs(seconds) < _SECONDS_MAX
        dates = np.where(valid, seconds, 0.0).astype(np.int64).astype("datetime64[s]")
        return np.where(valid, part(dates).astype(np.float64), np.nan)

    return function


def _since(dates: _Dates, start: str, unit: str) -> npt.NDArray[np.int64]:
    """Whole units since the start of the year, month or day that a date is in."""
    return (dates.astype(f"datetime64[{unit}]") - dates.astype(f"datetime64[{start}]")).astype(np.int64)


def _days_in_month(dates: _Dates) -> npt.NDArray[np.int64]:
    month = dates.astype("datetime64[M]")
    return ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)


DATE_PARTS: dict[str, Callable[[Floats], Floats]] = {
    "year": _part(lambda dates: dates.astype("datetime64[Y]").astype(np.int64) + 1970),
    "month": _part(lambda dates: _since(dates, "Y", "M") + 1),
    "day_of_year": _part(lambda dates: _since(dates, "Y", "D") + 1),
    "day_of_month": _part(lambda dates: _since(dates, "M", "D") + 1),
    "day_of_week": _part(lambda dates: (dates.astype("datetime64[D]").astype(np.int64) + 4) % 7),
    "days_in_month": _part(_days_in_month),
    "hour": _part(lambda dates: _since(dates, "D", "h")),
    "minute": _part(lambda dates: _since(dates, "h", "m")),
}
