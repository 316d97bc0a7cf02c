"""The local book: sequence checks, and the ticker where it is newer than the diffs."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from flashmm_demo._book import BookSide, LocalBook
from flashmm_demo._messages import Reset

from .builders import depth, levels, snapshot, ticker, trade

BIDS, ASKS = {"100.0": "2", "99.9": "5"}, {"100.2": "3", "100.3": "1"}


def book_at(last_id: int) -> LocalBook:
    book = LocalBook()
    book.apply(snapshot(last_id, BIDS, ASKS))
    return book


def test_a_snapshot_gives_the_book() -> None:
    """Its levels are the book, best first."""
    book = book_at(10)
    assert tuple(book.bids) == levels(BIDS)
    assert tuple(book.asks) == levels(ASKS)
    top = book.top()
    assert top is not None
    assert (top.mid, top.spread) == (Decimal("100.1"), Decimal("0.2"))


def test_diffs_in_sequence_change_levels() -> None:
    """A quantity replaces the level's, 0 removes it."""
    book = book_at(10)
    assert book.apply(depth(10, 12, {"100.0": "0", "100.1": "4"}, {"100.3": "7"}))
    assert tuple(book.bids) == levels({"100.1": "4", "99.9": "5"})
    assert tuple(book.asks) == levels({"100.2": "3", "100.3": "7"})


def test_a_missing_diff_ends_the_sequence_until_a_snapshot() -> None:
    """After a gap nothing but the ticker is believed, and a snapshot brings the diffs since then back."""
    book = book_at(10)
    book.apply(ticker(11))
    book.apply(depth(12, 14, {"99.0": "1"}))
    assert (book.synced, book.gaps) == (False, 1)
    assert [len(book.bids), len(book.asks)] == [1, 1]
    book.apply(depth(14, 16, {"99.9": "6"}))
    book.apply(snapshot(15, BIDS, ASKS))
    assert book.synced
    assert book.bids.quantity_at(Decimal("99.9")) == 6


def test_diffs_that_came_before_the_snapshot_are_applied_after_it() -> None:
    """Those that it contains already are left out; the one that straddles it is applied."""
    book = LocalBook()
    book.apply(depth(5, 8, {"99.9": "1"}))
    book.apply(depth(8, 12, {"99.9": "7"}))
    book.apply(snapshot(10, BIDS, ASKS))
    assert book.synced
    assert book.bids.quantity_at(Decimal("99.9")) == 7


def test_a_snapshot_older_than_the_waiting_diffs_does_not_do() -> None:
    """There is a gap between them: the book stays out of sequence."""
    book = LocalBook()
    book.apply(depth(20, 22))
    book.apply(snapshot(10, BIDS, ASKS))
    assert not book.synced


def test_a_newer_ticker_corrects_the_top() -> None:
    """Levels better than the ticker's are gone, its quantities hold; deeper ones stay."""
    book = book_at(10)
    book.apply(ticker(11, bid="99.9", ask="100.3", quantity="8"))
    assert tuple(book.bids) == levels({"99.9": "8"})
    assert tuple(book.asks) == levels({"100.3": "8"})


def test_an_older_diff_does_not_undo_a_newer_ticker() -> None:
    """The ticker's top is laid over the diff again."""
    book = book_at(10)
    book.apply(ticker(15, bid="100.1", ask="100.2"))
    book.apply(depth(10, 12, {"100.1": "0", "99.8": "3"}))
    top = book.top()
    assert top is not None
    assert top.bid == Decimal("100.1")
    assert book.bids.quantity_at(Decimal("99.8")) == 3


def test_what_is_old_is_ignored_and_counted() -> None:
    """A ticker or diff older than what is applied changes nothing."""
    book = book_at(10)
    assert not book.apply(ticker(9))
    assert not book.apply(depth(8, 10))
    assert book.reordered == 2


def test_without_a_snapshot_the_ticker_alone_is_the_book() -> None:
    """Each ticker replaces the last one's levels."""
    book = LocalBook()
    book.apply(ticker(1))
    book.apply(ticker(2, bid="99.0", ask="99.5"))
    assert (tuple(book.bids), tuple(book.asks)) == (levels({"99.0": "1"}), levels({"99.5": "1"}))


def test_a_reset_forgets_everything() -> None:
    """Even older update ids are then accepted again."""
    book = book_at(10)
    assert book.apply(Reset("BTCUSDT", 1, "lost"))
    assert book.top() is None
    assert book.apply(ticker(1))


def test_a_trade_is_not_the_books() -> None:
    """It changes nothing: diffs tell its effect."""
    assert not book_at(10).apply(trade("100"))


CHANGES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), max_size=80)


@given(changes=CHANGES, cut=st.integers(1, 30), sign=st.sampled_from((1, -1)))
def test_a_side_equals_a_plain_dict(changes: list[tuple[int, int]], cut: int, sign: int) -> None:
    """Whatever is set and cut off, the levels are those of a dict, sorted."""
    side, plain = BookSide(sign), dict[Decimal, Decimal]()
    for price, quantity in changes:
        side.set(Decimal(price), Decimal(quantity))
        plain[Decimal(price)] = Decimal(quantity)
    side.end_at(Decimal(cut))
    expected = [level for level in plain.items() if level[1] and sign * level[0] <= sign * cut]
    assert list(side) == sorted(expected, reverse=sign > 0)
    assert len(side) == len(expected)
