"""The spread integrator against a second derivation: the state at each instant, asked anew between change points."""

import itertools
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmm_instrumentation._book import DepthRule
from flashmm_instrumentation._integrator import (
    CATCH_UP_SECONDS,
    GRACE_NS,
    PENDING_LIMIT,
    SECOND_NS,
    Closed,
    Sample,
    SpreadIntegrator,
)
from flashmm_instrumentation.semconv.attributes import MisuseReason

TICK = 10**17
LOT = 10**15
STALE_NS = 700_000_000
START_NS = 5_300_000_000
DEPTH = DepthRule(notional=300 * 10**18, multiplier=10**18, inverse=False)

Side = tuple[tuple[int, int], ...]


@dataclass
class Change:
    """What took effect, with the order of its taking effect. kind: book, quotes, assignment."""

    effective_ns: int
    at_ns: int
    arrival: int
    kind: str
    received_ns: int = 0
    bids: Side = ()
    asks: Side = ()
    assignment: str | None = None


@dataclass
class Oracle:
    """Keeps everything that happened and answers what held at an instant."""

    changes: list[Change] = field(default_factory=list)

    def latest(self, kind: str, at_ns: int) -> Change | None:
        past = [change for change in self.changes if change.kind == kind and change.effective_ns <= at_ns]
        return max(past, key=lambda change: (change.effective_ns, change.at_ns, change.arrival), default=None)

    def instants(self, start_ns: int, end_ns: int) -> list[int]:
        """Where anything can change in [start, end], and both ends."""
        points = {start_ns, end_ns, START_NS + STALE_NS}
        for change in self.changes:
            points |= {change.effective_ns, change.received_ns + STALE_NS}
        return sorted(point for point in points if start_ns <= point <= end_ns)

    def integrals(self, start_ns: int, end_ns: int) -> dict[str, Fraction]:
        totals: dict[str, Fraction] = {}
        instants = self.instants(start_ns, end_ns)
        for begin, end in itertools.pairwise(instants):
            for name, rate in self.rates(begin).items():
                totals[name] = totals.get(name, Fraction(0)) + rate * (end - begin)
        return totals

    def rates(self, at_ns: int) -> dict[str, Fraction]:
        book, quotes = self.latest("book", at_ns), self.latest("quotes", at_ns)
        own_bids, own_asks = (quotes.bids, quotes.asks) if quotes else ((), ())
        rates = {"quoting_ns": Fraction(bool(own_bids or own_asks))}
        fresh_until = (book.received_ns if book else START_NS) + STALE_NS
        if at_ns >= fresh_until:
            return rates | {"stale_ns": Fraction(1)}
        if book is None or not book.bids or not book.asks:
            return rates | {"one_sided_ns": Fraction(1)}
        if book.bids[0][0] >= book.asks[0][0]:
            return rates | {"crossed_ns": Fraction(1)}
        return rates | valid_rates(book.bids, book.asks, own_bids, own_asks)


def valid_rates(bids: Side, asks: Side, own_bids: Side, own_asks: Side) -> dict[str, Fraction]:
    """The rates of a valid book, by removing our orders from it."""
    bid, ask = bids[0][0], asks[0][0]
    mid = Fraction(bid + ask, 2)
    rates = {
        "valid_ns": Fraction(1),
        "total_valid": Fraction(ask - bid),
        "mid_valid": mid,
        "one_tick_ns": Fraction(ask - bid == TICK),
    }
    left_bids, left_asks = removed(bids, own_bids), removed(asks, own_asks)
    market = Fraction(left_asks[0][0] - left_bids[0][0]) if left_bids and left_asks else None
    if market is None:
        rates["unknown_ns"] = Fraction(1)
    else:
        rates |= {"market_known": market, "mid_known": mid}
    deep = [reached(bids), reached(asks)]
    if None not in deep:
        rates |= {"depth_ns": Fraction(1), "depth_valid": Fraction(deep[1] - deep[0])}
    if own_bids and own_asks and own_bids[0][0] <= bid and own_asks[0][0] >= ask:
        own = Fraction(own_asks[0][0] - own_bids[0][0])
        rates |= {"two_sided_ns": Fraction(1), "own_two_sided": own, "mid_two_sided": mid}
        rates["at_best_ns"] = Fraction(own_bids[0][0] == bid or own_asks[0][0] == ask)
        if market is not None:
            rates |= {"paired_ns": Fraction(1), "own_paired": own, "market_paired": market, "mid_paired": mid}
            rates["total_paired"] = Fraction(ask - bid)
    return rates


def removed(levels: Side, ours: Side) -> Side:
    left = dict(levels)
    for price, quantity in ours:
        if price in left:
            left[price] -= quantity
    return tuple((price, left[price]) for price, _ in levels if left[price] > 0)


def reached(levels: Side) -> int | None:
    notional = Fraction(0)
    for price, quantity in levels:
        notional += Fraction(price * quantity, 10**36)
        if notional >= 300:
            return price
    return None


@dataclass
class Harness:
    """The integrator and the oracle, told the same."""

    integrator: SpreadIntegrator = field(default_factory=lambda: SpreadIntegrator(TICK, START_NS, STALE_NS, DEPTH))
    oracle: Oracle = field(default_factory=Oracle)
    samples: list[Sample] = field(default_factory=list)
    last_book_ns: int | None = None
    closed_ns: int = START_NS
    arrivals: int = 0
    reordered: int = 0
    books: int = 0

    def change(self, at_ns: int, kind: str, **what: object) -> None:
        self.arrivals += 1
        effective_ns = max(at_ns, self.closed_ns)
        self.oracle.changes.append(Change(effective_ns, at_ns, self.arrivals, kind, **what))

    def book(self, at_ns: int, bids: Side, asks: Side) -> None:
        accepted = self.integrator.book(at_ns, bids, asks)
        last, refused = self.last_book_ns, False
        if last is not None and at_ns < last:
            refused = last - at_ns <= STALE_NS
            if not refused:
                self.change(last, "book", received_ns=last, bids=bids, asks=asks)
        else:
            self.change(at_ns, "book", received_ns=at_ns, bids=bids, asks=asks)
        assert accepted is not refused
        self.reordered += refused
        self.books += not refused
        self.last_book_ns = last if refused else at_ns

    def quotes(self, at_ns: int, bids: Side, asks: Side) -> None:
        self.integrator.quotes(at_ns, bids, asks)
        self.change(at_ns, "quotes", bids=bids, asks=asks)

    def assign(self, at_ns: int, assignment: str) -> None:
        self.integrator.assignment(at_ns, assignment)
        self.change(at_ns, "assignment", assignment=assignment)

    def close(self, now_ns: int) -> None:
        self._keep(self.integrator.close_until(now_ns))

    def finish(self, now_ns: int) -> None:
        self._keep(self.integrator.finish(now_ns))

    def _keep(self, closed: Closed) -> None:
        self.samples += closed.samples
        if self.samples:
            self.closed_ns = self.samples[-1].end_ns


# Few prices and quantities, so that ours are often the best level, and the whole of it.
bid_prices = st.integers(997, 1000).map(lambda ticks: ticks * TICK)
ask_prices = st.integers(1000, 1003).map(lambda ticks: ticks * TICK)
quantities = st.integers(1, 2).map(lambda lots: lots * LOT * 1000)


@st.composite
def levels(draw: st.DrawFn, *, bids: bool, most: int = 3) -> Side:
    """Up to so many levels, best first."""
    chosen = draw(st.lists(bid_prices if bids else ask_prices, max_size=most, unique=True))
    return tuple((price, draw(quantities)) for price in sorted(chosen, reverse=bids))


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, int, int, object]]:
    """(kind, nanoseconds since the last step, how late it is told, payload)."""
    kind = st.sampled_from(["book", "book", "book", "quotes", "quotes", "trade", "fill", "assign", "close"])
    found = []
    for _ in range(draw(st.integers(1, 25))):
        chosen = draw(kind)
        wait = draw(st.sampled_from([0, 1, 1_000, 90_000_000, 400_000_000, 1_100_000_000]))
        late = draw(st.sampled_from([0, 0, 0, 1, 50_000_000, 200_000_000, 900_000_000, 2_000_000_000]))
        sides = (draw(levels(bids=True)), draw(levels(bids=False)))
        found.append((chosen, wait, late, sides))
    return found


@settings(max_examples=150, deadline=None)
@given(steps())
def test_every_integral_is_exact(found: list[tuple[str, int, int, object]]) -> None:
    """Whatever the order of arrival, each sample equals the state at each instant, summed."""
    harness, now_ns, trades, fills = Harness(), START_NS, 0, 0
    for number, (kind, wait, late, sides) in enumerate(found):
        now_ns += wait
        at_ns = max(START_NS, now_ns - late)
        if kind == "book":
            harness.book(at_ns, *sides)
        elif kind == "quotes":
            harness.quotes(at_ns, *sides)
        elif kind == "assign":
            harness.assign(at_ns, f"a{number % 2}")
        elif kind == "close":
            harness.close(now_ns)
        elif kind == "trade":
            trades += 1
            harness.integrator.trade(at_ns, LOT)
        else:
            fills += 1
            harness.integrator.fill(at_ns, LOT)
    harness.finish(now_ns + 1)
    assert_exact(harness, now_ns + 1)
    sums = [sample.sums for sample in harness.samples]
    assert sum(each.trades for each in sums) == trades
    assert sum(each.market_volume for each in sums) == trades * LOT
    assert sum(each.own_volume for each in sums) == fills * LOT
    assert sum(each.updates for each in sums) == harness.books
    assert sum(each.reordered for each in sums) == harness.reordered


def assert_exact(harness: Harness, end_ns: int) -> None:
    """The samples follow on one another, end at seconds or cuts, and hold what the oracle finds."""
    samples = harness.samples
    assert [sample.start_ns for sample in samples] == [START_NS, *(sample.end_ns for sample in samples[:-1])]
    assert samples[-1].end_ns == end_ns
    for sample in samples:
        assert sample.end_ns <= (sample.start_ns // SECOND_NS + 1) * SECOND_NS
        expected = harness.oracle.integrals(sample.start_ns, sample.end_ns)
        sums = sample.sums
        assert sums.valid_ns + sums.stale_ns + sums.one_sided_ns + sums.crossed_ns == sample.end_ns - sample.start_ns
        for name in sums.__slots__:
            if name.startswith("mid2_"):
                assert Fraction(getattr(sums, name), 2) == expected.get("mid_" + name[5:], 0), name
            elif name not in ("own_volume", "market_volume", "trades", "updates", "reordered"):
                assert getattr(sums, name) == expected.get(name, 0), name
        in_force = harness.oracle.latest("assignment", sample.end_ns - 1)
        assert sample.assignment_id == (in_force.assignment if in_force else None)


def book(bid: int, ask: int, quantity: int = 1) -> tuple[Side, Side]:
    return ((bid * TICK, quantity * LOT),), ((ask * TICK, quantity * LOT),)


def test_a_quiet_market_reports_each_second() -> None:
    """Seconds without any event are samples too: stale ones once the limit has passed."""
    integrator = SpreadIntegrator(TICK, 0, 1_500_000_000)
    integrator.book(0, *book(100, 101))
    closed = integrator.close_until(3 * SECOND_NS + GRACE_NS)
    assert [(sample.sums.valid_ns, sample.sums.stale_ns) for sample in closed.samples] == [
        (SECOND_NS, 0),
        (SECOND_NS // 2, SECOND_NS // 2),
        (0, SECOND_NS),
    ]
    assert [sample.bid for sample in closed.samples] == [100 * TICK, None, None]


def test_a_second_is_not_closed_before_its_grace() -> None:
    """A change that is told within the grace period still counts in its own second."""
    integrator = SpreadIntegrator(TICK, 0, SECOND_NS)
    assert integrator.close_until(SECOND_NS + GRACE_NS - 1).samples == []
    integrator.book(SECOND_NS - 1, *book(100, 101))
    assert integrator.close_until(SECOND_NS + GRACE_NS).samples[0].sums.valid_ns == 1


def test_a_long_gap_is_skipped_and_counted() -> None:
    """After a suspension only so many seconds are made up for; of the others it is said that they are missing."""
    integrator = SpreadIntegrator(TICK, 0, SECOND_NS)
    integrator.book(0, *book(100, 101))
    closed = integrator.close_until((CATCH_UP_SECONDS + 50) * SECOND_NS + GRACE_NS)
    assert (len(closed.samples), closed.skipped) == (CATCH_UP_SECONDS, 50)
    assert closed.samples[0].sums.valid_ns == SECOND_NS
    closed = integrator.close_until((CATCH_UP_SECONDS + 51) * SECOND_NS + GRACE_NS)
    assert [sample.start_ns // SECOND_NS for sample in closed.samples] == [CATCH_UP_SECONDS + 50]


def test_a_clock_set_back_begins_a_new_sample() -> None:
    """No nanosecond is counted twice and no duration is negative when the clock jumps back an hour."""
    integrator = SpreadIntegrator(TICK, 7200 * SECOND_NS, SECOND_NS)
    integrator.book(7200 * SECOND_NS, *book(100, 101))
    stepped = integrator.close_until(3600 * SECOND_NS)
    assert (stepped.samples, stepped.troubles) == ([], {MisuseReason.CLOCK_STEP: 1})
    closed = integrator.close_until(3601 * SECOND_NS + GRACE_NS)
    assert [(sample.start_ns, sample.sums.valid_ns) for sample in closed.samples] == [(3600 * SECOND_NS, SECOND_NS)]


@pytest.mark.parametrize(("own", "known"), [(1, False), (2, False), (0, True)])
def test_our_whole_best_level_makes_the_market_unknown(own: int, known: object) -> None:
    """Where we are the best level, what is left of the market is not guessed from the top of the book."""
    integrator = SpreadIntegrator(TICK, 0, SECOND_NS)
    integrator.book(0, *book(100, 101))
    ours = ((100 * TICK, own * LOT),) if own else ()
    integrator.quotes(0, ours, ())
    sums = integrator.close_until(SECOND_NS + GRACE_NS).samples[0].sums
    assert (sums.unknown_ns == 0) is known


def test_more_changes_than_fit_are_integrated_early() -> None:
    """The list of pending changes is bounded, and the integrals stay right for changes in order."""
    integrator = SpreadIntegrator(TICK, 0, 10 * SECOND_NS)
    step_ns = 30_000
    for number in range(PENDING_LIMIT + 10):
        integrator.book(number * step_ns, *book(100, 101 + number % 2))
    end_ns = (PENDING_LIMIT + 10) * step_ns
    closed = integrator.finish(end_ns)
    samples = closed.samples
    assert closed.troubles == {MisuseReason.TOO_MANY_UPDATES: 1}
    assert sum(sample.sums.total_valid for sample in samples) == end_ns * 3 * TICK // 2
    assert [sample.end_ns for sample in samples[:3]] == [SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS]
