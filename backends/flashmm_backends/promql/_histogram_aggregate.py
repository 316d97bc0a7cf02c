"""Aggregations over series of native histograms."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql import _histograms
from flashmm_backends.promql._groups import Groups
from flashmm_backends.promql._histogram_stack import stacked
from flashmm_backends.promql._kahan import Sums
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Indices, Mask, Vectors, any_row, no_histograms

_COMBINED: dict[str, Callable[[Sequence[NativeHistogram]], NativeHistogram]] = {
    "sum": _histograms.total,
    "avg": _histograms.mean,
}
_COUNTING = frozenset({"count", "group"})


def counts_histograms(operator: str) -> bool:
    """Whether an aggregation counts a histogram as a sample like any other."""
    return operator in _COUNTING


def aggregated(operator: str, groups: Groups, vectors: Vectors, floats: Vectors, session: Session) -> Vectors:
    """The aggregation of the floats, completed by the histograms' or noting that those are ignored."""
    if vectors.histograms is None or operator in _COUNTING:
        return floats
    if operator not in _COMBINED:
        return note_ignored(operator, vectors, floats, session)
    present = floats.present.copy()
    combined = no_histograms(present.shape)
    for group, rows in enumerate(groups.members):
        session.budget.check_time()
        members = vectors.rows(rows[rows >= 0])
        has_histogram = any_row(members.has_histogram)
        mixed = has_histogram & present[group]
        if mixed.any():
            session.warn("encountered a mix of histograms and floats for aggregation")
        present[group, mixed] = False
        for step, histogram in _combined(operator, members, has_histogram & ~mixed):
            combined[group, step] = histogram
    return replace(floats, present=present, histograms=combined)


def _combined(operator: str, members: Vectors, steps: Mask) -> Iterator[tuple[int, NativeHistogram]]:
    """Sum or mean of the members' histograms at each of the steps."""
    assert members.histograms is not None
    where = members.has_histogram
    by_schema: dict[int, list[int]] = {}
    for step in np.flatnonzero(steps).tolist():
        found: list[NativeHistogram] = list(members.histograms[where[:, step], step])
        if len({histogram.zero_threshold for histogram in found}) == 1:
            by_schema.setdefault(min(histogram.schema for histogram in found), []).append(step)
        else:
            yield step, _COMBINED[operator](found)
    for schema, uniform in by_schema.items():
        yield from _in_columns(operator, members, schema, np.array(uniform, dtype=np.intp))


def _in_columns(
    operator: str, members: Vectors, schema: int, steps: Indices
) -> Iterator[tuple[int, NativeHistogram]]:
    """For steps at which the coarsest histogram has the given schema."""
    assert members.histograms is not None
    held = members.has_histogram[:, steps]
    found: list[NativeHistogram] = list(members.histograms[:, steps][held])
    stack = stacked(found, schema)
    thresholds = {histogram.zero_threshold for histogram in found}
    number = held.sum(axis=0).astype(np.float64)
    if stack is not None and len(thresholds) == 1:
        sums = _column_sums(stack.matrix, held)
        results = sums.value(number[:, None]) if operator == "avg" else sums.value()
        if np.isfinite(sums.total[:, :2]).all():
            yield from zip(steps.tolist(), stack.layout.histograms(results), strict=True)
            return
    for step, column in zip(steps.tolist(), held.T, strict=True):
        yield step, _COMBINED[operator](list(members.histograms[column, step]))


def _column_sums(matrix: Floats, held: Mask) -> Sums:
    """Sums of the rows of a matrix by step; held: which rows and steps they are of, in row-major order."""
    place = np.cumsum(held).reshape(held.shape) - 1
    sums = Sums.zeros((held.shape[1], matrix.shape[1]))
    for present, rows in zip(held, place, strict=True):
        sums.add(np.where(present[:, None], matrix[rows], 0.0))
    return sums


def note_ignored(operator: str, vectors: Vectors, result: Vectors, session: Session) -> Vectors:
    """Note that an aggregation of floats met histograms."""
    if vectors.has_histogram.any():
        session.inform(f"ignored histogram in {operator} aggregation")
    return result
