"""Who sent something: resources by their ids and attributes."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from flashmm_backends.ledger._database import NO_ARRAYS, run_with
from flashmm_backends.ledger._json import from_json, to_json
from flashmm_backends.ledger._reading import View
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._staging import RESOURCES
from flashmm_backends.ledger._waiting import rows_after
from flashmm_instrumentation.semconv import attributes as attr


def resources(view: View, ids: Collection[str]) -> Mapping[str, Mapping[str, object]]:
    """The attributes of each resource that is known."""
    rows = _resources(view, "resources_by_id", list(ids))
    return {name: attributes for name, attributes in rows if name in ids}


def services(view: View, ids: Collection[str]) -> Mapping[str, str]:
    """The `service.name` of each resource that is known, empty where it has none."""
    return {name: str(each.get(attr.SERVICE_NAME, "")) for name, each in resources(view, ids).items()}


def resources_with(view: View, attribute: str, value: str) -> Sequence[str]:
    """The ids of those with exactly this text."""
    piece = to_json({attribute: value})[1:-1]
    rows = _resources(view, "resources_with", piece)
    return [name for name, attributes in rows if attributes.get(attribute) == value]


def senders_sql(view: View, senders: Mapping[str, str]) -> tuple[str, Sequence[object]]:
    """Conditions on the column `resource` of whatever has these attributes, and their parameters."""
    conditions = " AND resource IN (SELECT unnest(?::VARCHAR[]))" * len(senders)
    return conditions, [resources_with(view, name, value) for name, value in senders.items()]


def _resources(view: View, query: str, parameter: object) -> Sequence[tuple[str, Mapping[str, object]]]:
    """Resources that a query of the table finds, and all those that are in no table yet."""
    stored = run_with(view.connection, queries("store")[query], NO_ARRAYS, [parameter]).fetchall()
    waiting = rows_after(view.waiting, view.snapshot.applied, RESOURCES)
    return [(str(name), cast("Mapping[str, object]", from_json(str(told)))) for name, told in [*stored, *waiting]]
