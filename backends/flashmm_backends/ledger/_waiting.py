"""Rows that are durable and in no table yet: readers see them beside the tables, so that no read waits for them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from flashmm_backends.ledger._rows import Row

RowsByTable = dict[str, list[Row]]


@dataclass(frozen=True, slots=True)
class WaitingEntry:
    """The rows of one journal record, by table. Never changed once it is here."""

    number: int
    rows: RowsByTable


Waiting = tuple[WaitingEntry, ...]
"""In the order of the journal."""


def rows_after(waiting: Waiting, number: int, table: str) -> list[Row]:
    """The rows of a table that come from records later than `number`."""
    return [row for entry in waiting if entry.number > number for row in entry.rows.get(table, ())]


def rows_by_table(waiting: Sequence[WaitingEntry]) -> RowsByTable:
    """All rows, in order, by table."""
    joined: RowsByTable = {}
    for entry in waiting:
        for table, rows in entry.rows.items():
            joined.setdefault(table, []).extend(rows)
    return joined


class WaitingRows:
    """What waits; `entries` is an immutable tuple, replaced whole, so readers take it as it is."""

    def __init__(self) -> None:
        self.entries: Waiting = ()
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, number: int, rows: RowsByTable) -> None:
        """Take the rows of a durable record, which is the latest."""
        with self._lock:
            self.entries = (*self.entries, WaitingEntry(number, rows))
            self._count += sum(map(len, rows.values()))

    def drop(self, upto: int) -> None:
        """Forget records up to a number: their rows are in tables that readers know of."""
        with self._lock:
            self.entries = tuple(entry for entry in self.entries if entry.number > upto)
            self._count = sum(len(rows) for entry in self.entries for rows in entry.rows.values())
