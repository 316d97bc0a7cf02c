"""The engine: a query's text to its answer, pure and blocking."""

import time
from collections.abc import Callable

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.ports import InstantResult, QueryRefused, RangeResult, RangeSeries, VectorSample
from flashmm_backends.promql._ast import Expr, Kind, RangeSelector, Subquery, Text
from flashmm_backends.promql._budget import Budget
from flashmm_backends.promql._evaluator import Evaluator
from flashmm_backends.promql._limits import Limits
from flashmm_backends.promql._parse import parse
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Scalars, Times, Vectors, single_row
from flashmm_backends.promql._windows import RangeVector, Windows
from flashmm_backends.promql.source import HistogramSamples, SampleSource


class Engine:
    """Answers PromQL from a source of samples, as Prometheus 3.13 does with its default features.

    Blocking, and safe to call from several threads when the source is. Raises QueryRefused with Prometheus's
    errorType: bad_data, execution or timeout.
    """

    def __init__(
        self, source: SampleSource, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._limits = limits or Limits()
        self._clock = clock

    def query(self, text: str, at_ms: int) -> InstantResult:
        """Evaluate at one time, milliseconds."""
        expr = parse(text, self._limits)
        if isinstance(expr, Text):
            return InstantResult("string", text=expr.value)
        evaluator = self._evaluator(np.array([at_ms], dtype=np.int64), at_ms)
        with np.errstate(all="ignore"):
            return _instant(evaluator, expr, at_ms)

    def query_range(self, text: str, start_ms: int, end_ms: int, step_ms: int) -> RangeResult:
        """Evaluate at start, start + step … up to end, milliseconds."""
        steps = self._steps(start_ms, end_ms, step_ms)
        expr = parse(text, self._limits)
        if expr.kind not in (Kind.SCALAR, Kind.VECTOR):
            raise QueryRefused(
                "bad_data", f'invalid expression type "{expr.kind}" for range query, must be Scalar or instant Vector'
            )
        evaluator = self._evaluator(steps, end_ms)
        with np.errstate(all="ignore"):
            value = evaluator.value(expr)
        vectors = single_row(value.values) if isinstance(value, Scalars) else value
        return RangeResult(_series(vectors, steps), tuple(evaluator.session.notes))

    def _evaluator(self, steps: Times, end_ms: int) -> Evaluator:
        budget = Budget(self._limits, self._clock)
        return Evaluator(Session(self._source, self._limits, budget, int(steps[0]), end_ms), steps)

    def _steps(self, start_ms: int, end_ms: int, step_ms: int) -> Times:
        if step_ms <= 0:
            raise QueryRefused(
                "bad_data", "zero or negative query resolution step widths are not accepted. Try a positive integer"
            )
        if end_ms < start_ms:
            raise QueryRefused("bad_data", "end timestamp must not be before start time")
        if (end_ms - start_ms) // step_ms > self._limits.steps:
            raise QueryRefused(
                "bad_data",
                f"exceeded maximum resolution of {self._limits.steps:,} points per timeseries. "
                "Try decreasing the query resolution (?step=XX)",
            )
        return np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)


def _instant(evaluator: Evaluator, expr: Expr, at_ms: int) -> InstantResult:
    notes = evaluator.session.notes
    if isinstance(expr, RangeSelector | Subquery):
        matrix = _matrix(evaluator.range_vector(expr))
        return InstantResult("matrix", matrix=matrix, annotations=tuple(notes))
    value = evaluator.value(expr)
    if isinstance(value, Scalars):
        samples = [VectorSample((), at_ms, float(value.values[0]))]
        return InstantResult("scalar", samples, annotations=tuple(notes))
    return InstantResult("vector", _samples(value, at_ms), annotations=tuple(notes))


def _samples(vectors: Vectors, at_ms: int) -> list[VectorSample]:
    histograms = [] if vectors.histograms is None else vectors.histograms[:, 0].objects()
    by_row = dict(zip(np.flatnonzero(vectors.has_histogram[:, 0]).tolist(), histograms, strict=True))
    samples: list[VectorSample] = []
    for row, labels in enumerate(vectors.labels):
        if vectors.present[row, 0]:
            samples.append(VectorSample(labels, at_ms, float(vectors.values[row, 0])))
        elif row in by_row:
            samples.append(VectorSample(labels, at_ms, by_row[row]))
    return samples


def _series(vectors: Vectors, steps: Times) -> list[RangeSeries]:
    order = sorted(range(len(vectors.labels)), key=lambda row: vectors.labels[row])
    return [series for row in order if (series := _one_series(vectors, row, steps)) is not None]


def _one_series(vectors: Vectors, row: int, steps: Times) -> RangeSeries | None:
    present = vectors.present[row]
    values = vectors.values[row, present]
    if vectors.histograms is None:
        return RangeSeries(vectors.labels[row], steps[present], values) if len(values) else None
    where = vectors.histograms.held[row]
    histograms = vectors.histograms[row].objects()
    if not len(values) and not histograms:
        return None
    return RangeSeries(vectors.labels[row], steps[present], values, steps[where].tolist(), histograms)


def _matrix(ranges: RangeVector) -> list[RangeSeries]:
    """The samples themselves, of the only step."""
    series = [
        found
        for _, windows in ranges.parts()
        for row in range(len(windows.labels))
        if (found := _raw_series(windows, row)) is not None
    ]
    return sorted(series, key=lambda found: found.labels)


def _raw_series(windows: Windows, row: int) -> RangeSeries | None:
    floats = slice(int(windows.low[row, 0]), int(windows.high[row, 0]))
    samples = windows.histograms
    times, histograms = ([], []) if samples is None else _raw_histograms(windows, samples, row)
    if floats.start == floats.stop and not times:
        return None
    return RangeSeries(windows.labels[row], windows.times_ms[floats], windows.values[floats], times, histograms)


def _raw_histograms(windows: Windows, samples: HistogramSamples, row: int) -> tuple[list[int], list[NativeHistogram]]:
    end = int(windows.end_ms[0])
    low, high = samples.offsets[row : row + 2]
    edges = np.searchsorted(samples.times_ms[low:high], [end - windows.range_ms, end], side="right") + low
    inside = slice(int(edges[0]), int(edges[1]))
    return samples.times_ms[inside].tolist(), samples.histograms[inside].objects()
