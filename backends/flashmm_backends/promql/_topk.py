"""topk, bottomk and count_values: aggregations that keep or make several series for each group."""

import numpy as np

from flashmm_backends._text import decimal_text
from flashmm_backends.batch import Labels
from flashmm_backends.histogram_array import HistogramArray
from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql import _labels
from flashmm_backends.promql._ast import Aggregation
from flashmm_backends.promql._budget import Budget
from flashmm_backends.promql._format import printed
from flashmm_backends.promql._groups import Groups
from flashmm_backends.promql._values import Floats, Indices, Mask, Vectors, empty_vectors

_INT64_END = 9223372036854774784.0


def extremes(groups: Groups, vectors: Vectors, k: Floats, *, largest: bool) -> Vectors:
    """The k largest or smallest of each group at each step, NaN last; of an instant, in the order of rank."""
    if k.max() < 1:
        return empty_vectors(len(k))
    _require_integer_range(k)
    kept = np.zeros(vectors.present.shape, dtype=np.bool_)
    order: list[Indices] = []
    for rows in groups.members:
        members = rows[rows >= 0]
        ranked = _ranking(vectors, members, largest=largest)
        chosen = np.argsort(ranked, axis=0) < np.trunc(k)
        kept[members] = chosen & vectors.present[members]
        order.append(members[ranked[:, 0]])
    result = Vectors(vectors.labels, vectors.values, kept)
    return (
        result.rows(np.concatenate([np.empty(0, dtype=np.intp), *order])).without_empty()
        if len(k) == 1
        else result.without_empty()
    )


def _ranking(vectors: Vectors, members: Indices, *, largest: bool) -> Indices:
    values = -vectors.values[members] if largest else vectors.values[members]
    return np.lexsort((values, ~vectors.present[members]), axis=0)


def _require_integer_range(k: Floats) -> None:
    if np.isnan(k).any():
        raise QueryRefused("execution", "Parameter value is NaN")
    if k.min() <= -_INT64_END:
        raise QueryRefused("execution", f"Scalar value {k.min():g} underflows int64")
    if k.max() >= _INT64_END:
        raise QueryRefused("execution", f"Scalar value {k.max():g} overflows int64")


def value_counts(node: Aggregation, vectors: Vectors, label: str, budget: Budget) -> Vectors:
    """How many samples of each group have each value, which becomes a label."""
    if not label:
        raise QueryRefused("execution", 'invalid label name ""')
    names = node.labels if node.without else (*node.labels, label)
    key = _labels.grouping(names, excluded=node.without)
    found: dict[Labels, Floats] = {}
    for row, labels in enumerate(vectors.labels):
        for value, where in _distinct(vectors, row):
            series = key(_labels.updated(labels, [(label, value)]))
            if series not in found:
                budget.take(len(where))
                found[series] = np.zeros(where.shape)
            found[series] += where
    if not found:
        return empty_vectors(vectors.values.shape[1])
    counts = np.stack(list(found.values()))
    return Vectors(list(found), counts, counts > 0)


def _distinct(vectors: Vectors, row: int) -> list[tuple[str, Mask]]:
    present, values = vectors.present[row], vectors.values[row]
    distinct = np.unique(values[present])
    floats = [
        (decimal_text(float(v)), present & ((values == v) | (np.isnan(values) & np.isnan(v)))) for v in distinct
    ]
    return floats if vectors.histograms is None else floats + _distinct_histograms(vectors.histograms[row])


def _distinct_histograms(row: HistogramArray) -> list[tuple[str, Mask]]:
    texts = [printed(histogram) for histogram in row.objects()]
    written = np.zeros(len(row), dtype=f"U{max(map(len, texts), default=1)}")
    written[row.held] = texts
    return [(str(text), written == text) for text in np.unique(written) if text]
