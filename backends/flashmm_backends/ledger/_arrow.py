"""Events as an Arrow stream, for other processes: `/api/events/<kind>` and its readers.

Columns are those of the kind's table: DECIMAL fields are decimal128(38, 18), ids are hexadecimal text. The schema's
metadata holds `kind`, `start_ns`, `end_ns` and the completeness as `received`, `expected` and `unclosed_runs`.
pyarrow takes 25 MB, so it is imported when the first stream is written or read.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.ledger._completeness import completeness
from flashmm_backends.ledger._events import column_of, event_table_of, events_query, objects, pieces
from flashmm_backends.ledger._reading import View
from flashmm_backends.ledger._sql import quoted
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._tables import EVENT_TABLES, Column, ColumnType, RowTable
from flashmm_backends.ports import Completeness, EventTable, Page, Window

MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"

_BATCH_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Request:
    """What a stream is to hold. page: a part of the events, None for all; of no rows for the metadata alone."""

    kind: str
    window: Window
    where: Mapping[str, str] | None = None
    page: Page | None = None


def write_events(view: View, streams: Streams, request: Request) -> Iterator[bytes]:
    """The stream in pieces. Raises QueryRefused before the first."""
    pa = _pyarrow()
    table = event_table_of(request.kind)
    names = [quoted(column.name) for column in table.columns]
    known = completeness(view, streams, request.kind, request.window)
    none: Any = view.arrow_reader(events_query(table, request.window, request.where, names, Page(0)), _BATCH_ROWS)
    sink = io.BytesIO()
    schema = none.schema.with_metadata(_metadata(request.kind, request.window, known))
    with pa.ipc.new_stream(sink, schema) as writer:
        yield _taken(sink)
        for batches in _batches(view, table, names, request):
            for batch in batches:
                writer.write_batch(batch)
            yield _taken(sink)
    yield _taken(sink)


def _batches(view: View, table: RowTable, names: Sequence[str], request: Request) -> Iterator[Sequence[Any]]:
    """Whole parts, so that DuckDB holds nothing while the client reads."""

    def read(part: Window, page: Page | None) -> tuple[Sequence[Any], int]:
        reader: Any = view.arrow_reader(events_query(table, part, request.where, names, page), _BATCH_ROWS)
        batches = list(reader)
        return batches, sum(batch.num_rows for batch in batches)

    return pieces(view, table, request.window, request.where, request.page, read)


def _pyarrow() -> Any:  # noqa: ANN401 - it ships no types
    return import_module("pyarrow")


def _metadata(kind: str, window: Window, known: Completeness) -> dict[str | bytes, str | bytes]:
    return {
        "kind": kind,
        "start_ns": str(window.start_ns),
        "end_ns": str(window.end_ns),
        "received": str(known.received),
        "expected": str(known.expected),
        "unclosed_runs": str(known.unclosed_runs),
    }


async def write_tables(first: EventTable, others: AsyncIterator[EventTable]) -> AsyncIterator[bytes]:
    """The same stream from tables of one kind and window; the first one's completeness is that of all."""
    pa = _pyarrow()
    columns = EVENT_TABLES[first.kind].columns
    metadata = _metadata(first.kind, first.window, first.completeness)
    schema = pa.schema([(column.name, _arrow_type(column)) for column in columns], metadata)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(_record_batch(first, schema))
        yield _taken(sink)
        async for table in others:
            writer.write_batch(await asyncio.to_thread(_record_batch, table, schema))
            yield _taken(sink)
    yield _taken(sink)


def _arrow_type(column: Column) -> Any:  # noqa: ANN401 - pyarrow's
    pa = _pyarrow()
    types = {
        ColumnType.TEXT: pa.string(),
        ColumnType.INT: pa.int64(),
        ColumnType.FLOAT: pa.float64(),
        ColumnType.BOOL: pa.bool_(),
        ColumnType.DECIMAL: pa.decimal128(38, 18),
    }
    return types[column.type]


def _record_batch(table: EventTable, schema: Any) -> Any:  # noqa: ANN401 - pyarrow's
    pa = _pyarrow()
    arrays = [pa.array(_stored(table.columns[field.name].tolist()), field.type) for field in schema]
    return pa.record_batch(arrays, schema=schema)


def _stored(values: Sequence[object]) -> list[object]:
    """Ids as text."""
    return [value.hex() if isinstance(value, bytes) else value for value in values]


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


def read_events_stream(data: bytes) -> EventTable:
    """The table of a whole stream. Raises ValueError when it is not one."""
    pa = _pyarrow()
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    told = {key.decode(): value.decode() for key, value in metadata.items()}
    kind = told["kind"]
    columns = {
        column.name: column_of(column, _masked(table.column(column.name)))
        for column in EVENT_TABLES[kind].columns
        if column.name in table.column_names
    }
    window = Window(int(told["start_ns"]), int(told["end_ns"]))
    known = Completeness(int(told["received"]), int(told["expected"]), int(told.get("unclosed_runs", 0)))
    return EventTable(kind, window, columns, known)


def _masked(column: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - pyarrow's
    values = objects(column.to_pylist())
    return np.ma.masked_array(values, column.is_null().to_numpy()) if column.null_count else values
