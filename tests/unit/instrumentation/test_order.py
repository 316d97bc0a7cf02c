"""Orders: events, traces and metrics derived from the marks."""

import pytest

from flashmm_instrumentation import BUY, MAKER, Market, Misuse
from flashmm_instrumentation._mids import BOOKS_LIMIT
from flashmm_instrumentation._record import FILLS_LIMIT
from flashmm_instrumentation.testing import Capture, capture

from .conftest import bind as bound
from .conftest import counts


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


@pytest.mark.parametrize("price", [100.1, None])
def test_a_placement_tells_its_terms(price: float | None) -> None:
    """The root has price and quantity as they were asked for, whatever is amended; at market there is no price."""
    with capture() as captured:
        order = bound(captured).order(BUY, price, 0.5, "a-1")
        order.replaced(100.2, 0.7)
        order.acked()
        (root,) = (span for span in captured.spans() if span.name == "order")
    told = {name: root.attributes.get(f"flashmm.order.{name}") for name in ("price", "quantity")}
    assert told == {"price": price and "100.1", "quantity": "0.5"}


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


def mids(captured: Capture, kind: str, name: str) -> list[object]:
    return [event.body.get(name) for event in captured.events(kind)]


def test_a_fills_mid_is_that_of_its_time(captured: Capture, market: Market) -> None:
    """The book's then; none before the first, of a stale, one-sided or crossed book, or of a forgotten one."""
    order, begin_ns = market.order(BUY, "100.1", 10, "a-1"), captured.clock.now_ns()

    def filled(fill_id: str, at_ns: int | None = None) -> None:
        order.filled(fill_id, "100.1", 1, 0, "USDT", MAKER, at_ns=at_ns)

    filled("before")
    for ask in ("100.3", "100.5"):
        captured.clock.advance(ms=10)
        market.book("100.1", 1, ask, 1)
    filled("between", begin_ns + 15_000_000)
    filled("now")
    captured.clock.advance(ms=1_000)
    filled("just fresh")
    captured.clock.advance(ns=1)
    filled("stale")
    for bid, ask in (("100.3", "100.1"), ("100.1", "100.1"), ("100.1", None)):
        market.book(bid, 1, ask, None if ask is None else 1)
        filled(f"{bid} {ask}")
    assert mids(captured, "flashmm.fill", "mid") == [None, "100.2", "100.3", "100.3", None, None, None, None]


def test_the_arrival_mid_is_that_of_the_tick(captured: Capture, market: Market) -> None:
    """Of the one that is named, where it is not the last and still remembered; of the last without a name."""
    begin_ns = captured.clock.now_ns()
    for step in range(BOOKS_LIMIT + 1):
        market.book(100, 1, 101 + step, 1)
        captured.clock.advance(ms=1)
    for name, tick in {"forgotten": 0, "oldest": 1, "second": 2, "between": 2.5}.items():
        market.order(BUY, 100, 1, name, begin_ns + int(tick * 1e6))
    market.order(BUY, 100, 1, "last")
    expected = [None, "101", "101.5", "101.5", str((201 + BOOKS_LIMIT) / 2)]
    assert mids(captured, "flashmm.order", "arrival_mid") == expected


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


def states(captured: Capture) -> list[object]:
    return [event.body["state"] for event in captured.events("flashmm.order")]


def outcomes(captured: Capture) -> list[tuple[object, str]]:
    roots = [span for span in captured.spans() if span.name == "order"]
    return [(span.attributes["flashmm.order.outcome"], span.status) for span in roots]


@pytest.mark.parametrize(
    ("end", "state", "outcome"),
    [
        (lambda order: order.rejected("post_only"), "rejected", ("rejected", "ERROR")),
        (lambda order: order.timed_out(), "unknown", ("unknown", "ERROR")),
        (lambda order: order.expired("ioc"), "expired", ("expired", "ERROR")),
        (lambda order: order.acked(), "acked", ("acked", "UNSET")),
    ],
)
def test_each_end_of_a_placement(captured: Capture, market: Market, end, state: str, outcome: object) -> None:
    """The root ends with its outcome, the counter counts it once."""
    order = market.order(BUY, "100.1", 1, "a-1")
    end(order)
    assert states(captured) == ["pending", state]
    assert outcomes(captured) == [outcome]
    assert counts(captured, "flashmm.orders", "flashmm.order.outcome") == {outcome[0]: 1}
    assert order.state == state


def test_an_acknowledgement_after_the_time_out(captured: Capture, market: Market) -> None:
    """The order lives after all; its placement stays what it was, and its lifetime counts from there."""
    order = market.order(BUY, "100.1", 1, "a-1")
    order.timed_out()
    captured.clock.advance(seconds=1)
    order.acked()
    captured.clock.advance(seconds=2)
    order.cancelled()
    assert states(captured) == ["pending", "unknown", "acked", "cancelled"]
    assert outcomes(captured) == [("unknown", "ERROR")]
    point = next(iter(captured.metrics()["flashmm.order.lifetime"].data.data_points))
    assert point.sum == 2


def test_a_fill_that_overtakes_the_acknowledgement(captured: Capture, market: Market) -> None:
    """The fill proves the placement; the late acknowledgement is reported and undoes nothing."""
    order = market.order(BUY, "100.1", 1, "a-1")
    order.filled("f-1", "100.1", 1, 0, "USDT", MAKER)
    order.acked(exchange_order_id="x-1")
    assert states(captured) == ["pending", "filled", "acked"]
    assert outcomes(captured) == [("acked", "UNSET")]
    assert order.state == "filled"
    assert "flashmm.misuse" not in captured.metrics()


def test_later_life_is_linked_traces(captured: Capture, market: Market) -> None:
    """Amend, fill and cancel are traces of their own with the order's id; a cancel lasts from its request."""
    order = market.order(BUY, "100.1", 2, "a-1")
    order.acked()
    begin_ns = captured.clock.now_ns()
    captured.clock.advance(ms=10)
    order.replaced("100.2", 3, requested_ns=begin_ns)
    order.cancel_requested("requote")
    captured.clock.advance(ms=4)
    order.cancelled("requote")
    spans = {span.name: span for span in captured.spans()}
    root = spans["order"]
    for name, ms in (("amend", 10), ("cancel", 4)):
        span = spans[name]
        assert span.links == ((root.trace_id, root.span_id),)
        assert span.trace_id != root.trace_id
        assert span.attributes["flashmm.order.id"] == "a-1"
        assert span.end_ns - span.start_ns == ms * 1_000_000
    replaced = captured.events("flashmm.order")[2].body
    assert (replaced["price"], replaced["quantity"]) == ("100.2", "3")


def test_what_cannot_follow_is_reported_and_counted(captured: Capture, market: Market) -> None:
    """A cancel after a rejection, an overfill and a late stage still tell what happened."""
    order = market.order(BUY, "100.1", 1, "a-1")
    order.rejected("no")
    order.signed()
    order.cancelled()
    order.filled("f-1", "100.1", 2, 0, "USDT", MAKER)
    assert states(captured) == ["pending", "rejected", "cancelled", "filled"]
    assert counts(captured, "flashmm.misuse") == {"illegal_transition": 2, "late_stage": 1, "overfilled": 1}


ENDS = {
    "filled": lambda order: order.filled("f-1", "100.1", 1, 0, "USDT", MAKER),
    "cancelled": lambda order: order.cancelled(),
    "expired": lambda order: order.expired(),
    "rejected": lambda order: order.rejected("no"),
}
LATER = [
    lambda order: order.acked(),
    lambda order: order.rejected("no"),
    lambda order: order.timed_out(),
    lambda order: order.replaced("100.0", 1),
    lambda order: order.filled("f-2", "100.1", "0.5", 0, "USDT", MAKER),
    lambda order: order.cancel_requested(),
    lambda order: order.cancelled(),
    lambda order: order.expired(),
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("later", LATER)
def test_an_end_is_one_for_good(lenient: Capture, lenient_market: Market, end: str, later) -> None:
    """Whatever is told afterwards is reported and counted, and neither revives the order nor ends it twice."""
    order = lenient_market.order(BUY, "100.1", 1, "a-1")
    order.acked()
    lenient.clock.advance(seconds=1)
    ENDS[end](order)
    successor = lenient_market.order(BUY, "100.1", 1, "a-1")
    lenient.clock.advance(seconds=1)
    illegal = counts(lenient, "flashmm.misuse").get("illegal_transition", 0)
    later(order)
    assert order.state == end
    expected = illegal + (end != "filled" or later is not LATER[0])
    assert counts(lenient, "flashmm.misuse").get("illegal_transition", 0) == expected
    lifetime = lenient.metrics().get("flashmm.order.lifetime")
    lifetimes = [] if lifetime is None else [(point.count, point.sum) for point in lifetime.data.data_points]
    assert lifetimes == ([] if end == "rejected" else [(1, 1.0)])
    assert successor.id == "a-1"
    assert lenient_market.order(BUY, "100.1", 1, "a-1").id == "a-1#2"


def test_a_fill_after_the_cancel_is_one(captured: Capture, market: Market) -> None:
    """It was on its way: the fill and what has filled are reported."""
    order = market.order(BUY, "100.1", 1, "a-1")
    order.acked()
    order.cancelled()
    order.filled("f-1", "100.1", "0.4", 0, "USDT", MAKER)
    assert [fill.body["quantity"] for fill in captured.events("flashmm.fill")] == ["0.4"]
    assert states(captured) == ["pending", "acked", "cancelled", "part_filled"]
    assert captured.events("flashmm.order")[-1].body["filled_quantity"] == "0.4"


@pytest.mark.parametrize("before", ["acked", "part_filled", "cancel_pending", "filled", "cancelled"])
def test_a_refused_amend_leaves_the_order_as_it_was(captured: Capture, market: Market, before: str) -> None:
    """It is a trace that failed, and an event unless the order has ended, and changes neither terms nor state."""
    order = market.order(BUY, "100.1", 1, "a-1")
    order.acked()
    order.replace_requested("100.0", 2)
    begin_ns = captured.clock.now_ns()
    {
        "acked": lambda: None,
        "part_filled": lambda: order.filled("f-1", "100.1", "0.4", 0, "USDT", MAKER),
        "cancel_pending": order.cancel_requested,
        "filled": lambda: order.filled("f-1", "100.1", 1, 0, "USDT", MAKER),
        "cancelled": order.cancelled,
    }[before]()
    captured.clock.advance(ms=7)
    order.replace_rejected("too_late")
    assert order.state == before
    told = captured.events("flashmm.order")[-1].body
    ended = before in ("filled", "cancelled")
    assert (told["state"], told.get("reason")) == ((before, None) if ended else ("replace_rejected", "too_late"))
    assert (told["price"], told["quantity"]) == ("100.1", "1")
    amend = next(span for span in captured.spans() if span.name == "amend")
    assert (amend.start_ns, amend.end_ns - begin_ns) == (begin_ns, 7_000_000)
    assert (amend.status, amend.attributes["flashmm.reason"]) == ("ERROR", "too_late")
    assert "flashmm.misuse" not in captured.metrics()


def test_a_fill_told_twice_counts_once(lenient: Capture, lenient_market: Market) -> None:
    """By its id within an order; fills without an id that can be told apart are all kept."""
    order = lenient_market.order(BUY, "100.1", 1, "a-1")
    for fill_id, price in (
        ("f-1", "oops"),
        ("f-1", "100.1"),
        ("f-1", "100.1"),
        ("f-2", "100.1"),
        ("", 100),
        ("", 100),
    ):
        order.filled(fill_id, price, "0.2", 0, "USDT", MAKER)
    other = lenient_market.order(BUY, "100.1", 1, "a-2")
    other.filled("f-1", "100.1", 1, 0, "USDT", MAKER)
    fills = lenient.events("flashmm.fill")
    assert [(fill.body["order_id"], fill.body["fill_id"]) for fill in fills] == [
        *(("a-1", fill_id) for fill_id in ("f-1", "f-2", "", "")),
        ("a-2", "f-1"),
    ]
    assert lenient.events("flashmm.order")[-3].body["filled_quantity"] == "0.8"
    assert counts(lenient, "flashmm.misuse") == {"bad_value": 1, "repeated_fill": 1, "bad_id": 2}


def test_the_ids_of_an_orders_fills_are_bounded(lenient: Capture, lenient_market: Market) -> None:
    """The oldest is forgotten."""
    order = lenient_market.order(BUY, "100.1", 5, "a-1")
    for number in [*range(FILLS_LIMIT + 1), FILLS_LIMIT, 0]:
        order.filled(f"f-{number}", "100.1", "0.001", 0, "USDT", MAKER)
    assert len(lenient.events("flashmm.fill")) == FILLS_LIMIT + 2
    assert counts(lenient, "flashmm.misuse") == {"repeated_fill": 1}


@pytest.mark.parametrize(
    "told",
    [
        lambda order: order.acked(exchange_ns=1.5),
        lambda order: order.rejected("no", exchange_ns=1.5),
        lambda order: order.filled("f-1", "100.1", 1, 0, "USDT", MAKER, exchange_ns=1.5),
        lambda order: order.replaced("100.2", 1, exchange_ns=1.5),
        lambda order: order.cancelled(exchange_ns=1.5),
    ],
)
def test_a_bad_time_of_the_exchange_is_counted_once(lenient: Capture, lenient_market: Market, told) -> None:
    """Whatever it would have been used for."""
    told(lenient_market.order(BUY, "100.1", 1, "a-1"))
    assert counts(lenient, "flashmm.misuse")["bad_time"] == 1


def test_an_order_without_a_tick_begins_now(captured: Capture, market: Market) -> None:
    """Where the last book is older than the staleness limit, the order answers no tick."""
    market.book(100, 1, 101, 1)
    captured.clock.advance(seconds=2)
    order = market.order(BUY, None, 1, "a-1")
    captured.clock.advance(ms=3)
    order.decided()
    order.acked()
    spans = {span.name: span for span in captured.spans()}
    assert "receive" not in spans
    assert spans["order"].end_ns - spans["order"].start_ns == 3_000_000
    assert "price" not in captured.events("flashmm.order")[0].body


def test_marks_that_run_backwards_are_held(captured: Capture, market: Market) -> None:
    """A stage never has a negative duration, whatever times it is told."""
    now_ns = captured.clock.now_ns()
    order = market.order(BUY, "100.1", 1, "a-1", now_ns - 5)
    order.decided(now_ns + 10)
    order.signed(now_ns + 4)
    order.acked(at_ns=now_ns + 2)
    spans = {span.name: (span.start_ns - now_ns, span.end_ns - now_ns) for span in captured.spans()}
    assert spans == {"decide": (-5, 10), "sign": (10, 10), "ack": (10, 10), "order": (-5, 10)}
    assert [event.time_ns - now_ns for event in captured.events("flashmm.order")] == [0, 10]


def test_a_clock_set_back_is_followed(captured: Capture, market: Market) -> None:
    """Or an order's events would be in the future for an hour."""
    order = market.order(BUY, "100.1", 1, "a-1")
    order.acked()
    now_ns = captured.clock.advance(seconds=-3_600)
    order.cancelled()
    assert captured.events("flashmm.order")[-1].time_ns == now_ns


def test_a_bad_fill_is_refused(market: Market) -> None:
    """An execution of nothing is a mistake."""
    with pytest.raises(Misuse, match="bad_quantity"):
        market.order(BUY, "100.1", 1, "a-1").filled("f", "100.1", 0, 0, "USDT", MAKER)
