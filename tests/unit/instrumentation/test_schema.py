"""What is emitted keeps to the registry."""

from flashmm_instrumentation import BUY, MAKER
from flashmm_instrumentation.semconv import EVENT_KINDS, METRICS, FieldType
from flashmm_instrumentation.testing import Capture

from .conftest import bind

TYPES = {
    FieldType.STRING: str,
    FieldType.DECIMAL: str,
    FieldType.INT: int,
    FieldType.TIME: int,
    FieldType.FLOAT: float,
    FieldType.BOOL: bool,
}


def exercise(captured: Capture) -> None:
    """Call everything that emits."""
    market = bind(captured, depth_notional=1000)
    market.assignment("e", "a-1", "on")
    market.book(100.1, 1, 100.2, 1, captured.clock.now_ns())
    market.trade(100.1, 1, BUY, 1)
    market.quoting(100.1, 0.5, 100.3, 1)
    order = market.order(BUY, 100.1, 2, "o-1")
    order.decided()
    order.acked(5, "x-1")
    order.replaced(100.2, 2)
    order.filled("f-1", 100.2, 1, "-0.1", "USDT", MAKER, 6, "t-1")
    order.cancel_requested("requote")
    order.cancelled("requote", 7)
    market.inventory(1, 10)
    market.position(1, 100, 1000)
    market.funding("0.1")
    model = captured.bot.model("m", "sim")
    model.predicted("p", "BTCUSDT", 1, 0.5, 0.001)
    model.outcome("p", 1)
    model.accuracy("BTCUSDT", 0.5)
    model.drift("f", 0.1)
    captured.bot.pnl("USDT", 1, 2, 3, 4)
    captured.bot.risk("USDT", 1, 2, 3)
    captured.bot.error("E")
    captured.bot.transfer("sim", "t", 1, "USDT")
    captured.tick(seconds=2)


def test_every_kind_is_emitted_by_its_schema(captured: Capture) -> None:
    """Each event has its kind's required fields, no others than its kind's, and their types."""
    exercise(captured)
    events = captured.events()
    assert {event.kind for event in events} == set(EVENT_KINDS)
    for event in events:
        fields = {field.name: field for field in EVENT_KINDS[event.kind].fields}
        assert set(event.body) <= set(fields)
        assert {name for name, field in fields.items() if field.required} <= set(event.body)
        for name, value in event.body.items():
            assert type(value) is TYPES[fields[name].type], (event.kind, name)


def test_every_metric_is_registered_and_emitted(captured: Capture) -> None:
    """Names, units and attribute keys are the registry's."""
    exercise(captured)
    captured.metrics()  # what the first export took is in the second
    found = captured.metrics()
    registered = {metric.name: metric for metric in METRICS}
    silent = {"flashmm.records.dropped", "flashmm.misuse", "flashmm.metric.overflow"}
    assert set(found) == set(registered) - silent
    for name, metric in found.items():
        assert metric.unit == registered[name].unit
        allowed = set(registered[name].attributes)
        if name.startswith("otel.sdk."):
            allowed -= {"error.type"}  # on failures alone
        for point in metric.data.data_points:
            assert set(point.attributes or {}) == allowed, name
