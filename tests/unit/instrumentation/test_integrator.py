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
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv.attributes import MisuseReason

TICK = 10**17
LOT = 10**15
STALE_NS = 700_000_000
START_NS = 100_000_300_000_000
DEPTH = DepthRule(notional=300 * 10**18, multiplier=10**18, inverse=False)

Side = tuple[tuple[int, int], ...]
Key = tuple[int, int, int, int, int]
"""When a change takes effect: how often the clock was set back, the time, the time told, rank, order of arrival."""


@dataclass
class Change:
    """What was told. kind: book, quotes, doubt, assignment."""

    key: Key
    kind: str
    received_ns: int = 0
    bids: Side = ()
    asks: Side = ()
    assignment: str | None = None
    order_id: str = ""
    rested: bool = False


@dataclass
class Oracle:
    """Keeps everything that happened and answers what held at an instant (epoch, ns)."""

    changes: list[Change] = field(default_factory=list)
    begins: list[int] = field(default_factory=lambda: [START_NS])
    """Where each epoch began."""

    def past(self, kind: str, epoch: int, at_ns: int) -> list[Change]:
        found = [change for change in self.changes if change.kind == kind and change.key[:2] <= (epoch, at_ns)]
        return sorted(found, key=lambda change: change.key)

    def latest(self, kind: str, epoch: int, at_ns: int) -> Change | None:
        return next(reversed(self.past(kind, epoch, at_ns)), None)

    def fresh_until(self, epoch: int, at_ns: int) -> int:
        book = self.latest("book", epoch, at_ns)
        return (book.received_ns if book and book.key[0] == epoch else self.begins[epoch]) + STALE_NS

    def instants(self, epoch: int, start_ns: int, end_ns: int) -> list[int]:
        """Where anything can change in [start, end], and both ends."""
        points = {start_ns, end_ns, self.begins[epoch] + STALE_NS}
        for change in self.changes:
            points |= {change.key[1], change.received_ns + STALE_NS}
        return sorted(point for point in points if start_ns <= point <= end_ns)

    def integrals(self, epoch: int, start_ns: int, end_ns: int) -> dict[str, Fraction]:
        totals: dict[str, Fraction] = {}
        for begin, end in itertools.pairwise(self.instants(epoch, start_ns, end_ns)):
            for name, rate in self.rates(epoch, begin).items():
                totals[name] = totals.get(name, Fraction(0)) + rate * (end - begin)
        return totals

    def rates(self, epoch: int, at_ns: int) -> dict[str, Fraction]:
        book, quotes = self.latest("book", epoch, at_ns), self.latest("quotes", epoch, at_ns)
        own_bids, own_asks = (quotes.bids, quotes.asks) if quotes else ((), ())
        rates = {"quoting_ns": Fraction(bool(own_bids or own_asks))}
        if at_ns >= self.fresh_until(epoch, at_ns):
            return rates | {"stale_ns": Fraction(1)}
        if book is None or not book.bids or not book.asks:
            return rates | {"one_sided_ns": Fraction(1)}
        if book.bids[0][0] >= book.asks[0][0]:
            return rates | {"crossed_ns": Fraction(1)}
        return rates | valid_rates(book, own_bids, own_asks, self.market(book, epoch, at_ns))

    def market(self, book: Change, epoch: int, at_ns: int) -> Fraction | None:
        """The market's spread without us, if it is the same in every world that what was told allows."""
        bid = self.others(book, "bids", epoch, at_ns)
        ask = self.others(book, "asks", epoch, at_ns)
        return None if bid is None or ask is None else Fraction(ask - bid)

    def others(self, book: Change, side: str, epoch: int, at_ns: int) -> int | None:
        levels: Side = getattr(book, side)
        possible = [sorted(self.possible(price, book, side, epoch, at_ns)) for price, _ in levels]
        worlds = {best_left(levels, ours) for ours in itertools.product(*possible)}
        return worlds.pop() if len(worlds) == 1 else None

    def possible(self, price: int, book: Change, side: str, epoch: int, at_ns: int) -> set[int]:
        """What may be ours at a price: as told when the book came, give or take orders in doubt; or as told since."""
        quotes = self.past("quotes", epoch, at_ns)
        before = [change for change in quotes if change.key < book.key]
        told = sum_at(getattr(before[-1], side), price) if before else 0
        amounts = {told}
        for order_id, levels in self.in_doubt(book, side).items():
            signs = (-1,) if self.is_told(order_id, price, book, side) else (-1, 1)
            for quantity in [quantity for at, quantity in levels if at == price]:
                amounts |= {amount + sign * quantity for amount in amounts for sign in signs}
        since = {sum_at(getattr(change, side), price) for change in quotes if change.key > book.key}
        return {max(0, amount) for amount in amounts} | {amount for amount in since if amount > told}

    def in_doubt(self, now: Change, side: str) -> dict[str, Side]:
        """Where each order may be that was in doubt just before something was told."""
        found = {change.order_id: getattr(change, side) for change in self.before("doubt", now)}
        return {order_id: levels for order_id, levels in found.items() if levels}

    def before(self, kind: str, now: Change) -> list[Change]:
        found = (change for change in self.changes if change.kind == kind and change.key < now.key)
        return sorted(found, key=lambda change: change.key)

    def is_told(self, order_id: str, price: int, book: Change, side: str) -> bool:
        """Whether the quotes hold the order: they did when the doubt began, and told no less there from then on.

        And none less anywhere since the book before that, which may have been this order's.
        """
        own = [change for change in self.before("doubt", book) if change.order_id == order_id]
        begin = list(itertools.takewhile(lambda change: getattr(change, side), reversed(own)))[-1]
        others = self.in_doubt(begin, side)
        held = any(at == price for levels in others.values() for at, _ in levels)
        wanted = sum_at(getattr(begin, side), price)
        return (
            begin.rested
            and not held
            and 0 < wanted <= sum_at(self.quotes_at(begin, side), price)
            and not self.fell(self.last_book(begin), begin, side)
            and not self.fell(begin, book, side, price)
        )

    def quotes_at(self, now: Change, side: str) -> Side:
        return getattr(next(reversed(self.before("quotes", now)), Change(now.key, "")), side)

    def last_book(self, now: Change) -> Change:
        return next(reversed(self.before("book", now)), Change((-1, 0, 0, 0, 0), ""))

    def fell(self, since: Change, until: Change, side: str, price: int | None = None) -> bool:
        """Whether the quotes of a price, or of any, went down in between."""
        quotes = [c for c in self.before("quotes", until) if c.key > since.key]
        told = [self.quotes_at(since, side), *(getattr(change, side) for change in quotes)]
        prices = {at for levels in told for at, _ in levels} if price is None else {price}
        return any(sum_at(a, at) > sum_at(b, at) for a, b in itertools.pairwise(told) for at in prices)


def sum_at(levels: Side, price: int) -> int:
    return sum(quantity for at, quantity in levels if at == price)


def best_left(levels: Side, ours: tuple[int, ...]) -> int | None:
    """The best price once so much of each level is taken out."""
    left = [price for (price, quantity), own in zip(levels, ours, strict=True) if quantity - own > 0]
    return left[0] if left else None


def valid_rates(book: Change, own_bids: Side, own_asks: Side, market: Fraction | None) -> dict[str, Fraction]:
    """The rates of a valid book."""
    bids, asks = book.bids, book.asks
    bid, ask = bids[0][0], asks[0][0]
    mid = Fraction(bid + ask, 2)
    rates = {
        "valid_ns": Fraction(1),
        "total_valid": Fraction(ask - bid),
        "mid_valid": mid,
        "one_tick_ns": Fraction(ask - bid == TICK),
    }
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
    samples: list[tuple[int, Sample]] = field(default_factory=list)
    """With their epochs."""
    counted: list[tuple[Key, str]] = field(default_factory=list)
    """What is counted by the sample in which it took effect."""
    last_book_ns: int | None = None
    closed_ns: int = START_NS
    arrivals: int = 0

    @property
    def epoch(self) -> int:
        return len(self.oracle.begins) - 1

    def key(self, at_ns: int, rank: int = 2) -> Key:
        self.arrivals += 1
        return (self.epoch, max(at_ns, self.closed_ns), at_ns, rank, self.arrivals)

    def book(self, at_ns: int, bids: Side, asks: Side) -> None:
        accepted = self.integrator.book(at_ns, bids, asks)
        last = self.last_book_ns
        if last is not None and at_ns < last and last - at_ns <= STALE_NS:
            assert not accepted
            self.counted.append((self.key(last), "reordered"))
            return
        assert accepted
        taken_ns = at_ns if last is None else max(at_ns, last)
        key = self.key(taken_ns)
        self.oracle.changes.append(Change(key, "book", received_ns=taken_ns, bids=bids, asks=asks))
        self.counted.append((key, "updates"))
        self.last_book_ns = at_ns

    def quotes(self, at_ns: int, bids: Side, asks: Side) -> None:
        self.integrator.quotes(at_ns, bids, asks)
        self.oracle.changes.append(Change(self.key(at_ns, 1), "quotes", bids=bids, asks=asks))

    def doubt(self, at_ns: int, order_id: str, side: str, levels: Side, *, rested: bool = False) -> None:
        self.integrator.doubt(at_ns, order_id, attr.Side(side), levels, rested=rested)
        key = self.key(at_ns, 1)
        where = {"bids" if side == "buy" else "asks": levels}
        self.oracle.changes.append(Change(key, "doubt", order_id=f"{side}{order_id}", rested=rested, **where))

    def assign(self, at_ns: int, assignment: str) -> None:
        self.integrator.assignment(at_ns, assignment)
        self.oracle.changes.append(Change(self.key(at_ns, 0), "assignment", assignment=assignment))

    def trade(self, at_ns: int) -> None:
        self.integrator.trade(at_ns, LOT)
        self.counted.append((self.key(at_ns), "trades"))

    def fill(self, at_ns: int) -> None:
        self.integrator.fill(at_ns, LOT)
        self.counted.append((self.key(at_ns), "own_volume"))

    def close(self, now_ns: int) -> None:
        self._keep(self.integrator.close_until(now_ns))

    def set_back(self, now_ns: int) -> None:
        """The clock is an hour or so behind: what was told before happened before."""
        self._keep(self.integrator.close_until(now_ns))
        self.oracle.begins.append(now_ns)
        self.closed_ns, self.last_book_ns = now_ns, None

    def finish(self, now_ns: int) -> None:
        self._keep(self.integrator.finish(now_ns))

    def _keep(self, closed: Closed) -> None:
        self.samples += [(self.epoch, sample) for sample in closed.samples]
        if closed.samples:
            self.closed_ns = closed.samples[-1].end_ns


# Few prices and quantities, so that ours are often the best level, and the whole of it.
bid_prices = st.integers(997, 1000).map(lambda ticks: ticks * TICK)
ask_prices = st.integers(1000, 1003).map(lambda ticks: ticks * TICK)
quantities = st.integers(1, 2).map(lambda lots: lots * LOT * 1000)


@st.composite
def levels(draw: st.DrawFn, *, bids: bool, most: int = 3) -> Side:
    """Up to so many levels, best first."""
    chosen = draw(st.lists(bid_prices if bids else ask_prices, max_size=most, unique=True))
    return tuple((price, draw(quantities)) for price in sorted(chosen, reverse=bids))


KINDS = 4 * ["book"] + 2 * ["quotes", "doubt"] + ["answer", "trade", "fill", "assign", "close", "back"]
WAITS = [0, 1, 1_000, 90_000_000, 400_000_000, 1_100_000_000]
LATE = [0, 0, 0, 1, 50_000_000, 200_000_000, 900_000_000, 2_000_000_000]


@dataclass
class Step:
    """One thing told: nanoseconds since the last, how late it is told, and what."""

    kind: str
    wait_ns: int
    late_ns: int
    bids: Side
    asks: Side
    order_id: str
    side: str
    rested: bool


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """What a bot may tell, in any order."""
    return [
        Step(
            draw(st.sampled_from(KINDS)),
            draw(st.sampled_from(WAITS)),
            draw(st.sampled_from(LATE)),
            draw(levels(bids=True)),
            draw(levels(bids=False)),
            draw(st.sampled_from("ab")),
            draw(st.sampled_from(["buy", "sell"])),
            draw(st.booleans()),
        )
        for _ in range(draw(st.integers(1, 25)))
    ]


def tell(harness: Harness, step: Step, at_ns: int, number: int) -> None:
    """Tell both the same."""
    match step.kind:
        case "book":
            harness.book(at_ns, step.bids, step.asks)
        case "quotes":
            harness.quotes(at_ns, step.bids, step.asks)
        case "doubt":
            levels = step.bids if step.side == "buy" else step.asks
            harness.doubt(at_ns, step.order_id, step.side, levels, rested=step.rested)
        case "answer":
            harness.doubt(at_ns, step.order_id, step.side, ())
        case "trade":
            harness.trade(at_ns)
        case "fill":
            harness.fill(at_ns)
        case _:
            harness.assign(at_ns, f"a{number % 2}")


@settings(max_examples=300)
@given(steps())
def test_every_integral_is_exact(found: list[Step]) -> None:
    """Whatever the order of arrival, each sample equals the state at each instant, summed over its nanoseconds."""
    harness, now_ns = Harness(), START_NS
    for number, step in enumerate(found):
        now_ns += step.wait_ns
        if step.kind == "close":
            harness.close(now_ns)
        elif step.kind == "back":
            if harness.closed_ns - 3_600 * SECOND_NS > 0:
                now_ns = harness.closed_ns - 3_600 * SECOND_NS
                harness.set_back(now_ns)
        else:
            tell(harness, step, max(harness.oracle.begins[-1], now_ns - step.late_ns), number)
    harness.finish(now_ns + 1)
    assert harness.samples[-1][1].end_ns == now_ns + 1
    assert_follow(harness)
    for epoch, sample in harness.samples:
        assert_exact(harness, epoch, sample)
    assert_counted(harness)


def assert_follow(harness: Harness) -> None:
    """The samples of an epoch follow on one another and end at seconds or cuts."""
    for epoch, begin_ns in enumerate(harness.oracle.begins):
        samples = [sample for at, sample in harness.samples if at == epoch]
        ends = [begin_ns, *(sample.end_ns for sample in samples)]
        assert [sample.start_ns for sample in samples] == ends[:-1]
        assert all(sample.end_ns <= (sample.start_ns // SECOND_NS + 1) * SECOND_NS for sample in samples)


def assert_exact(harness: Harness, epoch: int, sample: Sample) -> None:
    """The sample holds what the oracle finds, and its closing prices are those in force just before its end."""
    oracle, sums, last_ns = harness.oracle, sample.sums, sample.end_ns - 1
    expected = oracle.integrals(epoch, sample.start_ns, sample.end_ns)
    assert sums.valid_ns + sums.stale_ns + sums.one_sided_ns + sums.crossed_ns == sample.end_ns - sample.start_ns
    for name in sums.__slots__:
        if name.startswith("mid2_"):
            assert Fraction(getattr(sums, name), 2) == expected.get("mid_" + name[5:], 0), name
        elif name not in COUNTED:
            assert getattr(sums, name) == expected.get(name, 0), name
    in_force = oracle.latest("assignment", epoch, last_ns)
    assert sample.assignment_id == (in_force.assignment if in_force else None)
    book, quotes = oracle.latest("book", epoch, last_ns), oracle.latest("quotes", epoch, last_ns)
    stale = last_ns >= oracle.fresh_until(epoch, last_ns)
    assert (sample.bid, sample.ask) == ((None, None) if stale or book is None else tops(book))
    assert (sample.own_bid, sample.own_ask) == ((None, None) if quotes is None else tops(quotes))


COUNTED = ("own_volume", "market_volume", "trades", "updates", "reordered")


def assert_counted(harness: Harness) -> None:
    """Volumes, trades and updates are in the sample in which they took effect, or in the next where there is none."""
    found = [dict.fromkeys(COUNTED, 0) for _ in harness.samples]
    for (epoch, effective_ns, *_), name in harness.counted:
        later = (
            n for n, (at, s) in enumerate(harness.samples) if at > epoch or (at == epoch and s.end_ns > effective_ns)
        )
        counts = found[next(later)]
        counts[name] += LOT if name == "own_volume" else 1
        counts["market_volume"] = counts["trades"] * LOT
    assert [{name: getattr(sample.sums, name) for name in COUNTED} for _, sample in harness.samples] == found


def tops(told: Change) -> tuple[int | None, int | None]:
    return (told.bids[0][0] if told.bids else None, told.asks[0][0] if told.asks else None)


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
    assert [sample.end_ns - sample.start_ns for sample in stepped.samples] == [1]
    assert stepped.troubles == {MisuseReason.CLOCK_STEP: 1}
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
