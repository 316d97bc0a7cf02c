"""Functions of range vectors that hold native histograms, alone or mixed with floats."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from flashmm_backends.batch import Labels
from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql import _histograms, _labels
from flashmm_backends.promql._histogram_rates import RATES, Slices, slices, uniform_rates
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Mask, Times, Vectors, histograms_or_none
from flashmm_backends.promql._windows import Windows
from flashmm_backends.promql.source import HistogramSamples

Sample = float | NativeHistogram


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
    if function in ("delta", "idelta"):
        _note_counters(windows, session)
    result = replace(
        floats, values=floats.values.copy(), present=floats.present.copy(), histograms=histograms_or_none(floats)
    )
    for row, samples in windows.histograms.items():
        session.budget.check_time()
        where = slices(windows, samples.times_ms)
        todo = where.low < where.high
        if function in RATES:
            for step, histogram in _rates_alone(function, windows, row, samples, where):
                _put(result, row, step, histogram)
                todo[step] = False
        for step, mixed in _mixed_windows(windows, row, samples, where, todo):
            _put_combined(function, mixed, Place(result, row, step), windows.labels[row], session)
    return result


def _rates_alone(
    function: str, windows: Windows, row: int, samples: HistogramSamples, where: Slices
) -> Iterator[tuple[int, NativeHistogram | None]]:
    """The windows without floats, in columns."""
    no_floats = windows.counts[row] == 0
    alone = Slices(where.low, np.where(no_floats, where.high, where.low))
    return uniform_rates(function, windows, samples, alone)


@dataclass(frozen=True, slots=True)
class Place:
    """A cell of the result."""

    vectors: Vectors
    row: int
    step: int


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
        _put(place.vectors, place.row, place.step, combine(mixed))
    except MixedWindow:
        _put(place.vectors, place.row, place.step, None)
        session.warn(f'encountered a mix of histograms and floats for metric name "{name}"')


def _note_counters(windows: Windows, session: Session) -> None:
    """Every histogram that came by OTLP is a counter."""
    for row in windows.histograms:
        name = _labels.get(windows.labels[row], _labels.NAME)
        if name:
            session.warn(f'this native histogram metric is not a gauge: "{name}"')


def _put(vectors: Vectors, row: int, step: int, sample: Sample | None) -> None:
    assert vectors.histograms is not None
    is_float = isinstance(sample, float)
    vectors.present[row, step] = is_float
    vectors.values[row, step] = sample if is_float else 0.0
    vectors.histograms[row, step] = None if is_float else sample


def _mixed_windows(
    windows: Windows, row: int, samples: HistogramSamples, where: Slices, todo: Mask
) -> Iterator[tuple[int, Mixed]]:
    """The windows of a row that are still to do, with their steps."""
    steps = np.flatnonzero(todo)
    resets = _histograms.resets(samples.histograms) if len(steps) else np.empty(0, dtype=np.bool_)
    for step in steps.tolist():
        floats = slice(windows.low[row, step], windows.high[row, step])
        held = slice(where.low[step], where.high[step])
        yield (
            step,
            Mixed(
                windows.times_ms[floats],
                windows.values[floats],
                samples.times_ms[held],
                samples.histograms[held],
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
