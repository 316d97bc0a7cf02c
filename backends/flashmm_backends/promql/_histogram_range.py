"""Functions of range vectors that hold native histograms, alone or mixed with floats."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flashmm_backends.batch import Labels
from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql import _histograms, _labels
from flashmm_backends.promql._histogram_cells import Cells, Sample
from flashmm_backends.promql._histogram_rates import RATES, Slices, slices, uniform_rates
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Mask, Times, Vectors, any_step
from flashmm_backends.promql._windows import Windows
from flashmm_backends.promql.source import HistogramSamples


@dataclass(frozen=True, slots=True)
class Mixed:
    """One window of one series: its float samples and its histogram samples, each in the order of time."""

    float_times: Times
    floats: Floats
    times: Times
    histograms: Sequence[NativeHistogram]
    resets: Mask
    start_ms: int
    end_ms: int

    @property
    def is_mixed(self) -> bool:
        return bool(len(self.floats) and len(self.histograms))

    def samples(self) -> list[tuple[int, Sample]]:
        """Both kinds, by time."""
        floats: list[tuple[int, Sample]] = list(zip(self.float_times.tolist(), self.floats.tolist(), strict=True))
        return sorted(
            [*floats, *zip(self.times.tolist(), self.histograms, strict=True)], key=lambda sample: sample[0]
        )


class MixedWindow(Exception):
    """Floats and histograms cannot be combined."""


def with_histograms(function: str, windows: Windows, floats: Vectors, session: Session) -> Vectors:
    """The results for the floats alone, corrected wherever a window holds histograms."""
    samples = windows.histograms
    if samples is None:
        return floats
    if function in ("delta", "idelta"):
        _note_counters(windows, samples, session)
    result = Cells(floats)
    where = slices(windows, samples)
    todo = where.counts > 0
    if function in RATES:
        alone = todo & (windows.counts == 0)
        # A window of one sample has no rate.
        todo &= ~(alone & (where.counts == 1))
        for cells, histograms in uniform_rates(function, windows, samples, where, alone):
            result.put_many(cells, histograms)
            todo.ravel()[cells] = False
    for row in np.flatnonzero(any_step(todo)).tolist():
        session.budget.check_time()
        part = Slices(where.low[row], where.high[row])
        for step, mixed in _mixed_windows(windows, row, samples, part, todo[row]):
            _put_combined(function, mixed, Place(result, row, step), windows.labels[row], session)
    return result.vectors()


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of the result."""

    cells: Cells
    row: int
    step: int

    def put(self, sample: Sample | None) -> None:
        """Put a sample, or none, there."""
        self.cells.put(self.row, self.step, sample)


def _put_combined(function: str, mixed: Mixed, place: Place, labels: Labels, session: Session) -> None:
    combine = _COMBINATIONS.get(function)
    name = _labels.get(labels, _labels.NAME)
    if combine is None:
        if mixed.is_mixed:
            session.inform(
                f'ignored histograms in a range containing both floats and histograms for metric name "{name}"'
            )
        return
    try:
        place.put(combine(mixed))
    except MixedWindow:
        place.put(None)
        session.warn(f'encountered a mix of histograms and floats for metric name "{name}"')


def _note_counters(windows: Windows, samples: HistogramSamples, session: Session) -> None:
    """Every histogram that came by OTLP is a counter."""
    for row in np.flatnonzero(np.diff(samples.offsets)).tolist():
        name = _labels.get(windows.labels[row], _labels.NAME)
        if name:
            session.warn(f'this native histogram metric is not a gauge: "{name}"')


def _mixed_windows(
    windows: Windows, row: int, samples: HistogramSamples, where: Slices, todo: Mask
) -> Iterator[tuple[int, Mixed]]:
    """The windows of a row that are still to do, with their steps."""
    first, end = int(samples.offsets[row]), int(samples.offsets[row + 1])
    histograms = samples.histograms[first:end].objects()
    resets = _histograms.resets(histograms)
    for step in np.flatnonzero(todo).tolist():
        floats = slice(windows.low[row, step], windows.high[row, step])
        held = slice(where.low[step] - first, where.high[step] - first)
        yield (
            step,
            Mixed(
                windows.times_ms[floats],
                windows.values[floats],
                samples.times_ms[first:end][held],
                histograms[held],
                resets[held],
                int(windows.end_ms[step]) - windows.range_ms,
                int(windows.end_ms[step]),
            ),
        )


def _unmixed(function: Callable[[Mixed], Sample | None]) -> Callable[[Mixed], Sample | None]:
    def checked(mixed: Mixed) -> Sample | None:
        if mixed.is_mixed:
            raise MixedWindow
        return function(mixed)

    return checked


def _rate(*, is_counter: bool, is_rate: bool) -> Callable[[Mixed], Sample | None]:
    def function(mixed: Mixed) -> Sample | None:
        return _histograms.rate(
            mixed.times,
            mixed.histograms,
            mixed.start_ms,
            mixed.end_ms,
            is_counter=is_counter,
            is_rate=is_rate,
            reset=mixed.resets,
        )

    return _unmixed(function)


def _instant(*, is_counter: bool) -> Callable[[Mixed], Sample | None]:
    def function(mixed: Mixed) -> Sample | None:
        newest = mixed.samples()[-2:]
        if len(newest) < 2:
            return None
        (before_ms, before), (after_ms, after) = newest
        seconds = (after_ms - before_ms) / 1000
        if isinstance(before, NativeHistogram) and isinstance(after, NativeHistogram):
            fell = is_counter and _histograms.is_reset(after, before)
            change = _histograms.compact(after if fell else _histograms.subtract(after, before))
            return _histograms.divide(change, seconds) if is_counter else change
        if isinstance(before, float) and isinstance(after, float):
            difference = after if is_counter and after < before else after - before
            return difference / seconds if is_counter else difference
        raise MixedWindow

    return function


def _last(mixed: Mixed) -> Sample | None:
    return mixed.samples()[-1][1]


def _count(mixed: Mixed) -> Sample | None:
    return float(len(mixed.floats) + len(mixed.histograms))


def _present(_: Mixed) -> Sample | None:
    return 1.0


def _resets(mixed: Mixed) -> Sample | None:
    if not mixed.is_mixed:
        return float(np.count_nonzero(mixed.resets[1:]))
    return _transitions(mixed, lambda before, after: after < before, _histograms.is_reset)


def _changes(mixed: Mixed) -> Sample | None:
    return _transitions(
        mixed,
        lambda before, after: after != before and not (after != after and before != before),
        lambda after, before: not _histograms.equal(after, before),
    )


def _transitions(
    mixed: Mixed,
    floats: Callable[[float, float], bool],
    histograms: Callable[[NativeHistogram, NativeHistogram], bool],
) -> float:
    """How many neighbours differ; floats is asked (before, after), histograms (after, before)."""
    samples = [sample for _, sample in mixed.samples()]
    number = 0
    for before, after in pairwise(samples):
        if isinstance(before, float) and isinstance(after, float):
            number += floats(before, after)
        elif isinstance(before, NativeHistogram) and isinstance(after, NativeHistogram):
            number += histograms(after, before)
        else:
            number += 1
    return float(number)


_COMBINATIONS: dict[str, Callable[[Mixed], Sample | None]] = {
    "rate": _rate(is_counter=True, is_rate=True),
    "increase": _rate(is_counter=True, is_rate=False),
    "delta": _rate(is_counter=False, is_rate=False),
    "irate": _instant(is_counter=True),
    "idelta": _instant(is_counter=False),
    "sum_over_time": _unmixed(lambda mixed: _histograms.total(mixed.histograms)),
    "avg_over_time": _unmixed(lambda mixed: _histograms.mean(mixed.histograms)),
    "last_over_time": _last,
    "count_over_time": _count,
    "present_over_time": _present,
    "resets": _resets,
    "changes": _changes,
}
"""Functions that see histograms; all others see the floats of a window alone."""
