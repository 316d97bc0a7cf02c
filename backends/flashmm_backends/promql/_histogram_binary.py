"""Arithmetic and comparison where an operand is a native histogram."""

from collections.abc import Callable

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.histogram_array import HistogramArray, Stack
from flashmm_backends.promql import _histograms
from flashmm_backends.promql._ast import Binary
from flashmm_backends.promql._histogram_cells import Cells, Sample
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Mask, Vectors, cells_where

_BOTH: dict[str, Callable[[NativeHistogram, NativeHistogram], NativeHistogram]] = {
    "+": lambda left, right: _histograms.compact(_histograms.add(left, right)),
    "-": lambda left, right: _histograms.compact(_histograms.subtract(left, right)),
}
_BY_FLOAT: dict[str, Callable[[NativeHistogram, float], NativeHistogram]] = {
    "*": lambda left, right: _histograms.compact(_histograms.scale(left, right)),
    "/": lambda left, right: _histograms.compact(_histograms.divide(left, right)),
}
_EQUALITY = {"==": True, "!=": False}


def negated(histograms: HistogramArray | None) -> HistogramArray | None:
    """Every histogram times -1."""
    if histograms is None:
        return None
    return HistogramArray(tuple(Stack(s.layout, -s.matrix) for s in histograms.stacks), histograms.cells)


def with_histograms(node: Binary, left: Vectors, right: Vectors, floats: Vectors, session: Session) -> Vectors:
    """The results for floats, completed where one operand at least (aligned row by row) has a histogram."""
    result = Cells(floats)
    cells = left.has_sample & right.has_sample & (left.has_histogram | right.has_histogram)
    pairs = zip(cells_where(cells), _samples(left, cells), _samples(right, cells), strict=True)
    for (row, step), one, other in pairs:
        result.put(row, step, _combined(node, one, other, session))
    return result.vectors()


def _samples(vectors: Vectors, cells: Mask) -> list[Sample]:
    """The samples of some cells, all of which have one, row-major."""
    samples: list[Sample] = vectors.values[cells].tolist()
    if vectors.histograms is not None:
        histograms = vectors.histograms[cells]
        for position, histogram in zip(np.flatnonzero(histograms.held).tolist(), histograms.objects(), strict=True):
            samples[position] = histogram
    return samples


def _combined(node: Binary, left: Sample, right: Sample, session: Session) -> Sample | None:
    operator = node.operator
    if isinstance(left, NativeHistogram) and isinstance(right, NativeHistogram):
        if operator in _BOTH:
            return _BOTH[operator](left, right)
        if operator in _EQUALITY:
            return _compared(node, left, holds=_histograms.equal(left, right) is _EQUALITY[operator])
    elif isinstance(left, NativeHistogram) and isinstance(right, float) and operator in _BY_FLOAT:
        return _BY_FLOAT[operator](left, right)
    elif isinstance(left, float) and isinstance(right, NativeHistogram) and operator == "*":
        return _BY_FLOAT["*"](right, left)
    session.inform(
        f'incompatible sample types encountered for binary operator "{operator}": '
        f"{_kind(left)} {operator} {_kind(right)}"
    )
    return None


def _compared(node: Binary, left: NativeHistogram, *, holds: bool) -> Sample | None:
    if node.returns_bool:
        return float(holds)
    return left if holds else None


def _kind(sample: Sample) -> str:
    return "float" if isinstance(sample, float) else "histogram"
