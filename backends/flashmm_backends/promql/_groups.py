"""Which rows belong together in an aggregation."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Labels
from flashmm_backends.promql import _labels
from flashmm_backends.promql._ast import Aggregation
from flashmm_backends.promql._values import Indices, Vectors

Element = TypeVar("Element", np.float64, np.bool_)


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of rows. labels: one for each group. group: of each row, shape (rows,).

    members: shape (groups, largest), row indices in order, -1 where a group has fewer.
    """

    labels: list[Labels]
    group: Indices
    members: Indices

    def reduce(self, ufunc: np.ufunc, values: npt.NDArray[Element], identity: float) -> npt.NDArray[Element]:
        """Reduce rows of values, shape (rows, steps), to (groups, steps)."""
        padded = np.concatenate([values, np.full((1, values.shape[1]), identity, dtype=values.dtype)])
        result = np.full((len(self.labels), values.shape[1]), identity, dtype=values.dtype)
        for rows in self.members.T:
            result = ufunc(result, padded[rows])
        return result


def grouped(node: Aggregation, vectors: Vectors) -> Groups:
    """Group rows by the labels that the aggregation keeps."""
    key = _labels.grouping(node.labels, excluded=node.without)
    numbers: dict[Labels, int] = {}
    group = [numbers.setdefault(key(labels), len(numbers)) for labels in vectors.labels]
    return Groups(list(numbers), np.array(group, dtype=np.intp), _members(group, len(numbers)))


def _members(group: list[int], groups: int) -> Indices:
    rows: list[list[int]] = [[] for _ in range(groups)]
    for row, number in enumerate(group):
        rows[number].append(row)
    members = np.full((groups, max(map(len, rows), default=0)), -1, dtype=np.intp)
    for number, indices in enumerate(rows):
        members[number, : len(indices)] = indices
    return members
