"""Aggregations over series of native histograms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flashmm_backends.histogram import SCHEMA_MAX, NativeHistogram
from flashmm_backends.histogram_array import SUM, HistogramArray, Stack
from flashmm_backends.promql import _histograms
from flashmm_backends.promql._groups import Groups
from flashmm_backends.promql._histogram_cells import Cells
from flashmm_backends.promql._kahan import Sums
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Indices, Mask, Vectors, any_row

_COMBINED: dict[str, Callable[[Sequence[NativeHistogram]], NativeHistogram]] = {
    "sum": _histograms.total,
    "avg": _histograms.mean,
}
_SMALL = 65_536
"""Elements that are summed as a whole: more leave the processor's cache."""

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
    result = Cells(floats)
    for group, rows in enumerate(groups.members):
        session.budget.check_time()
        members = vectors.histograms[rows[rows >= 0]]
        has_histogram = any_row(members.held)
        mixed = has_histogram & floats.present[group]
        if mixed.any():
            session.warn("encountered a mix of histograms and floats for aggregation")
        for step in np.flatnonzero(mixed).tolist():
            result.put(group, step, None)
        _put_combined(operator, members, has_histogram & ~mixed, Row(result, group))
    return result.vectors()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the result."""

    cells: Cells
    row: int

    def put_many(self, steps: Indices, histograms: HistogramArray) -> None:
        """Histograms, one for each of the steps."""
        self.cells.put_many(self.row * self.cells.shape[1] + steps, histograms)


def _put_combined(operator: str, members: HistogramArray, steps: Mask, target: Row) -> None:
    """Sum or mean of the members' histograms, shape (members, steps), at each of the steps."""
    if len(members) == 1:
        target.put_many(np.flatnonzero(steps), members[0][steps])
        return
    held, thresholds, schemas = members.held, members.zero_thresholds(), members.schemas()
    widest = np.max(thresholds, axis=0, where=held, initial=-np.inf)
    uniform = steps & (widest == np.min(thresholds, axis=0, where=held, initial=np.inf))
    coarsest = np.min(schemas, axis=0, where=held, initial=SCHEMA_MAX)
    todo = steps.copy()
    for schema, threshold in {*zip(coarsest[uniform].tolist(), widest[uniform].tolist(), strict=True)}:
        chosen = np.flatnonzero(uniform & (coarsest == schema) & (widest == threshold))
        combined = _in_columns(operator, members[:, chosen], schema)
        if combined is not None:
            target.put_many(chosen, combined)
            todo[chosen] = False
    for step in np.flatnonzero(todo).tolist():
        target.cells.put(target.row, step, _COMBINED[operator](members[:, step].objects()))


def _in_columns(operator: str, members: HistogramArray, schema: int) -> HistogramArray | None:
    """For steps at which the coarsest histogram has the given schema; None where it is for each step alone."""
    held = members.held
    stack = members[held].aligned(schema)
    if stack is None:
        return None
    sums = _column_sums(stack.matrix, held)
    if not np.isfinite(sums.total[:, :SUM]).all():
        return None
    number = held.sum(axis=0).astype(np.float64)
    results = sums.value(number[:, None]) if operator == "avg" else sums.value()
    return HistogramArray((Stack(stack.layout, results),), np.arange(len(results), dtype=np.intp))


def _column_sums(matrix: Floats, held: Mask) -> Sums:
    """Sums of the rows of a matrix by step; held: which rows and steps they are of, in row-major order."""
    if matrix.size <= _SMALL and held.all():
        return Sums.of(matrix.reshape(*held.shape, matrix.shape[1]))
    place = np.cumsum(held).reshape(held.shape) - 1
    sums = Sums.zeros((held.shape[1], matrix.shape[1]))
    for present, rows in zip(held, place, strict=True):
        if present.all():
            sums.add(matrix[rows[0] : rows[-1] + 1])
        else:
            sums.add(np.where(present[:, None], matrix[rows], 0.0))
    return sums


def note_ignored(operator: str, vectors: Vectors, result: Vectors, session: Session) -> Vectors:
    """Note that an aggregation of floats met histograms."""
    if vectors.has_histogram.any():
        session.inform(f"ignored histogram in {operator} aggregation")
    return result
