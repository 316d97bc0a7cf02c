"""The market with our orders and without them, whichever the feed's book is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_demo._book import LocalBook
from flashmm_demo._view import MarketView

from .builders import levels, snapshot

SIDES = st.dictionaries(st.integers(1, 20), st.integers(1, 9), min_size=1, max_size=10)


def view(bids: dict[str, str], asks: dict[str, str], *, includes_own: bool) -> MarketView:
    book = LocalBook()
    book.apply(snapshot(1, bids, asks))
    return MarketView(book, includes_own=includes_own)


def test_our_orders_are_added_to_a_recorded_book() -> None:
    """At a level that is there, between levels, and beyond the last."""
    seen = view({"100": "2", "98": "1"}, {"102": "1"}, includes_own=False)
    seen.own_bids = dict(levels({"100": "1", "99": "3", "97": "4"}))
    bids, _ = seen.total(10)
    assert tuple(bids) == levels({"100": "3", "99": "3", "98": "1", "97": "4"})
    top = seen.others_top()
    assert top is not None
    assert top.bid_quantity == 2


def test_our_orders_are_taken_out_of_a_book_that_holds_them() -> None:
    """A level that is all ours is no one else's."""
    seen = view({"100": "2", "98": "1"}, {"102": "1"}, includes_own=True)
    seen.own_bids = dict(levels({"100": "2"}))
    assert seen.total(1)[0] == [(Decimal(100), Decimal(2))]
    top = seen.others_top()
    assert top is not None
    assert top.bid == 98


def test_a_market_that_is_all_ours_has_no_others() -> None:
    """Unknown, not zero."""
    seen = view({"100": "2"}, {"102": "1"}, includes_own=True)
    seen.own_bids = dict(levels({"100": "2"}))
    assert seen.others_top() is None


def test_an_empty_side_has_no_top() -> None:
    """With or without us."""
    seen = view({}, {"102": "1"}, includes_own=False)
    assert seen.total_top() is None
    assert seen.others_top() is None


@pytest.mark.parametrize("side", ["bids", "asks"])
@given(book=SIDES, own=SIDES)
def test_adding_our_orders_keeps_order_and_quantity(side: str, book: dict[int, int], own: dict[int, int]) -> None:
    """Best first, each price once, and the sum of both quantities."""
    given_levels = {str(price): str(quantity) for price, quantity in book.items()}
    ours = {Decimal(price): Decimal(quantity) for price, quantity in own.items()}
    if side == "bids":
        seen = view(given_levels, {"99": "1"}, includes_own=False)
        seen.own_bids = ours
        got = seen.total(100)[0]
    else:
        seen = view({"0.5": "1"}, given_levels, includes_own=False)
        seen.own_asks = ours
        got = seen.total(100)[1]
    expected = {price: book.get(price, 0) + own.get(price, 0) for price in {*book, *own}}
    assert got == sorted(expected.items(), reverse=side == "bids")
