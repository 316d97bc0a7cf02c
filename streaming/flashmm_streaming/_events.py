"""Typed events → items: fills and order transitions as they are, spreads and mids from the second's sample."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from flashmm_backends.batch import Event, EventValue
from flashmm_instrumentation.semconv import EVENT_KINDS, FieldType, events
from flashmm_streaming import _text

Body = dict[str, object]

BPS_PLACES: Final = 4
SHARE_PLACES: Final = 6
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


def spread(event: Event) -> Body:
    """Time-weighted spreads over the mid, all over the same nanoseconds; None where they could not be derived.

    difference_bps: the market's without us less ours, positive where we are tighter. uptime: the share of the
    second in which we quoted both sides. tick_bound: the share of the valid time in which the spread was one tick.
    """
    fields = event.fields
    own = _ratio(fields, "own_spread_integral", "mid_integral")
    market = _ratio(fields, "market_spread_integral", "mid_integral")
    total = _ratio(fields, "total_spread_integral", "mid_integral")
    difference = None if own is None or market is None else market - own
    return _market_head(event) | {
        "own_bps": _bps(own),
        "market_bps": _bps(market),
        "total_bps": _bps(total),
        "difference_bps": _bps(difference),
        "tick_bound": _share(fields, "one_tick_ns", "valid_ns"),
        "uptime": _share(fields, "two_sided_ns", "duration_ns"),
        "at_best": _share(fields, "at_best_ns", "two_sided_ns"),
        "valid": _share(fields, "valid_ns", "duration_ns"),
    }


def market(event: Event) -> Body:
    """Best prices at the second's end. `mid` is None where one side is missing."""
    bid, ask = event.fields.get("bid"), event.fields.get("ask")
    mid = (bid + ask) / 2 if isinstance(bid, Decimal) and isinstance(ask, Decimal) else None
    prices = {name: _plain(event.fields.get(name)) for name in _MARKETABLE}
    return _market_head(event) | prices | {"mid": _plain(mid)}


def _market_head(event: Event) -> Body:
    return head(event) | {"venue": event.fields["venue"], "symbol": event.fields["symbol"]}


def _plain(value: EventValue) -> EventValue:
    return _text.from_decimal(value) if isinstance(value, Decimal) else value


def _ratio(fields: Mapping[str, EventValue], part: str, whole: str) -> Decimal | None:
    above, below = fields.get(part), fields.get(whole)
    if isinstance(above, Decimal) and isinstance(below, Decimal) and below > 0:
        return above / below
    return None


def _bps(fraction: Decimal | None) -> str | None:
    return None if fraction is None else _text.rounded(fraction * 10_000, BPS_PLACES)


def _share(fields: Mapping[str, EventValue], part: str, whole: str) -> str | None:
    above, below = fields.get(part), fields.get(whole)
    if isinstance(above, int) and isinstance(below, int) and below > 0:
        return _text.rounded(Decimal(above) / below, SHARE_PLACES)
    return None


def _edge_bps(fields: Mapping[str, EventValue]) -> str | None:
    price, mid = fields.get("price"), fields.get("mid")
    if not isinstance(price, Decimal) or not isinstance(mid, Decimal) or mid <= 0:
        return None
    better = mid - price if fields.get("side") == "buy" else price - mid
    return _bps(better / mid)


INSTRUMENT: Final = events.INSTRUMENT.name
FILL: Final = events.FILL.name
ORDER: Final = events.ORDER.name
SPREAD_SAMPLE: Final = events.SPREAD_SAMPLE.name
