"""Orders: events, traces and metrics derived from the marks."""

import pytest

from flashmm_instrumentation import BUY, MAKER, Market
from flashmm_instrumentation.testing import Capture, capture


def bound(captured: Capture) -> Market:
    return captured.bot.market(
        "sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT", stale_after_ms=1_000
    )


def test_an_order_is_one_trace_with_its_stages() -> None:
    """An acknowledged order is a root span with a child for each stage, on the marks' own times."""
    with capture() as captured:
        market = bound(captured)
        begin_ns = captured.clock.now_ns()
        captured.clock.advance(ms=1)
        market.book("100.1", 1, "100.2", 2, begin_ns)
        captured.clock.advance(ms=1)
        order = market.order(BUY, "100.1", "0.5", "a-1")
        for mark in (order.decided, order.risk_checked, order.signed, order.submitted, order.acked):
            captured.clock.advance(ms=1)
            mark()
        spans = captured.spans()
        root = next(span for span in spans if span.parent_id is None)
        children = [span for span in spans if span.parent_id == root.span_id]
        assert [(span.name, (span.end_ns - span.start_ns) // 1_000_000) for span in children] == [
            ("receive", 1),
            ("decide", 2),
            ("risk_check", 1),
            ("sign", 1),
            ("submit", 1),
            ("ack", 1),
        ]
        assert (root.name, root.start_ns, root.end_ns - begin_ns) == ("order", begin_ns, 7_000_000)
        assert root.attributes["flashmm.order.outcome"] == "acked"


def test_a_filled_order_tells_its_states_in_order() -> None:
    """Each transition is an event in the placement's trace; the fill carries price, fee and mid."""
    with capture() as captured:
        market = bound(captured)
        market.book(100.1, 1, 100.2, 2, captured.clock.now_ns())
        order = market.order(BUY, 100.1, 0.5, "a-1")
        order.acked()
        order.filled("f-1", 100.1, 0.2, "-0.01", "USDT", MAKER)
        order.filled("f-2", 100.1, 0.3, "-0.01", "USDT", MAKER)
        states = [event.body["state"] for event in captured.events("flashmm.order")]
        assert states == ["pending", "acked", "part_filled", "filled"]
        fill = captured.events("flashmm.fill")[0]
        assert fill.body["mid"] == "100.15"
        assert fill.body["fee"] == "-0.01"
        assert fill.trace_id == captured.spans()[-1].links[0][0]


@pytest.mark.parametrize("side", ["bought", "", 3])
def test_an_unknown_side_is_counted_and_the_bot_goes_on(side: object) -> None:
    """A nonsensical order returns a handle whose marks do nothing, and is counted."""
    with capture(strict=False) as captured:
        order = bound(captured).order(side, "100.1", 1, "a-1")  # type: ignore[arg-type]
        order.acked()
        order.filled("f", 1, 1, 0, "USDT", MAKER)
        assert captured.events("flashmm.order") == []
        points = list(captured.metrics()["flashmm.misuse"].data.data_points)
        assert [(point.attributes, point.value) for point in points] == [({"flashmm.reason": "unknown_side"}, 1)]
