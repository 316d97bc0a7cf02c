"""The simulated market: reproducible, clustered, with spreads that persist and takers who know more than we do."""

import statistics
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_demo._book import LocalBook
from flashmm_demo._instruments import instrument
from flashmm_demo._messages import MarketMessage, Ticker, Trade
from flashmm_demo._view import MarketView
from flashmm_demo.exchange import Accounts, Amendment, OrderRequest, PaperExchange
from flashmm_demo.simulation import (
    BUY,
    SELL,
    HawkesArrivals,
    MarketParameters,
    MatchingEngine,
    OwnOrder,
    Print,
    SimulatedExchange,
    SimulatedMarket,
)

SECOND_NS = 1_000_000_000


def market(seed: int = 7, parameters: MarketParameters | None = None) -> SimulatedMarket:
    accounts = Accounts(Decimal("0.00001"))
    return SimulatedMarket(instrument("BTCUSDT"), 0, accounts, parameters or MarketParameters(), Random(seed))


def step(simulated: SimulatedMarket) -> list[MarketMessage]:
    simulated.step(simulated.next_ns)
    return list(iter(simulated.take_message, None))


def run(simulated: SimulatedMarket, seconds: int) -> list[MarketMessage]:
    messages: list[MarketMessage] = []
    while simulated.next_ns < seconds * SECOND_NS:
        messages += step(simulated)
    return messages


def lag_one(values: Sequence[float]) -> float:
    """The first autocorrelation."""
    return statistics.correlation(values[:-1], values[1:])


def spreads_by_second(messages: list[MarketMessage]) -> list[float]:
    last = {m.received_ns // SECOND_NS: float(m.ask - m.bid) for m in messages if isinstance(m, Ticker)}
    return list(last.values())


def test_the_same_seed_gives_the_same_market_and_another_one_another() -> None:
    """Every message is equal, to the digit."""
    assert run(market(7), 30) == run(market(7), 30)
    assert run(market(7), 30) != run(market(8), 30)


def test_spreads_are_autocorrelated() -> None:
    """A wide second is followed by a wide one: the naive confidence interval's trap."""
    assert lag_one(spreads_by_second(run(market(), 900))) > 0.6


def test_trades_come_in_clusters() -> None:
    """Counts of five seconds vary far more than a Poisson process's, whose variance is its mean."""
    times = [m.received_ns for m in run(market(), 1800) if isinstance(m, Trade)]
    distinct = sorted(set(times))
    counts = [0] * 360
    for at_ns in distinct:
        counts[at_ns // (5 * SECOND_NS)] += 1
    assert statistics.variance(counts) > 1.5 * statistics.mean(counts)


def test_the_book_that_the_messages_tell_is_never_crossed_and_in_sequence() -> None:
    """A local book kept from them has no gap, and its bid stays below its ask."""
    book = LocalBook()
    for message in run(market(), 120):
        book.apply(message)
        top = book.top()
        assert top is None or top.spread > 0
    assert book.synced
    assert (book.gaps, book.reordered) == (0, 0)


def test_hawkes_arrivals_have_the_stated_mean_rate() -> None:
    """base / (1 - branching): 1 a second from 0.5 and a half."""
    arrivals = HawkesArrivals(0.5, 0.5, 1.0, Random(3))
    seconds = sum(arrivals.next_gap() for _ in range(20_000))
    assert 20_000 / seconds == pytest.approx(1.0, rel=0.05)


class RestingBot:
    """Keeps an order a side at the others' best price, without latency, and measures what its fills were worth."""

    def __init__(self, simulated: SimulatedMarket) -> None:
        self._market = simulated
        self._exchange = SimulatedExchange({"BTCUSDT": simulated}, Accounts(Decimal(0)))
        self._view = MarketView(LocalBook(), includes_own=True)
        self._count = 0
        self._live: dict[int, OrderRequest | None] = {BUY: None, SELL: None}
        self.fills: list[tuple[int, int, float]] = []
        """Time, sign, mid at the fill."""
        self.mids: list[tuple[int, float]] = []

    def trade(self, seconds: int) -> None:
        while self._market.next_ns < seconds * SECOND_NS:
            now_ns = self._market.next_ns
            messages = step(self._market)
            for fill in self._exchange.take_executions():
                self.fills.append((now_ns, fill.sign, self.mids[-1][1]))
                self._live[fill.sign] = None
            for message in messages:
                self._view.book.apply(message)
            self._follow(now_ns)

    def _follow(self, now_ns: int) -> None:
        self._view.own_bids, self._view.own_asks = self._own(BUY), self._own(SELL)
        others = self._view.others_top()
        if others is not None:
            self.mids.append((now_ns, float(others.mid)))
            self._rest(BUY, others.bid, now_ns)
            self._rest(SELL, others.ask, now_ns)

    def _own(self, sign: int) -> dict[Decimal, Decimal]:
        live = self._live[sign]
        return {} if live is None else {live.price: live.quantity}

    def _rest(self, sign: int, price: Decimal, now_ns: int) -> None:
        live = self._live[sign]
        if live is not None and live.price != price:
            self._exchange.cancel(live.order_id, now_ns)
            self._live[sign] = live = None
        if live is None:
            self._count += 1
            request = OrderRequest(f"O{self._count}", "BTCUSDT", sign, price, Decimal("0.001"))
            if self._exchange.place(request, now_ns) is None:
                self._live[sign] = request

    def markout(self, after_s: int) -> float:
        """The mean move of the others' mid in our favour after a fill, in quote units."""
        times = [at_ns for at_ns, _ in self.mids]
        moves: list[float] = []
        for at_ns, sign, mid in self.fills:
            later = bisect_left(times, at_ns + after_s * SECOND_NS)
            if later < len(times):
                moves.append(sign * (self.mids[later][1] - mid))
        return statistics.mean(moves)


def resting(informed_share: float) -> RestingBot:
    bot = RestingBot(market(11, MarketParameters(informed_share=informed_share)))
    bot.trade(1000)
    return bot


def test_informed_flow_makes_fills_lose_after_the_fact() -> None:
    """Adverse selection is real: the mid moves against a resting order's fills, the more so the more takers know."""
    knowing, unknowing = resting(0.8), resting(0.0)
    assert min(len(knowing.fills), len(unknowing.fills)) > 40
    assert knowing.markout(5) < -0.5 < unknowing.markout(5)


# The matching engine, by hand.


def engine() -> MatchingEngine:
    kept = MatchingEngine()
    kept.set_others(BUY, 100, 5)
    kept.set_others(BUY, 99, 7)
    kept.set_others(SELL, 103, 4)
    return kept


def test_takers_walk_the_book_to_their_limit() -> None:
    """Best price first, no worse than the limit, and no more than there is."""
    kept = engine()
    assert kept.take(SELL, 9, 99) == [Print(100, 5, SELL), Print(99, 4, SELL)]
    assert kept.take(SELL, 50, 100) == []
    assert kept.top() == (99, 103)


def test_our_order_waits_behind_what_was_there() -> None:
    """Those ahead trade first, then we, then those behind."""
    kept = engine()
    kept.place(OwnOrder("O1", BUY, 100, 2))
    kept.set_others(BUY, 100, 8)
    assert kept.take(SELL, 9, 100) == [
        Print(100, 5, SELL),
        Print(100, 2, SELL, "O1", 0),
        Print(100, 2, SELL),
    ]
    assert kept.bids.lots_at(100) == 1


def test_a_partly_filled_order_keeps_its_place() -> None:
    """What is left of it is first in the queue."""
    kept = engine()
    kept.place(OwnOrder("O1", BUY, 100, 4))
    assert kept.take(SELL, 6, 100)[-1] == Print(100, 1, SELL, "O1", 3)
    assert kept.take(SELL, 1, 100) == [Print(100, 1, SELL, "O1", 2)]


def test_others_cancels_go_from_behind_us_first() -> None:
    """Only when none is left behind does a cancel bring us forward."""
    kept = engine()
    order = OwnOrder("O1", BUY, 100, 1)
    kept.place(order)
    kept.set_others(BUY, 100, 9)
    kept.set_others(BUY, 100, 6)
    assert order.ahead == 5
    kept.set_others(BUY, 100, 3)
    assert order.ahead == 3


def test_two_of_our_orders_at_a_price_fill_in_their_order() -> None:
    """With what lies between them in between."""
    kept = engine()
    kept.place(OwnOrder("O1", BUY, 100, 1))
    kept.set_others(BUY, 100, 6)
    kept.place(OwnOrder("O2", BUY, 100, 1))
    prints = kept.take(SELL, 8, 100)
    assert [(print_.order_id, print_.quantity) for print_ in prints] == [(None, 5), ("O1", 1), (None, 1), ("O2", 1)]


def test_a_cancelled_order_is_gone() -> None:
    """And can't be cancelled again."""
    kept = engine()
    kept.place(OwnOrder("O1", SELL, 102, 1))
    assert kept.crosses(BUY, 102)
    assert kept.cancel("O1") is not None
    assert kept.cancel("O1") is None
    assert not kept.crosses(BUY, 102)


def test_an_order_amended_to_less_keeps_its_place_and_goes_to_the_end_otherwise() -> None:
    """Five are ahead of it, four come later."""
    kept = engine()
    order = OwnOrder("O1", BUY, 100, 4)
    kept.place(order)
    kept.set_others(BUY, 100, 9)
    kept.amend(order, 100, 2)
    assert (order.ahead, kept.bids.lots_at(100)) == (5, 11)
    kept.amend(order, 100, 3)
    assert (order.ahead, kept.bids.lots_at(100)) == (9, 12)
    kept.amend(order, 99, 3)
    assert (order.ahead, kept.bids.lots_at(100)) == (kept.bids.others.get(99, 0), 9)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("others"), st.sampled_from((BUY, SELL)), st.integers(90, 110), st.integers(0, 9)),
        st.tuples(st.just("own"), st.sampled_from((BUY, SELL)), st.integers(90, 110), st.integers(1, 9)),
        st.tuples(st.just("amend"), st.sampled_from((BUY, SELL)), st.integers(90, 110), st.integers(1, 9)),
        st.tuples(st.just("take"), st.sampled_from((BUY, SELL)), st.integers(90, 110), st.integers(1, 20)),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_the_engine_conserves_quantity_and_never_crosses(actions: list[tuple[str, int, int, int]]) -> None:
    """What was printed left the book, the queue ahead is never more than the others, and bid < ask."""
    kept = MatchingEngine()
    for number, (what, sign, price, lots) in enumerate(actions):
        if what == "take":
            ladder = kept.side(-sign)
            before = sum(map(ladder.lots_at, ladder.prices()))
            printed = sum(print_.quantity for print_ in kept.take(sign, lots, price))
            assert before - sum(map(ladder.lots_at, ladder.prices())) == printed <= lots
        elif kept.crosses(sign, price):
            continue
        elif what == "own":
            kept.place(OwnOrder(f"O{number}", sign, price, lots))
        elif what == "amend":
            if kept.side(sign).own:
                kept.amend(kept.side(sign).own[0], price, lots)
        else:
            kept.set_others(sign, price, lots)
        top = kept.top()
        assert top is None or top[0] < top[1]
        for ladder in (kept.bids, kept.asks):
            assert all(0 <= order.ahead <= ladder.others.get(order.price, 0) for order in ladder.own)


# The two exchanges, side by side.


@pytest.mark.parametrize("seed", range(5))
def test_the_paper_exchange_never_fills_before_the_matching_engine(seed: int) -> None:
    """On the tape of a market that holds our orders, the conservative rule gives no more than the true queue."""
    simulated = market(seed)
    true = SimulatedExchange({"BTCUSDT": simulated}, Accounts(Decimal(0)))
    book = LocalBook()
    paper = PaperExchange({"BTCUSDT": book}, Accounts(Decimal(0)))
    real_fills, paper_fills = Decimal(0), Decimal(0)
    placed = False
    while simulated.next_ns < 600 * SECOND_NS:
        now_ns = simulated.next_ns
        for message in step(simulated):
            paper.observe(message)
            book.apply(message)
        real_fills += sum(fill.quantity for fill in true.take_executions())
        paper_fills += sum(fill.quantity for fill in paper.take_executions())
        assert paper_fills <= real_fills
        top = book.top()
        if top is not None and not placed and now_ns > SECOND_NS:
            placed = True
            for sign, price in ((BUY, top.bid), (SELL, top.ask)):
                request = OrderRequest(f"O{sign}", "BTCUSDT", sign, price, Decimal("0.005"))
                paper.place(request, now_ns)
                true.place(request, now_ns)
    assert real_fills > 0


def test_the_simulated_exchange_rejects_what_would_take() -> None:
    """Post-only, as the paper one."""
    simulated = market()
    exchange = SimulatedExchange({"BTCUSDT": simulated}, Accounts(Decimal(0)))
    step(simulated)
    request = OrderRequest("O1", "BTCUSDT", BUY, Decimal("99999.00"), Decimal("0.001"))
    assert exchange.place(request, 0) == "would_take"
    assert not exchange.cancel("O1", 0)


def test_our_orders_are_part_of_the_book_that_others_see() -> None:
    """A better bid of ours is the ticker's bid at once, and gone again with our cancel."""
    simulated = market()
    exchange = SimulatedExchange({"BTCUSDT": simulated}, Accounts(Decimal(0)))
    first = [message for message in step(simulated) if isinstance(message, Ticker)][-1]
    better = OrderRequest("O1", "BTCUSDT", BUY, first.bid + Decimal("0.10"), Decimal("0.003"))
    assert exchange.place(better, 5) is None
    shown = simulated.take_message()
    assert isinstance(shown, Ticker)
    assert (shown.bid, shown.bid_quantity, shown.received_ns) == (better.price, better.quantity, 5)
    assert exchange.cancel("O1", 6)
    hidden = simulated.take_message()
    assert isinstance(hidden, Ticker)
    assert hidden.bid == first.bid


def test_an_amended_order_moves_in_the_book_that_others_see() -> None:
    """One ticker with the new price; one that would take, or isn't there, is not amended."""
    simulated = market()
    exchange = SimulatedExchange({"BTCUSDT": simulated}, Accounts(Decimal(0)))
    first = [message for message in step(simulated) if isinstance(message, Ticker)][-1]
    better = OrderRequest("O1", "BTCUSDT", BUY, first.bid + Decimal("0.10"), Decimal("0.003"))
    assert exchange.amend(better, 4) is Amendment.GONE
    exchange.place(better, 5)
    simulated.take_message()
    best = replace(better, price=better.price + Decimal("0.10"), quantity=Decimal("0.002"))
    assert exchange.amend(best, 6) is Amendment.DONE
    assert exchange.resting("O1") == best
    shown = simulated.take_message()
    assert isinstance(shown, Ticker)
    assert (shown.bid, shown.bid_quantity) == (best.price, best.quantity)
    assert exchange.amend(replace(best, price=first.ask), 7) is Amendment.REMOVED
    assert exchange.resting("O1") is None
