"""Arithmetic and comparison where an operand is a native histogram."""

from collections.abc import Callable

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql import _histograms
from flashmm_backends.promql._ast import Binary
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Histograms, Vectors, cells_where, held, no_histograms

Sample = float | NativeHistogram

_BOTH: dict[str, Callable[[NativeHistogram, NativeHistogram], NativeHistogram]] = {
    "+": lambda left, right: _histograms.compact(_histograms.add(left, right)),
    "-": lambda left, right: _histograms.compact(_histograms.subtract(left, right)),
}
_BY_FLOAT: dict[str, Callable[[NativeHistogram, float], NativeHistogram]] = {
    "*": lambda left, right: _histograms.compact(_histograms.scale(left, right)),
    "/": lambda left, right: _histograms.compact(_histograms.divide(left, right)),
}
_EQUALITY = {"==": True, "!=": False}


def negated(histograms: Histograms | None) -> Histograms | None:
    """Every histogram times -1."""
    if histograms is None:
        return None
    result = no_histograms(histograms.shape)
    for row, step in cells_where(held(histograms)):
        result[row, step] = _histograms.scale(histograms[row, step], -1.0)
    return result


def with_histograms(node: Binary, left: Vectors, right: Vectors, floats: Vectors, session: Session) -> Vectors:
    """The results for floats, completed where one operand at least (aligned row by row) has a histogram."""
    result = Vectors(floats.labels, floats.values.copy(), floats.present.copy(), no_histograms(floats.present.shape))
    assert result.histograms is not None
    cells = left.has_sample & right.has_sample & (left.has_histogram | right.has_histogram)
    for row, step in cells_where(cells):
        outcome = _combined(node, _sample(left, row, step), _sample(right, row, step), session)
        if isinstance(outcome, float):
            result.values[row, step], result.present[row, step] = outcome, True
        else:
            result.histograms[row, step] = outcome
    return result


def _sample(vectors: Vectors, row: int, step: int) -> Sample:
    histogram = None if vectors.histograms is None else vectors.histograms[row, step]
    return float(vectors.values[row, step]) if histogram is None else histogram


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
