"""Binary operations with at least one vector."""

import numpy as np

from flashmm_backends.promql import _labels
from flashmm_backends.promql._ast import Binary, Cardinality
from flashmm_backends.promql._histogram_binary import with_histograms
from flashmm_backends.promql._matching import (
    paired,
    presence,
    require_one,
    require_unambiguous,
    result_labels,
    signatures,
)
from flashmm_backends.promql._operators import ARITHMETIC, COMPARISON
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Mask, Scalars, Vectors, any_histogram, any_row, merged, stacked


def vector_with_scalar(
    node: Binary, vectors: Vectors, scalars: Scalars, session: Session, *, swapped: bool
) -> Vectors:
    """Each sample with the scalar; swapped: the scalar stands on the left. A comparison keeps the vector's values."""
    shape = vectors.values.shape
    other = Vectors(vectors.labels, np.broadcast_to(scalars.values, shape), np.ones(shape, dtype=np.bool_))
    left, right = (other, vectors) if swapped else (vectors, other)
    result = _applied(node, left, right, vectors.values, session)
    return merged(result.relabelled(_labels.without_metadata) if _drops_name(node) else result).without_empty()


def vector_with_vector(node: Binary, left: Vectors, right: Vectors, session: Session) -> Vectors:
    """Arithmetic or comparison between the rows that match."""
    swapped = node.matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    groups = signatures(node.matching, many, one)
    require_one(node.matching, one, groups.right, any_row(left.has_sample) & any_row(right.has_sample))
    pairs = paired(groups.left, groups.right, left.values.shape[1], session.budget)
    drops_name = _drops_name(node)
    labels = [
        result_labels(node.matching, many.labels[int(i)], one.labels[int(j)], drops_name=drops_name)
        for i, j in zip(pairs.many, pairs.one, strict=True)
    ]
    many, one = many.rows(pairs.many), one.rows(pairs.one)
    require_unambiguous(node.matching, labels, groups.left[pairs.many], many.has_sample & one.has_sample)
    first, second = (one, many) if swapped else (many, one)
    result = _applied(node, first, second, first.values, session)
    return merged(Vectors(labels, result.values, result.present, result.histograms).without_empty())


def _drops_name(node: Binary) -> bool:
    return node.operator in ARITHMETIC or node.returns_bool


def _applied(node: Binary, left: Vectors, right: Vectors, kept: Floats, session: Session) -> Vectors:
    """Operands aligned row by row. kept: what a comparison that holds returns."""
    present = left.present & right.present
    if node.operator in ARITHMETIC:
        floats = Vectors(left.labels, ARITHMETIC[node.operator](left.values, right.values), present)
    else:
        holds = COMPARISON[node.operator](left.values, right.values)
        if node.returns_bool:
            floats = Vectors(left.labels, holds.astype(np.float64), present)
        else:
            floats = Vectors(left.labels, kept, present & holds)
    return with_histograms(node, left, right, floats, session) if any_histogram((left, right)) else floats


def set_operation(node: Binary, left: Vectors, right: Vectors) -> Vectors:
    """and, or, unless: samples by whether their match group has a sample on the other side."""
    groups = signatures(node.matching, left, right)
    if node.operator == "or":
        on_left = presence(groups.left, left.has_sample, groups.groups)
        return merged(stacked([left, _kept(right, ~on_left[groups.right])]).without_empty())
    on_right = presence(groups.right, right.has_sample, groups.groups)[groups.left]
    return merged(_kept(left, on_right if node.operator == "and" else ~on_right).without_empty())


def _kept(vectors: Vectors, where: Mask) -> Vectors:
    histograms = None if vectors.histograms is None else vectors.histograms.where(where)
    return Vectors(vectors.labels, vectors.values, vectors.present & where, histograms)
