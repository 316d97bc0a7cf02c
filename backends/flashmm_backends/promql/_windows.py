"""Range vectors: for every series and step, a slice of the series' samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flashmm_backends.batch import Labels
from flashmm_backends.promql._ast import RangeSelector
from flashmm_backends.promql._budget import Budget
from flashmm_backends.promql._parts import parts
from flashmm_backends.promql._selectors import histograms_are_stale, is_stale, newest_before
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Indices, Mask, Times, Vectors
from flashmm_backends.promql.source import HistogramSamples, Selection


@dataclass(frozen=True, slots=True)
class Windows:
    """Slices of samples, left-open: times in (end - range, end].

    times_ms, values: all float samples of all series, without staleness markers, shape (n,).
    low, high: the slice of row and step, shape (rows, steps). end_ms: right ends, shape (steps,).
    steps_ms: evaluation times, which differ from end_ms by offset and `@`. histograms: of all rows.
    """

    labels: Sequence[Labels]
    times_ms: Times
    values: Floats
    low: Indices
    high: Indices
    end_ms: Times
    steps_ms: Times
    range_ms: int
    histograms: HistogramSamples | None
    budget: Budget

    @property
    def counts(self) -> Indices:
        """Number of float samples in each window."""
        return self.high - self.low

    def first(self) -> Indices:
        """Index of each window's first sample; any valid index where a window is empty."""
        return np.minimum(self.low, max(len(self.times_ms) - 1, 0))

    def last(self, back: int = 0) -> Indices:
        """Index of each window's last sample, or one `back` from it; any valid index where there is none."""
        return np.maximum(self.high - 1 - back, 0)


@dataclass(frozen=True, slots=True)
class RangeVector:
    """Samples of every series, and the ends of the windows over them; windows are made part by part.

    samples hold no staleness marker. end_ms, steps_ms, range_ms: as in Windows.
    """

    samples: Selection
    end_ms: Times
    steps_ms: Times
    range_ms: int
    budget: Budget

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and steps."""
        return len(self.samples.labels), len(self.end_ms)

    def parts(self) -> Iterator[tuple[slice, Windows]]:
        """The windows of some rows at a time."""
        for rows, part in parts(self.samples, len(self.end_ms)):
            self.budget.check_time()
            yield rows, self._windows(part)

    def _windows(self, part: Selection) -> Windows:
        pad = not len(part.times_ms)
        return Windows(
            labels=part.labels,
            times_ms=np.zeros(1, dtype=np.int64) if pad else part.times_ms,
            values=np.zeros(1) if pad else part.values,
            low=newest_before(part, self.end_ms - self.range_ms),
            high=newest_before(part, self.end_ms),
            end_ms=self.end_ms,
            steps_ms=self.steps_ms,
            range_ms=self.range_ms,
            histograms=part.histograms if part.histograms is not None and len(part.histograms.times_ms) else None,
            budget=self.budget,
        )


def select_range(session: Session, node: RangeSelector, steps: Times) -> RangeVector:
    """Evaluate a range vector selector at every step."""
    end = session.reference_times(steps, node.selector.offset_ms, node.selector.at)
    selection = session.select(node.selector.matchers, int(end.min()) - node.range_ms + 1, int(end.max()))
    session.budget.take(len(selection.labels) * len(steps))
    return RangeVector(_without_stale(selection), end, steps, node.range_ms, session.budget)


def samples_of(vectors: Vectors, steps: Times) -> Selection:
    """The samples that an expression has over its own steps, as a store would hold them."""
    row, step = np.nonzero(vectors.present)
    offsets = np.concatenate(([0], np.cumsum(vectors.present.sum(axis=1)))).astype(np.int64)
    return Selection(vectors.labels, offsets, steps[step], vectors.values[row, step], _histograms_of(vectors, steps))


def _histograms_of(vectors: Vectors, steps: Times) -> HistogramSamples | None:
    if vectors.histograms is None:
        return None
    held = vectors.has_histogram
    row, step = np.nonzero(held)
    offsets = np.concatenate(([0], np.cumsum(held.sum(axis=1)))).astype(np.int64)
    return HistogramSamples(offsets, steps[step], vectors.histograms[row, step]) if len(row) else None


def _without_stale(selection: Selection) -> Selection:
    stale = is_stale(selection.values)
    histograms = None if selection.histograms is None else _fresh(selection.histograms)
    if not stale.any():
        return replace(selection, histograms=histograms)
    return Selection(
        selection.labels,
        _offsets_of(~stale, selection.offsets),
        selection.times_ms[~stale],
        selection.values[~stale],
        histograms,
    )


def _fresh(samples: HistogramSamples) -> HistogramSamples:
    fresh = ~histograms_are_stale(samples)
    if fresh.all():
        return samples
    offsets = _offsets_of(fresh, samples.offsets)
    return HistogramSamples(offsets, samples.times_ms[fresh], samples.histograms[fresh])


def _offsets_of(kept: Mask, offsets: Times) -> Times:
    """Where each series begins when only some samples are kept."""
    return np.concatenate(([0], np.cumsum(kept)))[offsets]
