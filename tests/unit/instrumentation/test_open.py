"""Ids of what is open: of predictions and of orders."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flashmm_instrumentation import BUY, MAKER
from flashmm_instrumentation._open import Open
from flashmm_instrumentation.testing import Capture, capture

from .conftest import bind, counts


def test_the_oldest_are_forgotten() -> None:
    """Beyond the limit, in the order in which they began."""
    found: Open[int] = Open(2)
    for number in range(3):
        found.begin(f"o-{number}", number)
    assert [f"o-{number}" in found for number in range(3)] == [False, True, True]
    assert (found.end("o-0"), found.end("o-2"), found.end("o-2")) == (None, 2, None)


def test_a_second_order_with_an_open_ones_id_is_told_apart(lenient: Capture, caplog) -> None:
    """It is counted, the id is named, and events, fills and spans of the two carry different ids."""
    market = bind(lenient)
    first, second = (market.order(BUY, "100.1", 1, "o-1") for _ in range(2))
    second.filled("f-2", "100.1", 1, 0, "USDT", MAKER)
    first.cancelled()
    assert (first.id, second.id) == ("o-1", "o-1#2")
    assert counts(lenient, "flashmm.misuse") == {"order_id_in_use": 1}
    assert "client_order_id 'o-1' of BTCUSDT" in caplog.text
    assert [event.body["order_id"] for event in lenient.events("flashmm.fill")] == ["o-1#2"]
    spans = [(span.name, span.attributes.get("flashmm.order.id")) for span in lenient.spans() if span.attributes]
    assert sorted(spans) == [("cancel", "o-1"), ("fill", "o-1#2"), ("order", "o-1"), ("order", "o-1#2")]
    assert market.order(BUY, "100.1", 1, "o-1").id == "o-1"
    assert counts(lenient, "flashmm.misuse") == {"order_id_in_use": 1}


def test_an_id_of_the_longest_kind_stays_within_its_bound(lenient: Capture) -> None:
    """The number takes the place of its end."""
    market = bind(lenient)
    ids = {market.order(BUY, "100.1", 1, "x" * 256).id for _ in range(20)}
    assert len(ids) == 20
    assert max(map(len, ids)) == 256


ENDS = {
    "filled": ("f-1", "100.1", 1, 0, "USDT", MAKER),
    "cancelled": (),
    "rejected": ("no",),
    "expired": (),
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, *ENDS])), max_size=20))
def test_open_orders_never_share_an_id(steps: list[tuple[str, str | None]]) -> None:
    """However orders with two ids begin and end: what is open at a time has ids of its own, the rest is misuse."""
    with capture(strict=False) as captured:
        market, opened, reused = bind(captured), {}, 0
        for order_id, end in steps:
            order = market.order(BUY, "100.1", 1, order_id)
            assert order.id not in opened
            reused += order.id != order_id
            assert (order.id == order_id) == (order_id not in opened)
            opened[order.id] = order
            if end is not None:
                getattr(order, end)(*ENDS[end])
                del opened[order.id]
        assert counts(captured, "flashmm.misuse").get("order_id_in_use", 0) == reused
        assert len(market._scope._open._found) == len(opened)
