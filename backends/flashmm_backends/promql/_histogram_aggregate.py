"""Aggregations over series of native histograms."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql import _histograms
from flashmm_backends.promql._groups import Groups
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Vectors, cells_where, no_histograms

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
    combined, present = no_histograms(floats.present.shape), floats.present.copy()
    where = vectors.has_histogram
    for group, step in cells_where(groups.reduce(np.logical_or, where, identity=False)):
        session.budget.check_time()
        if floats.present[group, step]:
            present[group, step] = False
            session.warn("encountered a mix of histograms and floats for aggregation")
            continue
        rows = groups.members[group]
        members = rows[rows >= 0]
        found = vectors.histograms[members[where[members, step]], step]
        combined[group, step] = _COMBINED[operator](list(found))
    return replace(floats, present=present, histograms=combined)


def note_ignored(operator: str, vectors: Vectors, result: Vectors, session: Session) -> Vectors:
    """Note that an aggregation of floats met histograms."""
    if vectors.has_histogram.any():
        session.inform(f"ignored histogram in {operator} aggregation")
    return result
