"""Many native histograms of one layout as a matrix, so that sums and differences are a few array operations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashmm_backends.histogram import Buckets, NativeHistogram
from flashmm_backends.promql._histograms import at_schema
from flashmm_backends.promql._values import Floats, Mask

_ELEMENTS_MAX = 8_000_000
_SCALARS = 3
_SUM = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Which histogram a row of numbers is.

    A row holds zero count, count, sum, then the positive and the negative buckets from their first index on.
    """

    schema: int
    zero_threshold: float
    positive: int
    negative: int
    positive_buckets: int

    def histograms(self, matrix: Floats) -> list[NativeHistogram]:
        """Rows of a matrix as histograms, which share its memory."""
        end = _SCALARS + self.positive_buckets
        scalars: list[list[float]] = matrix[:, :_SCALARS].tolist()
        return [
            NativeHistogram(
                self.schema,
                self.zero_threshold,
                zero_count,
                count,
                total,
                Buckets(self.positive, row[_SCALARS:end]),
                Buckets(self.negative, row[end:]),
            )
            for (zero_count, count, total), row in zip(scalars, matrix, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Stack:
    """Histograms as rows of a matrix, shape (n, 3 + buckets)."""

    layout: Layout
    matrix: Floats

    @property
    def count(self) -> Floats:
        """Number of observations of each, shape (n,)."""
        return self.matrix[:, 1]

    def resets(self) -> Mask:
        """Which of them have any count below the one before; the first has not. Shape (n,)."""
        fell = self.matrix[1:] < self.matrix[:-1]
        fell[:, _SUM] = False
        return np.concatenate(([False], np.any(fell, axis=1)))


def stacked(histograms: Sequence[NativeHistogram], schema: int) -> Stack | None:
    """Histograms of one zero threshold, brought to a schema that none is coarser than; None where too large."""
    if any(histogram.schema != schema for histogram in histograms):
        histograms = [at_schema(histogram, schema) for histogram in histograms]
    positive, negative = (_extent([side(h) for h in histograms]) for side in (_positive, _negative))
    if len(histograms) * (len(positive) + len(negative)) > _ELEMENTS_MAX:
        return None
    matrix = np.zeros((len(histograms), _SCALARS + len(positive) + len(negative)))
    matrix[:, :_SCALARS] = [(h.zero_count, h.count, h.sum) for h in histograms]
    _fill(matrix, histograms, positive.start, negative.start - len(positive))
    layout = Layout(schema, histograms[0].zero_threshold, positive.start, negative.start, len(positive))
    return Stack(layout, matrix)


def _fill(matrix: Floats, histograms: Sequence[NativeHistogram], positive: int, negative: int) -> None:
    """positive, negative: the bucket indexes that the first bucket column would have."""
    for row, histogram in zip(matrix, histograms, strict=True):
        for side, origin in ((histogram.positive, positive), (histogram.negative, negative)):
            if len(side.counts):
                start = _SCALARS + side.offset - origin
                row[start : start + len(side.counts)] = side.counts


def _positive(histogram: NativeHistogram) -> Buckets:
    return histogram.positive


def _negative(histogram: NativeHistogram) -> Buckets:
    return histogram.negative


def _extent(sides: Sequence[Buckets]) -> range:
    filled = [side for side in sides if len(side.counts)]
    if not filled:
        return range(0)
    return range(min(side.offset for side in filled), max(side.offset + len(side.counts) for side in filled))


def schemas(histograms: Sequence[NativeHistogram]) -> npt.NDArray[np.int64]:
    """The schema of each."""
    return np.array([histogram.schema for histogram in histograms], dtype=np.int64)
