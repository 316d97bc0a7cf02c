"""rate, increase and delta of native histograms, for all windows of all series at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flashmm_backends.histogram_array import COUNT, ROWS_AT_ONCE, SUM, HistogramArray, Stack
from flashmm_backends.promql._budget import Budget
from flashmm_backends.promql._rates import Spans, extrapolation
from flashmm_backends.promql._selectors import newest_before
from flashmm_backends.promql._values import Floats, Indices, Mask
from flashmm_backends.promql._windows import Windows
from flashmm_backends.promql.source import HistogramSamples

RATES = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}
"""Functions by name: whether of counters, whether per second."""


@dataclass(frozen=True, slots=True)
class Slices:
    """The histogram samples [low, high) of windows, equal shapes."""

    low: Indices
    high: Indices

    @property
    def counts(self) -> Indices:
        """Number of samples in each."""
        return self.high - self.low


def slices(windows: Windows, samples: HistogramSamples) -> Slices:
    """Where samples fall into the windows, shape (rows, steps)."""
    return Slices(
        newest_before(samples, windows.end_ms - windows.range_ms),
        newest_before(samples, windows.end_ms),
    )


def uniform_rates(
    function: str, windows: Windows, samples: HistogramSamples, where: Slices, wanted: Mask
) -> Iterator[tuple[Indices, HistogramArray]]:
    """Flat cells and results of the wanted windows of which all histograms are of one kind; two samples at least."""
    kinds = samples.histograms.kinds()
    changes = np.cumsum(np.diff(kinds, prepend=kinds[:1]) != 0)
    cells = np.flatnonzero(wanted & (where.counts > 1))
    low, last = where.low.ravel()[cells], where.high.ravel()[cells] - 1
    uniform = changes[low] == changes[last]
    for kind in np.unique(kinds[low[uniform]]).tolist():
        windows.budget.check_time()
        of_kind = kinds == kind
        stack = _stack(samples.histograms[of_kind])
        if stack is None:
            continue
        within = uniform & (kinds[low] == kind)
        place = np.cumsum(of_kind) - 1
        part = _Part(stack, place[low[within]], place[last[within]])
        spans = _spans(windows, samples, Slices(low[within], last[within] + 1), cells[within])
        matrix = part.rates(function, spans, windows)
        yield cells[within], HistogramArray((Stack(stack.layout, matrix),), np.arange(len(matrix), dtype=np.intp))


def _stack(histograms: HistogramArray) -> Stack | None:
    return histograms.aligned(int(histograms.schemas()[0]))


def _spans(windows: Windows, samples: HistogramSamples, part: Slices, cells: Indices) -> Spans:
    end = windows.end_ms[cells % len(windows.end_ms)]
    return Spans(
        first_ms=samples.times_ms[part.low],
        last_ms=samples.times_ms[part.high - 1],
        counts=part.counts,
        start_ms=end - windows.range_ms,
        end_ms=end,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Windows over the rows of a stack: the first and the last row of each, shape (n,)."""

    stack: Stack
    first: Indices
    last: Indices

    def rates(self, function: str, spans: Spans, windows: Windows) -> Floats:
        """The result of each window as a row of the stack's layout."""
        is_counter, is_rate = RATES[function]
        resets = np.flatnonzero(_resets(self.stack.matrix, windows.budget)) if is_counter else self.first[:0]
        result = np.empty((len(self.first), self.stack.layout.width))
        for begin in range(0, len(result), ROWS_AT_ONCE):
            part = slice(begin, begin + ROWS_AT_ONCE)
            self._put_change(result[part], part, resets, windows.budget)
        before = self.stack.matrix[self.first, COUNT]
        factor = extrapolation(spans, before, result[:, COUNT], is_counter=is_counter)
        result *= (factor / (windows.range_ms / 1000) if is_rate else factor)[:, None]
        return result

    def _put_change(self, change: Floats, part: slice, resets: Indices, budget: Budget) -> None:
        """The difference, plus what was reached before each reset."""
        budget.check_time()
        matrix, first, last = self.stack.matrix, self.first[part], self.last[part]
        np.subtract(matrix[last], matrix[first], out=change)
        begin = np.searchsorted(resets, first + 1)
        number = np.searchsorted(resets, last, side="right") - begin
        for position in range(int(number.max(initial=0))):
            budget.check_time()
            within = position < number
            change[within] += matrix[resets[begin[within] + position] - 1]


def _resets(matrix: Floats, budget: Budget) -> Mask:
    """Which rows have any count below the row before; shape (n,)."""
    fell = np.zeros(len(matrix), dtype=np.bool_)
    for begin in range(1, len(matrix), ROWS_AT_ONCE):
        budget.check_time()
        rows = matrix[begin - 1 : begin + ROWS_AT_ONCE]
        below = rows[1:] < rows[:-1]
        below[:, SUM] = False
        if below.any():  # hardly ever, and a look at all of them together is sooner done than row by row
            fell[begin : begin + len(below)] = np.any(below, axis=1)
    return fell
