"""Log records out of their table, with the service that wrote each."""

from collections.abc import Mapping, Sequence
from typing import Final

from flashmm_backends.ledger._json import to_json
from flashmm_backends.ledger._reading import Query, View
from flashmm_backends.ledger._resources import senders_sql, services
from flashmm_backends.ledger._rows import log_of
from flashmm_backends.ledger._rows_source import column_list, where_sql
from flashmm_backends.ledger._tables import LOGS
from flashmm_backends.ports import LogLine, Window
from flashmm_instrumentation.semconv import attributes as attr

_COLUMNS: Final = column_list([column.name for column in LOGS.columns])
_RESOURCE: Final = [column.name for column in LOGS.columns].index("resource")
_OF_RESOURCE: Final = {"service": attr.SERVICE_NAME, "bot": attr.BOT}


def read_logs(view: View, window: Window, where: Mapping[str, str] | None, limit: int) -> Sequence[LogLine]:
    """See LogReader. where: any other column by equality too."""
    conditions, values = _conditions(view, dict(where or {}))
    span = (window.start_ns, window.end_ns)
    parts = {"columns": _COLUMNS, "where": conditions}
    rows = view.run(Query("logs", LOGS, [*span, *values, limit], span, parts=parts)).fetchall()
    known = services(view, {str(row[_RESOURCE]) for row in rows})
    return [LogLine(log_of(row), known.get(str(row[_RESOURCE]), "")) for row in rows]


def _conditions(view: View, where: dict[str, str]) -> tuple[str, Sequence[object]]:
    severity, text = where.pop("severity_min", None), where.pop("text", None)
    senders = {_OF_RESOURCE[name]: where.pop(name) for name in [*where] if name in _OF_RESOURCE}
    conditions, equal = where_sql(LOGS, where)
    values: list[object] = [*equal]
    if severity is not None:
        conditions, values = f"{conditions} AND severity >= TRY_CAST(? AS BIGINT)", [*values, severity]
    if text is not None:  # bodies are JSON
        conditions, values = f"{conditions} AND contains(lower(body), lower(?))", [*values, to_json(text)[1:-1]]
    of_senders, resources = senders_sql(view, senders)
    return conditions + of_senders, [*values, *resources]
