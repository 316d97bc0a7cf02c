"""What a record that waits takes of the bot's memory: its texts as they are, what is around them by experience."""

from collections.abc import Iterable, Mapping
from sys import getsizeof
from typing import Final, cast

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import ReadableSpan

from flashmm_instrumentation._sinks import SCOPE
from flashmm_instrumentation._streams import EventRecord
from flashmm_instrumentation.semconv import events

_EVENT: Final = 400
_USUAL: Final = {events.ORDER.name: 950, events.FILL.name: 950}
"""What the trading thread makes most, with all texts cut, is not weighed one by one; nor are the spans of orders."""
_SPAN: Final = 2_600
_ITEM: Final = 500
"""An event or a link of a span."""
_LOG: Final = 600
_PARTS_LIMIT: Final = 10_000
"""Of one value that is a list or a map: an estimate must end, even where a list holds itself."""


def event_bytes(event: EventRecord) -> int:
    """Of one event; on the trading thread."""
    return _USUAL.get(event.kind) or _EVENT + sum(map(getsizeof, event.body.values()))


def span_bytes(span: ReadableSpan) -> int:
    """Of one finished span; on the trading thread."""
    scope = span.instrumentation_scope
    if scope is not None and scope.name == SCOPE.name:
        return _SPAN
    attributes = span.attributes
    own = _SPAN + sum(map(_bytes, attributes.values())) if attributes else _SPAN
    items = (*span.events, *span.links)
    return own + sum(_ITEM + _bytes(item.attributes) for item in items) if items else own


def log_bytes(record: ReadableLogRecord) -> int:
    """Of one log record, which any program's logger may have made."""
    return _LOG + _bytes(record.log_record.body) + _bytes(record.log_record.attributes)


def _bytes(value: object) -> int:
    size, parts = getsizeof(value), _parts(value)
    for _ in range(_PARTS_LIMIT):
        if not parts:
            break
        part = parts.pop()
        size += getsizeof(part)
        parts += _parts(part)
    return size


def _parts(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(cast("Mapping[object, object]", value).values())
    return list(cast("Iterable[object]", value)) if isinstance(value, list | tuple) else []
