"""The paper exchange fills what a hand-made tape proves, and nothing else."""

from decimal import Decimal

import pytest

from flashmm_demo._book import LocalBook
from flashmm_demo._messages import Reset, Snapshot, Trade
from flashmm_demo.exchange import Accounts, Amendment, Execution, OrderRequest, PaperExchange

BUY, SELL = 1, -1


def book(bids: dict[str, str], asks: dict[str, str]) -> LocalBook:
    kept = LocalBook()
    kept.apply(
        Snapshot(
            "BTCUSDT",
            0,
            0,
            1,
            tuple((Decimal(price), Decimal(quantity)) for price, quantity in bids.items()),
            tuple((Decimal(price), Decimal(quantity)) for price, quantity in asks.items()),
            0,
        )
    )
    return kept


def exchange(rebate: str = "0.0001") -> PaperExchange:
    kept = book({"100.0": "2", "99.9": "5"}, {"100.2": "3", "100.3": "1"})
    return PaperExchange({"BTCUSDT": kept}, Accounts(Decimal(rebate)))


def order(sign: int, price: str, quantity: str = "1", order_id: str = "O1") -> OrderRequest:
    return OrderRequest(order_id, "BTCUSDT", sign, Decimal(price), Decimal(quantity))


def trade(aggressor: int, price: str, quantity: str, execution: str = "MARKET") -> Trade:
    return Trade("BTCUSDT", 5, 4, 77, Decimal(price), Decimal(quantity), aggressor == SELL, 4, execution)


def fills_of(paper: PaperExchange, *trades: Trade) -> list[tuple[str, Decimal, Decimal]]:
    for print_ in trades:
        paper.observe(print_)
    return [(fill.order_id, fill.price, fill.quantity) for fill in paper.take_executions()]


def test_nothing_fills_while_the_queue_ahead_has_not_traded() -> None:
    """2 were displayed when we joined: 2 traded at the price leave us first in the queue, unfilled."""
    paper = exchange()
    assert paper.place(order(BUY, "100.0"), 0) is None
    assert fills_of(paper, trade(SELL, "100.0", "1.5"), trade(SELL, "100.0", "0.5")) == []


def test_what_trades_beyond_the_queue_ahead_fills_us() -> None:
    """The next print at our price is ours, at our price, up to its quantity."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    filled = fills_of(paper, trade(SELL, "100.0", "2.4"))
    assert filled == [("O1", Decimal("100.0"), Decimal("0.4"))]
    assert fills_of(paper, trade(SELL, "100.0", "9")) == [("O1", Decimal("100.0"), Decimal("0.6"))]


def test_cancels_ahead_do_not_help() -> None:
    """The displayed size shrinking moves nobody: only trades do."""
    kept = book({"100.0": "2"}, {"100.2": "3"})
    paper = PaperExchange({"BTCUSDT": kept}, Accounts(Decimal(0)))
    paper.place(order(BUY, "100.0"), 0)
    kept.bids.set(Decimal("100.0"), Decimal("0.1"))
    assert fills_of(paper, trade(SELL, "100.0", "1.9")) == []


@pytest.mark.parametrize("aggressor", [BUY, SELL])
def test_a_print_through_our_price_fills_us_at_our_price(aggressor: int) -> None:
    """Whoever was the aggressor: a trade below our bid proves that our bid was gone."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    assert fills_of(paper, trade(aggressor, "99.9", "3")) == [("O1", Decimal("100.0"), Decimal(1))]


def test_no_more_fills_than_was_printed() -> None:
    """Two orders that a small print goes through share its quantity."""
    paper = exchange()
    paper.place(order(BUY, "100.0", order_id="O1"), 0)
    paper.place(order(BUY, "100.1", order_id="O2"), 0)
    filled = fills_of(paper, trade(SELL, "99.9", "1.2"))
    assert sum(quantity for _, _, quantity in filled) == Decimal("1.2")


def test_the_other_sides_trades_do_not_fill() -> None:
    """A buyer who takes at our bid's price does not trade with a bid."""
    paper = exchange()
    paper.place(order(BUY, "100.1"), 0)
    assert fills_of(paper, trade(BUY, "100.1", "5"), trade(BUY, "100.2", "5")) == []


def test_inside_the_spread_nothing_is_ahead() -> None:
    """An order that improves the market is first in its queue."""
    paper = exchange()
    paper.place(order(SELL, "100.1"), 0)
    assert fills_of(paper, trade(BUY, "100.1", "0.3")) == [("O1", Decimal("100.1"), Decimal("0.3"))]


@pytest.mark.parametrize(("sign", "price"), [(BUY, "100.2"), (BUY, "101"), (SELL, "100.0"), (SELL, "1")])
def test_an_order_that_would_take_is_rejected(sign: int, price: str) -> None:
    """Post-only: never a taker."""
    assert exchange().place(order(sign, price), 0) == "would_take"


def test_without_a_book_orders_are_rejected() -> None:
    """Nobody knows what would be ahead."""
    paper = PaperExchange({"BTCUSDT": LocalBook()}, Accounts(Decimal(0)))
    assert paper.place(order(BUY, "100"), 0) == "no_book"


def test_a_cancelled_order_does_not_fill_and_a_filled_one_cannot_be_cancelled() -> None:
    """Cancel answers whether there was something to cancel."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    assert paper.cancel("O1", 0)
    assert fills_of(paper, trade(SELL, "99.0", "9")) == []
    paper.place(order(BUY, "100.0", order_id="O2"), 0)
    assert len(fills_of(paper, trade(SELL, "99.0", "9"))) == 1
    assert not paper.cancel("O2", 0)


def test_after_a_reset_only_a_print_through_fills() -> None:
    """The place in the queue is lost with the sight of the market."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    paper.observe(Reset("BTCUSDT", 1, "connection lost"))
    assert fills_of(paper, trade(SELL, "100.0", "50")) == []
    assert len(fills_of(paper, trade(SELL, "99.9", "50"))) == 1


def test_without_a_snapshot_a_price_behind_the_best_has_an_unknown_queue() -> None:
    """Only a print through fills it; at the best price the ticker tells the queue."""
    kept = book({"100.0": "2", "99.9": "5"}, {"100.2": "3"})
    kept.synced = False
    paper = PaperExchange({"BTCUSDT": kept}, Accounts(Decimal(0)))
    paper.place(order(BUY, "99.9"), 0)
    assert fills_of(paper, trade(SELL, "99.9", "50")) == []
    assert len(fills_of(paper, trade(SELL, "99.8", "50"))) == 1


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "NA", "ADL"])
def test_trades_outside_the_book_fill_nothing(kind: str) -> None:
    """Insurance fund and auto-deleveraging trades are not of the order book."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    assert fills_of(paper, trade(SELL, "90", "5", kind)) == []


def test_fees_and_funding_are_exact() -> None:
    """A rebate is the notional times the rate; longs pay funding at a positive rate."""
    paper = exchange("0.0001")
    paper.place(order(BUY, "100.1"), 0)
    paper.observe(trade(SELL, "100.1", "0.4"))
    (fill,) = paper.take_executions()
    assert isinstance(fill, Execution)
    assert fill.fee == Decimal("0.0040040")
    assert paper.pay_funding("BTCUSDT", Decimal("0.001"), Decimal(100)) == Decimal("-0.04")
    account = paper.account("BTCUSDT")
    assert (account.position, account.cash) == (Decimal("0.4"), Decimal("-40.04"))


def test_an_order_amended_to_less_keeps_its_place() -> None:
    """The 2 ahead of it have traded; the next print is its, as far as it still goes."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    assert fills_of(paper, trade(SELL, "100.0", "2")) == []
    assert paper.amend(order(BUY, "100.0", "0.3"), 0) is Amendment.DONE
    assert fills_of(paper, trade(SELL, "100.0", "1")) == [("O1", Decimal("100.0"), Decimal("0.3"))]


@pytest.mark.parametrize(("price", "quantity"), [("100.0", "1.5"), ("99.9", "1")])
def test_an_order_amended_otherwise_waits_behind_what_is_displayed(price: str, quantity: str) -> None:
    """More of it, or another price: the place is lost."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    fills_of(paper, trade(SELL, "100.0", "2"))
    assert paper.amend(order(BUY, price, quantity), 0) is Amendment.DONE
    assert paper.resting("O1") == order(BUY, price, quantity)
    assert fills_of(paper, trade(SELL, price, "2")) == []


@pytest.mark.parametrize(("price", "quantity"), [("100.2", "1"), ("100.0", "0.4")])
def test_an_amend_that_would_take_or_leaves_nothing_removes_the_order(price: str, quantity: str) -> None:
    """As the exchange does it: not left as it was. 0.4 of the order have filled."""
    paper = exchange()
    paper.place(order(BUY, "100.0"), 0)
    assert fills_of(paper, trade(SELL, "100.0", "2.4")) == [("O1", Decimal("100.0"), Decimal("0.4"))]
    assert paper.amend(order(BUY, price, quantity), 0) is Amendment.REMOVED
    assert paper.resting("O1") is None
    assert paper.amend(order(BUY, "100.0"), 0) is Amendment.GONE
