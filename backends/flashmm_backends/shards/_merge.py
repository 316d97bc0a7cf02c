"""Tables of one kind from several ledgers as one: by time, each event once. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flashmm_backends.ports import Completeness, EventTable

Column = npt.NDArray[np.generic]


def merged(tables: Sequence[EventTable], completeness: Completeness) -> EventTable:
    """The events of all tables, at least one, by time, run and seq; of those that two ledgers have, one."""
    columns = {name: _joined([table.columns[name] for table in tables]) for name in tables[0].columns}
    order = np.lexsort((columns["seq"].astype(np.int64), columns["run"].astype(str), columns["time_ns"]))
    columns = {name: column[order] for name, column in columns.items()}
    keep = _first_of_each(columns["run"], columns["seq"])
    kept = {name: column[keep] for name, column in columns.items()}
    return EventTable(tables[0].kind, tables[0].window, kept, completeness)


def _joined(columns: Sequence[Column]) -> Column:
    """A column is of objects as soon as one part is: that one lacks values. Empty parts have no say."""
    filled = [column for column in columns if len(column)] or list(columns[:1])
    if any(column.dtype == object for column in filled):
        return np.concatenate([_objects(column) for column in filled])
    return np.concatenate(filled)


def _objects(column: Column) -> npt.NDArray[Any]:
    array = np.empty(len(column), object)
    array[:] = column.tolist()
    return array


def _first_of_each(runs: Column, seqs: Column) -> npt.NDArray[np.bool_]:
    """Which events come first among those of the same run and number."""
    keep = np.zeros(len(runs), np.bool_)
    seen: set[tuple[object, object]] = set()
    for at, stream in enumerate(zip(runs.tolist(), seqs.tolist(), strict=True)):
        keep[at] = stream not in seen
        seen.add(stream)
    return keep
