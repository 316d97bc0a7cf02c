"""rate, increase and delta of native histograms, for all windows of a series at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql._histogram_stack import Stack, stacked
from flashmm_backends.promql._limits import Budget
from flashmm_backends.promql._rates import Spans, extrapolation
from flashmm_backends.promql._values import Floats, Indices, Times
from flashmm_backends.promql._windows import Windows
from flashmm_backends.promql.source import HistogramSamples

RATES = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}
"""Functions by name: whether of counters, whether per second."""


@dataclass(frozen=True, slots=True)
class Slices:
    """The histogram samples [low, high) of each step's window, shape (steps,)."""

    low: Indices
    high: Indices


def slices(windows: Windows, times_ms: Times) -> Slices:
    """Where samples fall into the windows."""
    return Slices(
        np.searchsorted(times_ms, windows.end_ms - windows.range_ms, side="right"),
        np.searchsorted(times_ms, windows.end_ms, side="right"),
    )


def uniform_rates(
    function: str, windows: Windows, samples: HistogramSamples, where: Slices
) -> Iterator[tuple[int, NativeHistogram | None]]:
    """Steps and results of the windows whose histograms all have one layout; None where a window has one sample."""
    is_counter, is_rate = RATES[function]
    for first, end in _uniform_runs(samples):
        within = (where.low >= first) & (where.high <= end) & (where.low < where.high)
        steps = np.flatnonzero(within)
        if not len(steps):
            continue
        stack = stacked(samples.histograms[first:end], samples.histograms[first].schema)
        if stack is None:
            continue
        part = Slices(where.low[steps] - first, where.high[steps] - first)
        spans = _spans(windows, samples.times_ms[first:end], part, steps)
        matrix = _increase(stack, part, windows.budget) if is_counter else _difference(stack, part)
        factor = extrapolation(spans, stack.count[part.low], matrix[:, 1], is_counter=is_counter)
        matrix *= (factor / (windows.range_ms / 1000) if is_rate else factor)[:, None]
        several = part.high - part.low > 1
        results = stack.layout.histograms(matrix)
        yield from zip(steps.tolist(), [r if s else None for r, s in zip(results, several, strict=True)], strict=True)


def _spans(windows: Windows, times_ms: Times, part: Slices, steps: Indices) -> Spans:
    end = windows.end_ms[steps]
    return Spans(
        first_ms=times_ms[part.low],
        last_ms=times_ms[part.high - 1],
        counts=part.high - part.low,
        start_ms=end - windows.range_ms,
        end_ms=end,
    )


def _uniform_runs(samples: HistogramSamples) -> Iterator[tuple[int, int]]:
    """Runs of samples with the same schema and zero threshold."""
    layouts = [(histogram.schema, histogram.zero_threshold) for histogram in samples.histograms]
    breaks = [i for i, (before, after) in enumerate(pairwise(layouts), start=1) if before != after]
    return pairwise([0, *breaks, len(layouts)])


def _difference(stack: Stack, part: Slices) -> Floats:
    return stack.matrix[part.high - 1] - stack.matrix[part.low]


def _increase(stack: Stack, part: Slices, budget: Budget) -> Floats:
    """The difference, plus what was reached before each reset."""
    change = _difference(stack, part)
    at = np.flatnonzero(stack.resets())
    first = np.searchsorted(at, part.low + 1)
    number = np.searchsorted(at, part.high) - first
    for position in range(int(number.max(initial=0))):
        budget.check_time()
        within = position < number
        change[within] += stack.matrix[at[first[within] + position] - 1]
    return change
