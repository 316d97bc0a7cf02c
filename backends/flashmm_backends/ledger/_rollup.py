"""One-minute roll-ups: which raw samples stand for a minute of a series when the raw ones must go.

A roll-up keeps real samples with their own times, so that PromQL evaluates it as it does raw points:

- of every series and minute the last sample (the value at the minute's end, and all that a counter needs);
- of a gauge also the first lowest and the first highest (so that min, max and a chart's envelope stay right);
- of a counter also both neighbours of every fall (so that no reset and nothing counted before it is lost);
- every staleness marker with its predecessor.

So `rate` and `increase` over windows of five minutes and more lose at most the slope inside the window's first and
last minute, `min_over_time` and `max_over_time` of gauges are exact, `avg_over_time` is approximate, and
`count_over_time` counts what is left. After Jugel et al. (2014), M4.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.ledger._journal import Samples

MINUTE_MS: Final = 60_000

Flags = npt.NDArray[np.bool_]


def rolled_up(samples: Samples, counters: npt.NDArray[np.uint32]) -> Samples:
    """What stands for sorted samples without duplicates. counters: numbers of the counter series, sorted."""
    keep = _last_of_minute(samples)
    if samples.value.dtype != object:
        value = np.asarray(samples.value, np.float64)
        counter = np.isin(samples.series, counters)
        keep |= _falls(samples.series, value) & counter
        keep |= _extremes(samples, value) & ~counter
        keep |= _around(np.isnan(value), samples.series)
    return Samples(samples.series[keep], samples.time_ms[keep], samples.value[keep])


def _last_of_minute(samples: Samples) -> Flags:
    minute = samples.time_ms // MINUTE_MS
    return np.append((samples.series[1:] != samples.series[:-1]) | (minute[1:] != minute[:-1]), [True])


def _falls(series: npt.NDArray[np.uint32], value: npt.NDArray[np.float64]) -> Flags:
    fell = (value[1:] < value[:-1]) & (series[1:] == series[:-1])
    return np.append(fell, [False]) | np.append([False], fell)


def _around(special: Flags, series: npt.NDArray[np.uint32]) -> Flags:
    before = np.append(special[1:] & (series[1:] == series[:-1]), [False])
    return special | before


def _extremes(samples: Samples, value: npt.NDArray[np.float64]) -> Flags:
    ends = np.flatnonzero(_last_of_minute(samples))
    begins = np.concatenate(([0], ends[:-1] + 1))
    group = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(value))))
    return _first_equal(value, np.fmin.reduceat(value, begins), group) | _first_equal(
        value, np.fmax.reduceat(value, begins), group
    )


def _first_equal(
    value: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64], group: npt.NDArray[np.integer[Any]]
) -> Flags:
    hits = np.flatnonzero(value == wanted[group])
    first = np.concatenate(([True], np.diff(group[hits]) != 0)) if len(hits) else np.empty(0, np.bool_)
    flags = np.zeros(len(value), np.bool_)
    flags[hits[first]] = True
    return flags
