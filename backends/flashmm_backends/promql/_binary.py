"""Binary operations with at least one vector."""

import numpy as np

from flashmm_backends.promql import _labels
from flashmm_backends.promql._ast import Binary, Cardinality
from flashmm_backends.promql._limits import Budget
from flashmm_backends.promql._matching import (
    paired,
    presence,
    require_one,
    require_unambiguous,
    result_labels,
    signatures,
)
from flashmm_backends.promql._operators import ARITHMETIC, COMPARISON
from flashmm_backends.promql._values import Floats, Mask, Scalars, Vectors, any_row, merged, stacked


def vector_with_scalar(node: Binary, vectors: Vectors, scalars: Scalars, *, swapped: bool) -> Vectors:
    """Each sample with the scalar; swapped: the scalar stands on the left. A comparison keeps the vector's values."""
    other = np.broadcast_to(scalars.values, vectors.values.shape)
    left, right = (other, vectors.values) if swapped else (vectors.values, other)
    result = _applied(node, left, right, Vectors(vectors.labels, vectors.values, vectors.present))
    drops_name = node.operator in ARITHMETIC or node.returns_bool
    return merged(result.relabelled(_labels.without_metadata) if drops_name else result).without_empty()


def vector_with_vector(node: Binary, left: Vectors, right: Vectors, budget: Budget) -> Vectors:
    """Arithmetic or comparison between the rows that match."""
    matching = node.matching
    groups = signatures(matching, left, right)
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    many_groups, one_groups = (groups.right, groups.left) if swapped else (groups.left, groups.right)
    require_one(matching, one, one_groups, any_row(left.has_sample) & any_row(right.has_sample))
    pairs = paired(many_groups, one_groups)
    budget.take(len(pairs.many) * left.values.shape[1])
    drops_name = node.operator in ARITHMETIC or node.returns_bool
    labels = [
        result_labels(matching, many.labels[int(i)], one.labels[int(j)], drops_name=drops_name)
        for i, j in zip(pairs.many, pairs.one, strict=True)
    ]
    present = many.present[pairs.many] & one.present[pairs.one]
    require_unambiguous(matching, labels, many_groups[pairs.many], present)
    operands = (one.values[pairs.one], many.values[pairs.many])
    first, second = operands if swapped else operands[::-1]
    return merged(_applied(node, first, second, Vectors(labels, first, present)).without_empty())


def _applied(node: Binary, left: Floats, right: Floats, kept: Vectors) -> Vectors:
    """kept: labels, what a comparison returns, and where both sides have a sample."""
    if node.operator in ARITHMETIC:
        return Vectors(kept.labels, ARITHMETIC[node.operator](left, right), kept.present)
    holds = COMPARISON[node.operator](left, right)
    if node.returns_bool:
        return Vectors(kept.labels, holds.astype(np.float64), kept.present)
    return Vectors(kept.labels, kept.values, kept.present & holds)


def set_operation(node: Binary, left: Vectors, right: Vectors) -> Vectors:
    """and, or, unless: samples by whether their match group has a sample on the other side."""
    groups = signatures(node.matching, left, right)
    if node.operator == "or":
        on_left = presence(groups.left, left.has_sample, groups.groups)
        return merged(stacked([left, _kept(right, ~on_left[groups.right])]).without_empty())
    on_right = presence(groups.right, right.has_sample, groups.groups)[groups.left]
    return merged(_kept(left, on_right if node.operator == "and" else ~on_right).without_empty())


def _kept(vectors: Vectors, where: Mask) -> Vectors:
    histograms = vectors.histograms
    if histograms is not None:
        histograms = histograms.copy()
        histograms[~where] = None
    return Vectors(vectors.labels, vectors.values, vectors.present & where, histograms)
