"""Values of expressions over a grid of steps: one row a series, one column a step."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Labels
from flashmm_backends.histogram_array import HistogramArray, concatenated, no_histograms
from flashmm_backends.ports import QueryRefused

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Instant vectors at every step.

    labels: one for each row. values: shape (rows, steps). present: where values holds a float sample.
    histograms: shape (rows, steps), disjoint from present; None where no row has any.
    """

    labels: Sequence[Labels]
    values: Floats
    present: Mask
    histograms: HistogramArray | None = None

    @property
    def has_histogram(self) -> Mask:
        """Where a histogram sample is, shape (rows, steps)."""
        if self.histograms is None:
            return np.zeros(self.present.shape, dtype=np.bool_)
        return self.histograms.held

    @property
    def has_sample(self) -> Mask:
        """Where a float or a histogram is, shape (rows, steps)."""
        return self.present if self.histograms is None else self.present | self.has_histogram

    def rows(self, index: Indices | Mask) -> "Vectors":
        """The rows selected by an index or a mask, in its order."""
        positions: Indices = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.intp)
        return Vectors(
            [self.labels[int(i)] for i in positions],
            self.values[positions],
            self.present[positions],
            None if self.histograms is None else self.histograms[positions],
        )

    def floats_only(self) -> "Vectors":
        """Without histogram samples."""
        return self if self.histograms is None else replace(self, histograms=None)

    def without_empty(self) -> "Vectors":
        """Without the rows that have no sample at any step."""
        filled = any_step(self.has_sample)
        return self if filled.all() else self.rows(filled)

    def relabelled(self, relabel: Callable[[Labels], Labels]) -> "Vectors":
        """With other labels; rows may come to be equal, see `merged`."""
        return replace(self, labels=[relabel(labels) for labels in self.labels])


@dataclass(frozen=True, slots=True)
class Scalars:
    """A scalar at every step, shape (steps,)."""

    values: Floats


def cells_where(mask: Mask) -> Iterator[tuple[int, int]]:
    """Row and step of every cell that is set."""
    rows, steps = np.nonzero(mask)
    return zip(rows.tolist(), steps.tolist(), strict=True)


def any_step(mask: Mask) -> Mask:
    """For each row, whether it is set at any step."""
    return np.asarray(np.any(mask, axis=1))


def any_row(mask: Mask) -> Mask:
    """For each step, whether any row is set."""
    return np.asarray(np.any(mask, axis=0))


def empty_vectors(steps: int) -> Vectors:
    """No series."""
    return Vectors([], np.empty((0, steps)), np.empty((0, steps), dtype=np.bool_))


def single_row(values: Floats, present: Mask | None = None, labels: Labels = ()) -> Vectors:
    """One series with the given labels, shape (steps,) each."""
    mask = np.ones(values.shape, dtype=np.bool_) if present is None else present
    return Vectors([labels], values[None, :], mask[None, :])


def any_histogram(vectors: Iterable[Vectors]) -> bool:
    """Whether any of them holds an array of histograms."""
    return any(v.histograms is not None for v in vectors)


def histograms_of(vectors: Vectors) -> HistogramArray:
    """The array of histograms, made where there is none."""
    return no_histograms(vectors.present.shape) if vectors.histograms is None else vectors.histograms


def stacked(vectors: Sequence[Vectors]) -> Vectors:
    """All rows of all, one below the other."""
    histograms = concatenated([histograms_of(v) for v in vectors]) if any_histogram(vectors) else None
    return Vectors(
        [labels for v in vectors for labels in v.labels],
        np.concatenate([v.values for v in vectors]),
        np.concatenate([v.present for v in vectors]),
        histograms,
    )


def duplicate_labels() -> QueryRefused:
    """The refusal of a result that holds two series with the same labels."""
    return QueryRefused("execution", "vector cannot contain metrics with the same labelset")


def require_distinct(vectors: Vectors) -> Vectors:
    """Raise QueryRefused where two rows have the same labels, even at different steps."""
    if len(set(vectors.labels)) != len(vectors.labels):
        raise duplicate_labels()
    return vectors


def merged(vectors: Vectors) -> Vectors:
    """Rows with equal labels become one. Raises QueryRefused where two of them have a sample at the same step."""
    if len(set(vectors.labels)) == len(vectors.labels):
        return vectors
    first: dict[Labels, int] = {}
    target = np.array([first.setdefault(labels, len(first)) for labels in vectors.labels], dtype=np.intp)
    if (_counts(vectors.has_sample, target, len(first)) > 1).any():
        raise duplicate_labels()
    histograms = None
    if vectors.histograms is not None:
        cells = _scattered(vectors.histograms.cells, vectors.has_histogram, target, len(first), -1)
        histograms = HistogramArray(vectors.histograms.stacks, cells)
    values = _scattered(vectors.values, vectors.present, target, len(first), 0.0)
    present = _counts(vectors.present, target, len(first)) > 0
    return Vectors(list(first), values, present, histograms)


def _counts(mask: Mask, target: Indices, rows: int) -> npt.NDArray[np.int64]:
    counts = np.zeros((rows, mask.shape[1]), dtype=np.int64)
    np.add.at(counts, target, mask)
    return counts


def _scattered(source: npt.NDArray[Any], mask: Mask, target: Indices, rows: int, fill: object) -> npt.NDArray[Any]:
    result = np.full((rows, source.shape[1]), fill, dtype=source.dtype)
    row, step = np.nonzero(mask)
    result[target[row], step] = source[row, step]
    return result
