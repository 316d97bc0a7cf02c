"""Traces, orders and exemplars out of their tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from flashmm_backends.batch import Exemplar, Labels, Span
from flashmm_backends.ledger._events import read_order_events
from flashmm_backends.ledger._json import from_json
from flashmm_backends.ledger._labels import SeriesIndex
from flashmm_backends.ledger._reading import Query, View
from flashmm_backends.ledger._resources import resources, senders_sql, services
from flashmm_backends.ledger._rows import exemplar_of, span_of
from flashmm_backends.ledger._rows_source import column_list, where_sql
from flashmm_backends.ledger._tables import EXEMPLARS, SPANS
from flashmm_backends.ports import NotFound, OrderSummary, OrderTrace, Window
from flashmm_backends.promql.source import ExemplarSeries, Matcher
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import events as kinds

_NAMES: Final = [column.name for column in SPANS.columns[:14]]
_SPAN_COLUMNS: Final = column_list(_NAMES)
_OF_RESOURCE: Final = {"bot": attr.BOT, "account": attr.ACCOUNT}
_RESOURCE: Final = _NAMES.index("resource")


def read_trace(view: View, trace_id: bytes) -> Sequence[Span]:
    """Spans of a trace, by start. Raises NotFound."""
    spans = _spans(view, [trace_id.hex()])
    if not spans:
        raise NotFound(f"trace {trace_id.hex()}")
    return spans


def _spans(view: View, traces: Sequence[str]) -> list[Span]:
    if not traces:
        return []
    query = Query("trace", SPANS, [traces], ids=traces, parts={"columns": _SPAN_COLUMNS})
    rows = view.run(query).fetchall()
    known = services(view, {str(row[_RESOURCE]) for row in rows})
    return [span_of(row, known.get(str(row[_RESOURCE]), "")) for row in rows]


def read_order(view: View, order_id: str) -> OrderTrace:
    """All that is known of an order. Raises NotFound."""
    traces: dict[str, bool] = dict(view.run(Query("order_traces", SPANS, [order_id], ids=[order_id])).fetchall())
    placement = _spans(view, [trace for trace, placed in traces.items() if placed])
    later = _spans(view, [trace for trace, placed in traces.items() if not placed])
    events = [
        event for kind in (kinds.ORDER.name, kinds.FILL.name) for event in read_order_events(view, kind, order_id)
    ]
    if not (placement or later or events):
        raise NotFound(f"order {order_id}")
    return OrderTrace(order_id, placement, later, sorted(events, key=lambda event: (event.time_ns, event.seq)))


def read_orders(view: View, window: Window, where: Mapping[str, str] | None, limit: int) -> Sequence[OrderSummary]:
    """Placements that began in the window, the latest first."""
    asked = dict(where or {})
    senders = {attribute: asked.pop(name) for name, attribute in _OF_RESOURCE.items() if name in asked}
    conditions, values = where_sql(SPANS, asked)
    of_senders, resources = senders_sql(view, senders)
    span = (window.start_ns, window.end_ns)
    parts = {"where": conditions + of_senders}
    return _summaries(
        view, view.run(Query("orders", SPANS, [*span, *values, *resources, limit], span, parts=parts)).fetchall()
    )


def _summaries(view: View, rows: Sequence[tuple[Any, ...]]) -> Sequence[OrderSummary]:
    senders, roots = resources(view, {row[2] for row in rows}), _attributes(view, rows)
    return [_summary(row, senders.get(row[2], {}), roots.get(row[1], {})) for row in rows]


def _summary(row: tuple[Any, ...], sender: Mapping[str, object], root: Mapping[str, object]) -> OrderSummary:
    order_id, trace_id, _, venue, symbol, side, outcome, start_ns, duration_ns = row
    return OrderSummary(
        order_id=order_id,
        trace_id=bytes.fromhex(trace_id),
        bot=str(sender.get(attr.BOT, "")),
        account=str(sender.get(attr.ACCOUNT, "")),
        venue=venue,
        symbol=symbol,
        side=side,
        price=str(root.get(attr.ORDER_PRICE, "")),
        quantity=str(root.get(attr.ORDER_QUANTITY, "")),
        outcome=outcome,
        start_ns=start_ns,
        duration_ns=duration_ns,
    )


def _attributes(view: View, rows: Sequence[tuple[Any, ...]]) -> Mapping[str, Mapping[str, object]]:
    """Of the roots of found placements, by trace: read for these alone, as they are long."""
    if not rows:
        return {}
    traces, starts = [row[1] for row in rows], [row[-2] for row in rows]
    span = (min(starts), max(starts))
    query = Query("placement_attributes", SPANS, [*span, traces], span, ids=traces)
    return {trace: cast("Mapping[str, object]", from_json(text)) for trace, text in view.run(query).fetchall()}


def read_exemplars(
    view: View, index: SeriesIndex, matchers: Sequence[Matcher], start_ms: int, end_ms: int
) -> Sequence[ExemplarSeries]:
    """Exemplars of matching series in a span of time, both ends included; sorted by labels."""
    ids: list[int] = index.match(matchers).tolist()
    executed = view.run(Query("exemplars", EXEMPLARS, [ids, start_ms, end_ms], (start_ms, end_ms)))
    found: dict[Labels, list[Exemplar]] = {}
    for number, *row in executed.fetchall():
        if series := index.get(number):
            found.setdefault(series.labels, []).append(exemplar_of(series.hash, row))
    return [ExemplarSeries(labels, each) for labels, each in sorted(found.items())]
