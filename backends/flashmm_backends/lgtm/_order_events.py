"""What the ledger knows of orders: their events, and the ids of their traces, long before Tempo's search does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flashmm_backends.batch import Event, EventValue
from flashmm_backends.ports import EventReader, EventTable, Window
from flashmm_instrumentation.semconv import events as kinds

_KINDS: Final = (kinds.ORDER.name, kinds.FILL.name)
_CHOSEN_BY: Final = ("order_id", "bot", "account", "venue", "symbol", "side")
"""What an order's events and its placement both have."""
_ENVELOPE: Final = ("time_ns", "run", "seq", "bot", "account", "trace_id", "span_id")


@dataclass(frozen=True, slots=True)
class Heard:
    """A trace, and the time of the last event that tells of it."""

    trace_id: bytes
    time_ns: int


class OrderEvents:
    """Events of orders out of an event reader; nothing where there is none."""

    def __init__(self, reader: EventReader | None) -> None:
        self._reader = reader

    async def of(self, order_id: str, until_ns: int) -> list[Event]:
        """Events of one order, in order of time. Raises what the reader does."""
        if self._reader is None:
            return []
        found = [
            event
            for kind in _KINDS
            for event in _rows(await self._reader.events(kind, Window(0, until_ns), {"order_id": order_id}))
        ]
        return sorted(found, key=lambda event: (event.time_ns, event.seq))

    async def traces(self, window: Window, where: Mapping[str, str]) -> Sequence[Heard]:
        """The traces that order events of a window belong to, the last heard of first. where: as for placements."""
        if self._reader is None:
            return []
        chosen = {name: value for name, value in where.items() if name in _CHOSEN_BY}
        table = await self._reader.events(kinds.ORDER.name, window, chosen)
        times_ns, ids = (table.columns[name].tolist() for name in ("time_ns", "trace_id"))
        latest = dict(zip(ids, times_ns, strict=True))
        return sorted((Heard(*each) for each in latest.items() if each[0]), key=lambda heard: -heard.time_ns)


def _rows(table: EventTable) -> Iterator[Event]:
    columns = {name: values.tolist() for name, values in table.columns.items()}
    for i in range(len(table)):
        row: Mapping[str, Any] = {name: values[i] for name, values in columns.items()}
        fields: Mapping[str, EventValue] = {name: value for name, value in row.items() if name not in _ENVELOPE}
        yield Event(kind=table.kind, fields=fields, **{name: row[name] for name in _ENVELOPE})
