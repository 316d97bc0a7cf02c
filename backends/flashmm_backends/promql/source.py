"""What the engine asks of a store: samples and labels, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Exemplar, Labels
from flashmm_backends.histogram_array import HistogramArray


class MatchOp(StrEnum):
    """Label matching operators."""

    EQ = "="
    NE = "!="
    RE = "=~"
    NRE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher. Regular expressions are RE2's, anchored at both ends; a missing label is empty."""

    name: str
    op: MatchOp
    value: str


@dataclass(frozen=True, slots=True)
class HistogramSamples:
    """Native histogram samples of several series.

    Those of series i are [offsets[i], offsets[i+1]) of times_ms, strictly increasing, and of histograms, shape (n,).
    """

    offsets: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    histograms: HistogramArray


@dataclass(frozen=True, slots=True)
class Selection:
    """The series that match, sorted by labels, with their samples in one pair of arrays.

    Samples of series i are times_ms[offsets[i]:offsets[i+1]], strictly increasing, duplicates resolved; the same
    slice of values. Staleness markers are included, as Prometheus's stale NaN. histograms: of the
    same series, None where there are none at all.
    annotations: what a reader should know of the samples, e.g. that older ones were rolled up.
    """

    labels: Sequence[Labels]
    offsets: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    histograms: HistogramSamples | None = None
    annotations: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata of a metric family."""

    name: str
    type: str
    unit: str
    help: str


class SampleSource(Protocol):
    """Blocking reads, called from a worker thread. Times are inclusive at both ends, milliseconds."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Selection: ...

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]: ...

    def metadata(self) -> Sequence[Metadata]: ...


@dataclass(frozen=True, slots=True)
class ExemplarSeries:
    """A series with its exemplars, ordered by time."""

    labels: Labels
    exemplars: Sequence[Exemplar]


class ExemplarSource(Protocol):
    """Reads of exemplars. Times are inclusive at both ends, milliseconds; series are sorted by labels."""

    async def exemplars(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[ExemplarSeries]: ...
