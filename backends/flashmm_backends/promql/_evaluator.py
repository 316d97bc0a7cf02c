"""Evaluation of the syntax tree: every node at every step of a grid at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from flashmm_backends.promql import _aggregate, _labels, _topk
from flashmm_backends.promql._ast import (
    Aggregation,
    Binary,
    Call,
    Expr,
    Negation,
    Number,
    RangeSelector,
    Selector,
    Subquery,
    Text,
    is_step_invariant,
)
from flashmm_backends.promql._binary import set_operation, vector_with_scalar, vector_with_vector
from flashmm_backends.promql._functions import (
    FUNCTIONS,
    call_elementwise,
    call_range_function,
    is_elementwise,
)
from flashmm_backends.promql._groups import grouped
from flashmm_backends.promql._histogram_aggregate import aggregated, note_ignored
from flashmm_backends.promql._histogram_binary import negated as negated_histograms
from flashmm_backends.promql._operators import scalar_result
from flashmm_backends.promql._parse import SET_OPERATORS
from flashmm_backends.promql._selectors import select_instant
from flashmm_backends.promql._session import Session, note_quantile
from flashmm_backends.promql._values import Scalars, Times, Vectors, empty_vectors, merged
from flashmm_backends.promql._windows import RangeVector, samples_of, select_range

Value = Vectors | Scalars


class Evaluator:
    """Evaluates expressions at the given steps (milliseconds, ascending)."""

    def __init__(self, session: Session, steps: Times) -> None:
        self.session = session
        self.steps = steps

    def vectors(self, expr: Expr) -> Vectors:
        """An expression of type instant vector."""
        value = self.value(expr)
        assert isinstance(value, Vectors)
        return value

    def scalars(self, expr: Expr) -> Scalars:
        """An expression of type scalar."""
        value = self.value(expr)
        assert isinstance(value, Scalars)
        return value

    def value(self, expr: Expr) -> Value:
        """An expression of either type, computed once where it has the same value at every step."""
        self.session.budget.check_time()
        if len(self.steps) > 1 and not isinstance(expr, Number) and is_step_invariant(expr):
            return self._repeated(Evaluator(self.session, self.steps[:1]).value(expr))
        return _EVALUATIONS[type(expr)](self, expr)

    def range_vector(self, expr: Expr) -> RangeVector:
        """An expression of type range vector."""
        if isinstance(expr, RangeSelector):
            return select_range(self.session, expr, self.steps)
        assert isinstance(expr, Subquery)
        end = self.session.reference_times(self.steps, expr.offset_ms, expr.at)
        inner = Evaluator(self.session, self.subquery_steps(expr, end))
        found = inner.vectors(expr.expr) if len(inner.steps) else empty_vectors(0)
        samples = samples_of(found, inner.steps)
        self.session.budget.take(len(samples.labels) * len(self.steps))
        return RangeVector(samples, end, self.steps, expr.range_ms, self.session.budget)

    def subquery_steps(self, expr: Subquery, end: Times) -> Times:
        """Multiples of the subquery's step within all windows, their older end excluded."""
        step = self.session.limits.subquery_step_ms if expr.step_ms is None else expr.step_ms
        before = int(end.min()) - expr.range_ms
        first = (before // step + 1) * step
        self.session.budget.take(max(int(end.max()) - first, 0) // step + 1)
        return np.arange(first, int(end.max()) + 1, step, dtype=np.int64)

    def _repeated(self, value: Value) -> Value:
        number = len(self.steps)
        if isinstance(value, Scalars):
            return Scalars(np.repeat(value.values, number))
        self.session.budget.take(len(value.labels) * number)
        histograms = None if value.histograms is None else value.histograms[:, np.zeros(number, dtype=np.intp)]
        return Vectors(
            value.labels,
            np.repeat(value.values, number, axis=1),
            np.repeat(value.present, number, axis=1),
            histograms,
        )

    def number(self, node: Number) -> Value:
        """A literal."""
        return Scalars(np.full(len(self.steps), node.value))

    def selector(self, node: Selector) -> Value:
        """The newest samples."""
        return select_instant(self.session, node, self.steps).vectors.without_empty()

    def negation(self, node: Negation) -> Value:
        """Unary minus."""
        value = self.value(node.expr)
        if isinstance(value, Scalars):
            return Scalars(-value.values)
        negated = Vectors(value.labels, -value.values, value.present, negated_histograms(value.histograms))
        return merged(negated.relabelled(_labels.without_metadata))

    def binary(self, node: Binary) -> Value:
        """Any binary operation, by the types of its operands."""
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, Scalars):
            if isinstance(right, Scalars):
                return Scalars(scalar_result(node.operator, left.values, right.values))
            return vector_with_scalar(node, right, left, self.session, swapped=True)
        if isinstance(right, Scalars):
            return vector_with_scalar(node, left, right, self.session, swapped=False)
        if node.operator in SET_OPERATORS:
            return set_operation(node, left, right)
        return vector_with_vector(node, left, right, self.session)

    def aggregation(self, node: Aggregation) -> Value:
        """Any aggregation."""
        if node.operator == "count_values":
            assert isinstance(node.parameter, Text)
            return _topk.value_counts(node, self.vectors(node.expr), node.parameter.value, self.session.budget)
        parameter = None if node.parameter is None else self.scalars(node.parameter).values
        vectors = self.vectors(node.expr)
        groups = grouped(node, vectors)
        if parameter is None:
            values = _aggregate.REDUCTIONS[node.operator](groups, vectors)
        elif node.operator == "quantile":
            note_quantile(self.session, parameter)
            values = _aggregate.quantiles(groups, vectors, parameter)
        else:
            kept = _topk.extremes(groups, vectors, parameter, largest=node.operator == "topk")
            return note_ignored(node.operator, vectors, kept, self.session)
        floats = Vectors(groups.labels, values, _aggregate.presence(node.operator, groups, vectors))
        return aggregated(node.operator, groups, vectors, floats, self.session).without_empty()

    def call(self, node: Call) -> Value:
        """Any function."""
        if is_elementwise(node.function):
            return call_elementwise(self, node)
        if node.function in FUNCTIONS:
            return FUNCTIONS[node.function](self, node)
        return call_range_function(self, node)


_EVALUATIONS: dict[type, Callable[[Evaluator, Any], Value]] = {
    Number: Evaluator.number,
    Selector: Evaluator.selector,
    Negation: Evaluator.negation,
    Binary: Evaluator.binary,
    Aggregation: Evaluator.aggregation,
    Call: Evaluator.call,
}
