"""Log records out of their table, with the service that wrote each."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, cast

from flashmm_backends.ledger._database import NO_ARRAYS, run_with
from flashmm_backends.ledger._json import from_json, to_json
from flashmm_backends.ledger._reading import Query, View
from flashmm_backends.ledger._rows import log_of
from flashmm_backends.ledger._rows_source import column_list, where_sql
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._staging import RESOURCES
from flashmm_backends.ledger._tables import LOGS
from flashmm_backends.ledger._waiting import rows_after
from flashmm_backends.ports import LogLine, Window
from flashmm_instrumentation.semconv import attributes as attr

_COLUMNS: Final = column_list([column.name for column in LOGS.columns])
_RESOURCE: Final = [column.name for column in LOGS.columns].index("resource")


def read_logs(view: View, window: Window, where: Mapping[str, str] | None, limit: int) -> Sequence[LogLine]:
    """See LogReader. where: any other column by equality too."""
    conditions, values = _conditions(view, dict(where or {}))
    span = (window.start_ns, window.end_ns)
    parts = {"columns": _COLUMNS, "where": conditions}
    rows = view.run(Query("logs", LOGS, [*span, *values, limit], span, parts=parts)).fetchall()
    services = _services(view, {str(row[_RESOURCE]) for row in rows})
    return [LogLine(log_of(row), services.get(str(row[_RESOURCE]), "")) for row in rows]


def _conditions(view: View, where: dict[str, str]) -> tuple[str, Sequence[object]]:
    severity, text, service = (where.pop(name, None) for name in ("severity_min", "text", "service"))
    conditions, equal = where_sql(LOGS, where)
    values: list[object] = [*equal]
    if severity is not None:
        conditions, values = f"{conditions} AND severity >= TRY_CAST(? AS BIGINT)", [*values, severity]
    if text is not None:  # bodies are JSON
        conditions, values = f"{conditions} AND contains(lower(body), lower(?))", [*values, to_json(text)[1:-1]]
    if service is not None:
        conditions = f"{conditions} AND resource IN (SELECT unnest(?::VARCHAR[]))"
        values = [*values, _resources_of(view, service)]
    return conditions, values


def _services(view: View, ids: Collection[str]) -> Mapping[str, str]:
    """By resource."""
    rows = _resources(view, "resources_by_id", list(ids))
    return {name: str(attributes.get(attr.SERVICE_NAME, "")) for name, attributes in rows if name in ids}


def _resources_of(view: View, service: str) -> Sequence[str]:
    piece = to_json({attr.SERVICE_NAME: service})[1:-1]
    rows = _resources(view, "resources_with", piece)
    return [name for name, attributes in rows if attributes.get(attr.SERVICE_NAME) == service]


def _resources(view: View, query: str, parameter: object) -> Sequence[tuple[str, Mapping[str, object]]]:
    """Resources that a query of the table finds, and all those that are in no table yet."""
    stored = run_with(view.connection, queries("store")[query], NO_ARRAYS, [parameter]).fetchall()
    waiting = rows_after(view.waiting, view.snapshot.applied, RESOURCES)
    return [(str(name), cast("Mapping[str, object]", from_json(str(told)))) for name, told in [*stored, *waiting]]
