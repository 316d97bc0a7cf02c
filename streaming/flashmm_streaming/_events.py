"""Typed events → items: fills and order transitions as they are, mids from the second's sample."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from flashmm_backends.batch import Event, EventValue
from flashmm_instrumentation.semconv import EVENT_KINDS, FieldType
from flashmm_streaming import _text

Body = dict[str, object]

BPS_PLACES: Final = 4
_MARKETABLE: Final = ("bid", "ask", "own_bid", "own_ask")
_TIMES: Final = {
    kind.name: frozenset(field.name for field in kind.fields if field.type is FieldType.TIME)
    for kind in EVENT_KINDS.values()
}


def head(event: Event) -> Body:
    """What every item made from an event begins with. Nanoseconds are text: JavaScript's numbers can't hold them."""
    return {
        "bot": event.bot,
        "account": event.account,
        "run": event.run,
        "time_ms": event.time_ns // 1_000_000,
        "time_ns": str(event.time_ns),
    }


def verbatim(event: Event) -> Body:
    """Every field that is there, decimals and nanoseconds as text."""
    times = _TIMES[event.kind]
    known = {name: value for name, value in event.fields.items() if value is not None}
    return head(event) | {name: str(value) if name in times else _plain(value) for name, value in known.items()}


def trade(event: Event) -> Body:
    """A fill, with its edge: how much better than the mid it was, in basis points of the mid."""
    return verbatim(event) | {"edge_bps": _edge_bps(event.fields)}


def transition(event: Event) -> Body:
    """An order's transition, with its trace id in hexadecimal."""
    return verbatim(event) | {"type": "transition", "trace_id": event.trace_id.hex()}


def market(event: Event) -> Body:
    """Best prices at the second's end. `mid` is None where one side is missing."""
    bid, ask = event.fields.get("bid"), event.fields.get("ask")
    mid = (bid + ask) / 2 if isinstance(bid, Decimal) and isinstance(ask, Decimal) else None
    prices = {name: _plain(event.fields.get(name)) for name in _MARKETABLE}
    return market_head(event) | prices | {"mid": _plain(mid)}


def market_head(event: Event) -> Body:
    """What every item of one market begins with."""
    return head(event) | {"venue": event.fields["venue"], "symbol": event.fields["symbol"]}


def _plain(value: EventValue) -> EventValue:
    return _text.from_decimal(value) if isinstance(value, Decimal) else value


def bps(fraction: Decimal | None) -> str | None:
    """A fraction in basis points, as text; None stays None."""
    return None if fraction is None else _text.rounded(fraction * 10_000, BPS_PLACES)


def _edge_bps(fields: Mapping[str, EventValue]) -> str | None:
    price, mid = fields.get("price"), fields.get("mid")
    if not isinstance(price, Decimal) or not isinstance(mid, Decimal) or mid <= 0:
        return None
    better = mid - price if fields.get("side") == "buy" else price - mid
    return bps(better / mid)
