"""Vector matching: which rows of two operands meet, and what the result is called."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from flashmm_backends.batch import Labels
from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql import _labels
from flashmm_backends.promql._ast import Cardinality, Matching
from flashmm_backends.promql._budget import Budget
from flashmm_backends.promql._values import Indices, Mask, Vectors


@dataclass(frozen=True, slots=True)
class Signatures:
    """Numbers of the match groups of both operands' rows, shape (rows,) each."""

    left: Indices
    right: Indices
    groups: int


def signatures(matching: Matching, left: Vectors, right: Vectors) -> Signatures:
    """Number the match groups."""
    key = _labels.grouping(matching.labels, excluded=not matching.on)
    numbers: dict[Labels, int] = {}

    def numbered(vectors: Vectors) -> Indices:
        return np.array([numbers.setdefault(key(labels), len(numbers)) for labels in vectors.labels], dtype=np.intp)

    return Signatures(numbered(left), numbered(right), len(numbers))


def presence(signature: Indices, present: Mask, groups: int) -> Mask:
    """In which match groups there is a sample at each step, shape (groups, steps)."""
    found = np.zeros((groups, present.shape[1]), dtype=np.bool_)
    np.logical_or.at(found, signature, present)
    return found


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows that meet: parallel arrays of row indices on the `many` and on the `one` side."""

    many: Indices
    one: Indices


def paired(many: Indices, one: Indices, steps: int, budget: Budget) -> Pairs:
    """Every two rows of the same match group; what their results will hold is taken from the budget first."""
    by_group: dict[int, list[int]] = {}
    for row, group in enumerate(one.tolist()):
        by_group.setdefault(group, []).append(row)
    partners = [len(by_group.get(group, ())) for group in many.tolist()]
    budget.take(sum(partners) * steps)
    pairs = [(row, other) for row, group in enumerate(many.tolist()) for other in by_group.get(group, ())]
    both = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return Pairs(both[:, 0], both[:, 1])


def result_labels(matching: Matching, many: Labels, one: Labels, *, drops_name: bool) -> Labels:
    """Labels of a result: the `many` side's, reduced to the match group where both sides are `one`."""
    labels = _labels.without_metadata(many) if drops_name else many
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        names = frozenset(matching.labels)
        labels = _labels.only(labels, names) if matching.on else _labels.without(labels, names)
    if matching.include:
        labels = _labels.updated(labels, [(name, _labels.get(one, name)) for name in matching.include])
    return labels


def require_one(matching: Matching, side: Vectors, signature: Indices, active: Mask) -> None:
    """Raise QueryRefused where two rows of the `one` side are in the same match group at an active step."""
    twins = _twins(signature, side.has_sample & active)
    if twins is None:
        return
    earlier, later = twins
    group = _labels.written(_matched(matching, side.labels[later]))
    name = "left" if matching.cardinality is Cardinality.ONE_TO_MANY else "right"
    series = f"[{_labels.written(side.labels[later])}, {_labels.written(side.labels[earlier])}]"
    raise QueryRefused(
        "execution",
        f"found duplicate series for the match group {group} on the {name} hand-side of the operation: {series};"
        "many-to-many matching not allowed: matching labels must be unique on one side",
    )


def require_unambiguous(matching: Matching, labels: list[Labels], groups: Indices, present: Mask) -> None:
    """Raise QueryRefused where results of one match group cannot be told apart."""
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        remedy = "many-to-one matching must be explicit (group_left/group_right)"
    else:
        remedy = "grouping labels must ensure unique matches"
        groups = _numbered(zip(groups.tolist(), labels, strict=True))
    if _twins(groups, present) is not None:
        raise QueryRefused("execution", f"multiple matches for labels: {remedy}")


def _numbered(keys: Iterable[Hashable]) -> Indices:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def _twins(groups: Indices, present: Mask) -> tuple[int, int] | None:
    """Two rows of the same group that are present at the same step, the earlier first."""
    if len(np.unique(groups)) == len(groups):
        return None
    counts = np.zeros((int(groups.max()) + 1, present.shape[1]), dtype=np.intp)
    np.add.at(counts, groups, present)
    shared = np.argwhere(counts > 1)
    if not len(shared):
        return None
    group, step = shared[0]
    rows = np.flatnonzero((groups == group) & present[:, step])
    return int(rows[0]), int(rows[1])


def _matched(matching: Matching, labels: Labels) -> Labels:
    names = frozenset(matching.labels)
    return _labels.only(labels, names) if matching.on else _labels.without(labels, names | {_labels.NAME})
