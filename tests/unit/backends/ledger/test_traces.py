"""Traces, orders and logs."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.ledger.batches import event, events, span, spans
from tests.unit.backends.ledger.conftest import START_NS, Clock, Opener

from flashmm_backends.batch import Batch, LogRecord, Resource, Span, SpanEvent, SpanLink
from flashmm_backends.ledger import Ledger
from flashmm_backends.ledger._json import from_json, to_json
from flashmm_backends.ports import LogLine, NotFound, Window

ORDER = {"flashmm__order__id": "o-1"}
EVER = Window(0, 2**62)


def placement(trace: int, order_id: str, start_ns: int, **more: object) -> list[Span]:
    """A root and one child, which has no order id of its own."""
    root = span(trace, 1, "order", start_ns, flashmm__order__id=order_id, **more)
    return [root, span(trace, 2, "ack", start_ns + 10)]


async def test_a_trace_is_whole_and_once(ledger: Ledger) -> None:
    """Spans come back equal, by start, however often they were delivered."""
    sent = placement(1, "o-1", START_NS)
    await ledger.append(spans(*reversed(sent)))
    await ledger.append(spans(*sent, *placement(2, "o-2", START_NS)))
    assert list(await ledger.trace(sent[0].trace_id)) == sent


async def test_everything_of_a_span_survives(ledger: Ledger) -> None:
    """Attributes of every type, events and links come back as they were."""
    attributes = {"b": b"\x00\xff", "f": 1.5, "i": -3, "t": True, "l": ["a", 1], "m": {"$bytes": "x"}, "n": None}
    sent = Span(
        b"\x09" * 16, b"\x08" * 8, b"\x07" * 8, "name", 3, 5, 9, 2, "why", 2**64 - 1, "scope", attributes,
        (SpanEvent("e", 7, {"k": "v"}),), (SpanLink(b"\x01" * 16, b"\x02" * 8, {}),),
    )  # fmt: skip
    await ledger.append(spans(sent))
    assert await ledger.trace(sent.trace_id) == [sent]


async def test_spans_name_their_services(ledger: Ledger) -> None:
    """Of a resource that came later too, by traces and orders; empty where it has none."""
    root, ack = placement(1, "o-1", START_NS)
    elsewhere = replace(ack, resource_id=8)
    await ledger.append(Batch(0, spans=[root, elsewhere], resources=[Resource(8, {"host": "h"})]))
    assert [each.service for each in await ledger.trace(root.trace_id)] == ["", ""]
    await ledger.append(Batch(0, resources=[Resource(7, {"service.name": "maker"})]))
    assert await ledger.trace(root.trace_id) == [replace(root, service="maker"), elsewhere]
    assert [each.service for each in (await ledger.order("o-1")).placement] == ["maker", ""]


async def test_an_order_joins_placement_and_later_life(open_ledger: Opener, clock: Clock) -> None:
    """Later traces and events are found by the order's id, across a restart and sealing."""
    fill = {"venue": "v", "symbol": "s", "order_id": "o-1", "fill_id": "f", "side": "buy"}
    state = {"venue": "v", "symbol": "s", "order_id": "o-1", "state": "acked", "side": "buy"}
    async with open_ledger() as ledger:
        await ledger.append(spans(*placement(1, "o-1", START_NS), *placement(3, "o-3", START_NS)))
        await ledger.append(events(event("flashmm.order", 1, START_NS + 1, state)))
        await ledger.maintain()
        clock.forward(86_401)
    async with open_ledger() as ledger:
        await ledger.append(spans(span(2, 1, "cancel", START_NS + 99, **ORDER)))
        await ledger.append(events(event("flashmm.fill", 1, START_NS + 50, fill)))
        found = await ledger.order("o-1")
        assert [each.name for each in found.placement] == ["order", "ack"]
        assert [each.name for each in found.later] == ["cancel"]
        assert [each.kind for each in found.events] == ["flashmm.order", "flashmm.fill"]
        assert found.events[1].fields["fill_id"] == "f"
        assert found.events[1].fields["fee"] is None


async def test_orders_of_a_window(ledger: Ledger) -> None:
    """The latest first, filtered by what their spans say, up to a limit."""
    for i in range(4):
        side = "buy" if i % 2 else "sell"
        more = {"flashmm__side": side, "flashmm__symbol": "BTC", "flashmm__order__outcome": "acked"}
        await ledger.append(spans(*placement(i + 1, f"o-{i}", START_NS + i, **more)))
    assert [each.order_id for each in await ledger.orders(EVER, limit=3)] == ["o-3", "o-2", "o-1"]
    assert [each.order_id for each in await ledger.orders(EVER, {"side": "sell"})] == ["o-2", "o-0"]
    (first,) = await ledger.orders(Window(START_NS, START_NS + 1))
    assert (first.symbol, first.side, first.outcome, first.duration_ns) == ("BTC", "sell", "acked", 1_000)


async def test_what_is_not_there(ledger: Ledger) -> None:
    """Unknown traces and orders are not found."""
    with pytest.raises(NotFound, match="order o-9"):
        await ledger.order("o-9")
    with pytest.raises(NotFound, match="trace"):
        await ledger.trace(b"\x01" * 16)


async def test_logs_by_window_severity_and_text(ledger: Ledger) -> None:
    """People find their log records, the latest first."""
    records = [
        LogRecord(START_NS + i, 0, 9 + 4 * i, "X", f'Line "{i}"', 7, "scope", "", {"k": i}, b"", b"")
        for i in range(3)
    ]
    lines = [LogLine(record, "x") for record in records]
    await ledger.append(Batch(0, logs=records, resources=[Resource(7, {"service.name": "x"})]))
    assert list(await ledger.logs(EVER)) == lines[::-1]
    assert list(await ledger.logs(EVER, {"severity_min": "13"}, limit=1)) == [lines[2]]
    assert list(await ledger.logs(EVER, {"text": 'line "1"'})) == [lines[1]]
    assert list(await ledger.logs(Window(START_NS, START_NS + 1), {"scope": "scope"})) == [lines[0]]


async def test_logs_by_service(open_ledger: Opener, clock: Clock) -> None:
    """Before they are in tables, in them, and sealed; a service whose name holds another's is another."""
    names = {7: 'a "b"', 8: 'a "b" c', 9: ""}
    records = [LogRecord(START_NS + i, 0, 9, "X", "line", i, "", "", {}, b"", b"") for i in names]
    resources = [Resource(i, {"host": "h", "service.name": name} if name else {}) for i, name in names.items()]
    async with open_ledger() as ledger:
        await ledger.append(Batch(0, logs=records, resources=resources))
        for _ in range(3):
            assert [line.service for line in await ledger.logs(EVER)] == ["", 'a "b" c', 'a "b"']
            assert await ledger.logs(EVER, {"service": 'a "b"'}) == [LogLine(records[0], 'a "b"')]
            assert await ledger.logs(EVER, {"service": "b"}) == []
            clock.forward(86_401)
            await ledger.maintain()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.just("$bytes"), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_attribute_values_survive_json(value: object) -> None:
    """Bytes, NaN and what looks like a tag included."""
    assert _same(from_json(to_json(value)), value)


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b
