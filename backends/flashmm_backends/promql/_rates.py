"""rate, increase, delta and their instant forms, with Prometheus's extrapolation and counter resets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flashmm_backends.promql._over_time import Cells
from flashmm_backends.promql._values import Floats, Indices, Mask, Times
from flashmm_backends.promql._windows import Windows

_CLOSE_ENOUGH = 1.1
"""A series is taken to reach the window's edge when it ends within this many average intervals of it."""


def extrapolated(*, is_counter: bool, is_rate: bool) -> Callable[[Windows, Sequence[Floats]], Cells]:
    """rate (both), increase (is_counter) or delta (neither)."""

    def function(windows: Windows, _: Sequence[Floats]) -> Cells:
        first, last = windows.first(), windows.last()
        change = windows.values[last] - windows.values[first]
        if is_counter:
            change = _with_resets(windows, change)
        factor = extrapolation(_spans(windows), windows.values[first], change, is_counter=is_counter)
        return Cells(change * (factor / (windows.range_ms / 1000) if is_rate else factor), windows.counts > 1)

    return function


def instantaneous(*, is_counter: bool) -> Callable[[Windows, Sequence[Floats]], Cells]:
    """irate (is_counter) or idelta: from the last two samples."""

    def function(windows: Windows, _: Sequence[Floats]) -> Cells:
        before, after = windows.last(back=1), windows.last()
        change = windows.values[after] - windows.values[before]
        if is_counter:
            change = np.where(windows.values[after] < windows.values[before], windows.values[after], change)
            change = change / ((windows.times_ms[after] - windows.times_ms[before]) / 1000)
        return Cells(change, windows.counts > 1)

    return function


def counter_resets(values: Floats) -> Indices:
    """Indices of the samples that are below the one before."""
    return np.flatnonzero(values[1:] < values[:-1]) + 1


def _with_resets(windows: Windows, change: Floats) -> Floats:
    """Add the value before each reset, in the order of time, as a sum of floats depends on it."""
    at = counter_resets(windows.values)
    if not len(at):
        return change
    first = np.searchsorted(at, windows.low + 1)
    number = np.where(windows.counts > 1, np.searchsorted(at, windows.high) - first, 0)
    before = np.append(windows.values[at - 1], 0.0)
    for position in range(int(number.max(initial=0))):
        windows.budget.check_time()
        within: Mask = position < number
        change = change + np.where(within, before[np.where(within, first + position, -1)], 0.0)
    return change


@dataclass(frozen=True, slots=True)
class Spans:
    """How the samples lie in their windows: times in milliseconds, equal or broadcastable shapes."""

    first_ms: Times
    last_ms: Times
    counts: Indices
    start_ms: Times
    end_ms: Times


def extrapolation(spans: Spans, first: Floats, change: Floats, *, is_counter: bool) -> Floats:
    """By how much the change between a window's samples grows to cover the window. first: of the first sample."""
    to_start = (spans.first_ms - spans.start_ms) / 1000
    to_end = (spans.end_ms - spans.last_ms) / 1000
    sampled = (spans.last_ms - spans.first_ms) / 1000
    average = sampled / (spans.counts - 1)
    to_start = np.where(to_start >= average * _CLOSE_ENOUGH, average / 2, to_start)
    if is_counter:
        to_start = _not_below_zero(to_start, sampled, first, change)
    to_end = np.where(to_end >= average * _CLOSE_ENOUGH, average / 2, to_end)
    return (sampled + to_start + to_end) / sampled


def _spans(windows: Windows) -> Spans:
    return Spans(
        first_ms=windows.times_ms[windows.first()],
        last_ms=windows.times_ms[windows.last()],
        counts=windows.counts,
        start_ms=windows.end_ms - windows.range_ms,
        end_ms=windows.end_ms,
    )


def _not_below_zero(to_start: Floats, sampled: Floats, first: Floats, change: Floats) -> Floats:
    """A counter is not extrapolated further back than where it would have been 0."""
    to_zero = np.where((change > 0) & (first >= 0), sampled * (first / change), to_start)
    return np.where(to_zero < to_start, to_zero, to_start)
