"""Instant vector selectors: the newest sample at or before each step, unless it is stale or too old."""

from dataclasses import dataclass

import numpy as np

from flashmm_backends.histogram import STALE_NAN_BITS
from flashmm_backends.histogram_array import SUM, HistogramArray
from flashmm_backends.promql._ast import Selector
from flashmm_backends.promql._parts import parts
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Indices, Mask, Times, Vectors
from flashmm_backends.promql.source import HistogramSamples, Selection

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Found:
    """What a selector finds at each step, and when each sample was taken (shape (rows, steps), milliseconds)."""

    vectors: Vectors
    times_ms: Times

    def rows(self, rows: slice) -> "Found":
        """Some of the rows; to write to them is to write to these."""
        vectors = self.vectors
        histograms = None if vectors.histograms is None else vectors.histograms[rows]
        part = Vectors(vectors.labels[rows], vectors.values[rows], vectors.present[rows], histograms)
        return Found(part, self.times_ms[rows])


def select_instant(session: Session, selector: Selector, steps: Times) -> Found:
    """Evaluate an instant vector selector at every step (lookback excludes its older end, as in Prometheus 3)."""
    reference = session.reference_times(steps, selector.offset_ms, selector.at)
    lookback = session.limits.lookback_ms
    selection = session.select(selector.matchers, int(reference.min()) - lookback + 1, int(reference.max()))
    shape = (len(selection.labels), len(steps))
    session.budget.take(shape[0] * shape[1])
    histograms = None
    if selection.histograms is not None:
        histograms = HistogramArray(selection.histograms.histograms.stacks, np.full(shape, -1, dtype=np.intp))
    vectors = Vectors(selection.labels, np.zeros(shape), np.zeros(shape, dtype=np.bool_), histograms)
    found = Found(vectors, np.full(shape, _NEVER))
    for rows, part in parts(selection, len(steps)):
        session.budget.check_time()
        _find_floats(part, reference, lookback, found.rows(rows))
        if part.histograms is not None and len(part.histograms.times_ms):
            _find_histograms(part.histograms, reference, lookback, found.rows(rows))
    return found


def newest_before(selection: Selection | HistogramSamples, reference_ms: Times) -> Indices:
    """For each series and reference time, one past the index of its newest sample not after that time.

    One binary search over all series: sample times are made keys that ascend from series to series.
    """
    series = len(selection.offsets) - 1
    if not len(selection.times_ms):
        return np.zeros((series, len(reference_ms)), dtype=np.intp)
    first = int(selection.times_ms.min()) - 1
    span = int(selection.times_ms.max()) - first + 1
    base = np.arange(series, dtype=np.int64) * span
    keys = selection.times_ms - first + np.repeat(base, np.diff(selection.offsets))
    wanted = np.clip(reference_ms - first, 0, span - 1) + base[:, None]
    return np.searchsorted(keys, wanted, side="right")


def is_stale(values: Floats) -> Mask:
    """Which values are staleness markers."""
    return np.ascontiguousarray(values).view(np.uint64) == STALE_NAN_BITS


def _find_floats(selection: Selection, reference: Times, lookback: int, found: Found) -> None:
    if not len(selection.times_ms):
        return
    index = newest_before(selection, reference) - 1
    taken = (index >= selection.offsets[:-1, None]) & (index >= 0)
    times, values = selection.times_ms[index], selection.values[index]
    taken &= times > reference - lookback
    found.vectors.values[:] = values
    found.vectors.present[:] = taken & ~is_stale(values)
    found.times_ms[taken] = times[taken]


def _find_histograms(samples: HistogramSamples, reference: Times, lookback: int, found: Found) -> None:
    """Histograms take the place of older floats."""
    vectors = found.vectors
    assert vectors.histograms is not None
    index = newest_before(samples, reference) - 1
    at = samples.times_ms[index]
    newer = (index >= samples.offsets[:-1, None]) & (index >= 0)
    newer &= (at > reference - lookback) & (at > found.times_ms)
    vectors.present[newer] = False
    found.times_ms[newer] = at[newer]
    cells = np.where(histograms_are_stale(samples), -1, samples.histograms.cells)
    vectors.histograms.cells[newer] = cells[index[newer]]


def histograms_are_stale(samples: HistogramSamples) -> Mask:
    """Which histogram samples are staleness markers."""
    return is_stale(samples.histograms.scalars()[:, SUM])
