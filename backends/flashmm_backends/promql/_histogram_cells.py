"""Where results that may be native histograms are put, one by one or many at a time."""

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.histogram_array import HistogramArray, array_of, concatenated
from flashmm_backends.promql._values import Indices, Mask, Vectors

Sample = float | NativeHistogram


class Cells:
    """The results for floats, of which some cells are replaced."""

    def __init__(self, floats: Vectors) -> None:
        self._labels = floats.labels
        self._values, self._present = floats.values.copy(), floats.present.copy()
        self._where: list[Indices] = []
        self._arrays: list[HistogramArray] = []
        self._one_by_one: list[int] = []
        self._histograms: list[NativeHistogram] = []

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and steps."""
        rows, steps = self._present.shape
        return rows, steps

    def clear(self, mask: Mask) -> None:
        """Leave some cells, shape (rows, steps), without a sample."""
        self._present[mask] = False

    def put(self, row: int, step: int, sample: Sample | None) -> None:
        """One sample or none; a histogram into a cell that has none yet."""
        is_float = isinstance(sample, float)
        self._present[row, step] = is_float
        self._values[row, step] = sample if is_float else 0.0
        if isinstance(sample, NativeHistogram):
            self._one_by_one.append(row * self.shape[1] + step)
            self._histograms.append(sample)

    def put_many(self, cells: Indices, histograms: HistogramArray) -> None:
        """Histograms, one for each of the cells (flat indices), which have none yet."""
        self._present.ravel()[cells] = False
        self._where.append(cells)
        self._arrays.append(histograms)

    def vectors(self) -> Vectors:
        """The outcome."""
        found = concatenated([*self._arrays, array_of(self._histograms)])
        cells = np.full(self._present.size, -1, dtype=np.intp)
        where = np.concatenate([*self._where, np.array(self._one_by_one, dtype=np.intp)])
        cells[where] = found.cells
        histograms = HistogramArray(found.stacks, cells.reshape(self.shape))
        return Vectors(self._labels, self._values, self._present, histograms)
