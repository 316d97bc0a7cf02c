"""A source of samples in memory, for tests and examples."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from flashmm_backends.batch import Labels
from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.histogram_array import array_of
from flashmm_backends.promql._labels import get
from flashmm_backends.promql._regex import compile_anchored
from flashmm_backends.promql.source import HistogramSamples, Matcher, MatchOp, Metadata, Selection

Sample = tuple[int, float | NativeHistogram]


def labels_of(name: str = "", /, **labels: str) -> Labels:
    """Labels from keyword arguments, sorted, the metric name first given."""
    named = {"__name__": name} if name else {}
    return tuple(sorted((named | labels).items()))


class MemorySource:
    """A SampleSource over samples kept in dictionaries; of duplicates (series, millisecond) the first wins."""

    def __init__(self, metadata: Sequence[Metadata] = ()) -> None:
        self._samples: dict[Labels, dict[int, float | NativeHistogram]] = {}
        self._metadata = metadata

    def add(self, labels: Labels, samples: Iterable[Sample]) -> None:
        """Add samples (milliseconds, value) of one series, in any order."""
        held = self._samples.setdefault(tuple(sorted(labels)), {})
        for time_ms, value in samples:
            held.setdefault(time_ms, value)

    def add_floats(
        self, labels: Labels, values: Sequence[float], *, start_ms: int = 0, step_ms: int = 15_000
    ) -> None:
        """Add equally spaced float samples of one series."""
        self.add(labels, [(start_ms + i * step_ms, value) for i, value in enumerate(values)])

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Selection:
        """The matching series and their samples, as SampleSource asks."""
        found = {labels: self._within(labels, start_ms, end_ms) for labels in self.series(matchers, start_ms, end_ms)}
        floats = [_floats(samples) for samples in found.values()]
        offsets = np.cumsum([0, *map(len, floats)], dtype=np.int64)
        times = np.array([time for samples in floats for time in samples], dtype=np.int64)
        values = np.array([value for samples in floats for value in samples.values()], dtype=np.float64)
        return Selection(list(found), offsets, times, values, _histograms(found.values()))

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """The matching series that have samples between two times, both inclusive."""
        predicates = [_predicate(matcher) for matcher in matchers]
        return [
            labels
            for labels in sorted(self._samples)
            if all(predicate(labels) for predicate in predicates) and self._within(labels, start_ms, end_ms)
        ]

    def metadata(self) -> Sequence[Metadata]:
        """What it was built with."""
        return self._metadata

    def _within(self, labels: Labels, start_ms: int, end_ms: int) -> dict[int, float | NativeHistogram]:
        samples = self._samples[labels]
        return {time: samples[time] for time in sorted(samples) if start_ms <= time <= end_ms}


def _floats(samples: Mapping[int, float | NativeHistogram]) -> dict[int, float]:
    return {time: value for time, value in samples.items() if not isinstance(value, NativeHistogram)}


def _histograms(series: Iterable[Mapping[int, float | NativeHistogram]]) -> HistogramSamples | None:
    held = [[(t, value) for t, value in s.items() if isinstance(value, NativeHistogram)] for s in series]
    samples = [sample for one in held for sample in one]
    offsets = np.cumsum([0, *map(len, held)], dtype=np.int64)
    times = np.array([time for time, _ in samples], dtype=np.int64)
    return HistogramSamples(offsets, times, array_of(value for _, value in samples)) if samples else None


def _predicate(matcher: Matcher) -> Callable[[Labels], bool]:
    if matcher.op in (MatchOp.EQ, MatchOp.NE):
        return lambda labels: (get(labels, matcher.name) == matcher.value) is (matcher.op is MatchOp.EQ)
    pattern = compile_anchored(matcher.value)
    return lambda labels: (pattern.fullmatch(get(labels, matcher.name)) is not None) is (matcher.op is MatchOp.RE)
