"""`where` parameters: equality of fields with values of their own types."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from flashmm_backends.ports import QueryRefused
from flashmm_instrumentation.semconv import EVENT_KINDS, Field, FieldType
from flashmm_orchestration._sources import nearest

_INT_MAX: Final = 2**63 - 1
_SENDER: Final = (
    Field("bot", FieldType.STRING, "The bot that emitted it."),
    Field("account", FieldType.STRING, "The bot's account."),
)


def parse_conditions(kind: str, parameters: Sequence[str]) -> Mapping[str, str]:
    """`field=value` texts by field. Raises QueryRefused, naming the field."""
    fields = {field.name: field for field in (*_SENDER, *EVENT_KINDS[kind].fields)}
    conditions: dict[str, str] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals:
            raise _refused(parameter, "give <field>=<value>; other comparisons are not offered")
        if name not in fields:
            raise _refused(name, f"{kind} has no such field; it has {', '.join(fields)}")
        if name in conditions:
            raise _refused(name, "given twice: conditions are joined by and")
        _check(fields[name], value)
        conditions[name] = value
    return conditions


def kinds_like(kind: str) -> str:
    """Which kind was meant, or where all are listed."""
    return nearest(kind, EVENT_KINDS).removeprefix("; ") or "/api/events lists the kinds"


def _check(field: Field, value: str) -> None:
    try:
        fits = _FITS[field.type](value)
    except (ValueError, InvalidOperation):
        fits = False
    if not fits:
        raise _refused(field.name, f"{value[:64]!r} is not of its type, {field.type}")


def _refused(name: str, why: str) -> QueryRefused:
    return QueryRefused("bad_data", f"where, {name[:64]!r}: {why}")


def _fits_int(value: str) -> bool:
    return -_INT_MAX - 1 <= int(value) <= _INT_MAX


def _fits_float(value: str) -> bool:
    float(value)
    return True


_FITS: Final[Mapping[FieldType, Callable[[str], bool]]] = {
    FieldType.STRING: lambda _: True,
    FieldType.INT: _fits_int,
    FieldType.TIME: _fits_int,
    FieldType.DECIMAL: lambda value: Decimal(value).is_finite(),
    FieldType.FLOAT: _fits_float,
    FieldType.BOOL: lambda value: value in ("true", "false"),
}
