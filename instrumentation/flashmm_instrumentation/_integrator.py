"""Exact time integrals of spreads, second by second. No clock, no I/O: changes go in, samples come out.

Changes may arrive out of order across their kinds: a second is integrated once it has been over for a grace
period, its changes sorted by time. Every nanosecond of the second is in exactly one of valid, stale, one-sided and
crossed; a stale book's shape is not asked. What arrives after its second was closed takes effect at the next one's
begin and is counted. All sums are integers of 10⁻¹⁸ · ns (the mid's are of half that).
"""

from dataclasses import dataclass, field
from typing import Final

from flashmm_instrumentation._book import (
    EMPTY,
    Condition,
    DepthRule,
    Levels,
    condition,
    rests,
    without_us,
)
from flashmm_instrumentation.semconv.attributes import MisuseReason

SECOND_NS: Final = 1_000_000_000
GRACE_NS: Final = 150_000_000
CATCH_UP_SECONDS: Final = 120
PENDING_LIMIT: Final = 100_000


@dataclass(slots=True)
class Sums:
    """What one sample adds up. Nanoseconds; integrals in 10⁻¹⁸ quote · ns, of twice the mid where named so."""

    valid_ns: int = 0
    stale_ns: int = 0
    one_sided_ns: int = 0
    crossed_ns: int = 0
    quoting_ns: int = 0
    two_sided_ns: int = 0
    at_best_ns: int = 0
    one_tick_ns: int = 0
    unknown_ns: int = 0
    paired_ns: int = 0
    depth_ns: int = 0
    own_paired: int = 0
    market_paired: int = 0
    total_paired: int = 0
    mid2_paired: int = 0
    own_two_sided: int = 0
    mid2_two_sided: int = 0
    market_known: int = 0
    mid2_known: int = 0
    total_valid: int = 0
    mid2_valid: int = 0
    depth_valid: int = 0
    own_volume: int = 0
    market_volume: int = 0
    trades: int = 0
    updates: int = 0
    reordered: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One closed second, or the part of it before or after a bind, a close or a change of assignment.

    bid … own_ask: 10⁻¹⁸, at the sample's end; None where there is none or the book is stale.
    """

    start_ns: int
    end_ns: int
    sums: Sums
    bid: int | None
    ask: int | None
    own_bid: int | None
    own_ask: int | None
    assignment_id: str | None


@dataclass(frozen=True, slots=True)
class Closed:
    """The samples of one closing. skipped: seconds beyond the bound, for which none was made.

    troubles: what was wrong with the changes told since the last closing, and how often.
    """

    samples: list[Sample] = field(default_factory=list[Sample])
    skipped: int = 0
    troubles: dict[MisuseReason, int] = field(default_factory=dict[MisuseReason, int])


@dataclass(slots=True)
class _Book:
    at_ns: int
    received_ns: int
    bids: Levels
    asks: Levels

    def enter(self, into: "SpreadIntegrator") -> None:
        into.enter_book(self.received_ns, self.bids, self.asks)


@dataclass(slots=True)
class _Quotes:
    at_ns: int
    bids: Levels
    asks: Levels

    def enter(self, into: "SpreadIntegrator") -> None:
        into.enter_quotes(self.bids, self.asks)


@dataclass(slots=True)
class _Traded:
    at_ns: int
    market: int
    own: int
    trades: int

    def enter(self, into: "SpreadIntegrator") -> None:
        into.enter_traded(self.market, self.own, self.trades)


@dataclass(slots=True)
class _Reordered:
    at_ns: int

    def enter(self, into: "SpreadIntegrator") -> None:
        into.enter_reordered()


@dataclass(slots=True)
class _Assignment:
    at_ns: int
    assignment_id: str | None

    def enter(self, into: "SpreadIntegrator") -> None:
        into.enter_assignment(self.at_ns, self.assignment_id)


_Change = _Book | _Quotes | _Traded | _Reordered | _Assignment


@dataclass(slots=True)
class _Rates:
    """What holds between two changes while the book is fresh."""

    condition: Condition = Condition.ONE_SIDED
    quoting: bool = False
    two_sided: bool = False
    at_best: bool = False
    one_tick: bool = False
    total: int = 0
    mid2: int = 0
    own: int = 0
    market: int | None = None
    depth: int | None = None

    def add(self, sums: Sums, ns: int) -> None:
        if self.condition is Condition.VALID:
            self._add_valid(sums, ns)
        elif self.condition is Condition.CROSSED:
            sums.crossed_ns += ns
        else:
            sums.one_sided_ns += ns

    def _add_valid(self, sums: Sums, ns: int) -> None:
        sums.valid_ns += ns
        sums.total_valid += ns * self.total
        sums.mid2_valid += ns * self.mid2
        sums.one_tick_ns += ns * self.one_tick
        if self.depth is not None:
            sums.depth_ns += ns
            sums.depth_valid += ns * self.depth
        if self.market is None:
            sums.unknown_ns += ns
        else:
            sums.market_known += ns * self.market
            sums.mid2_known += ns * self.mid2
        if self.two_sided:
            self._add_two_sided(sums, ns)

    def _add_two_sided(self, sums: Sums, ns: int) -> None:
        sums.two_sided_ns += ns
        sums.at_best_ns += ns * self.at_best
        sums.own_two_sided += ns * self.own
        sums.mid2_two_sided += ns * self.mid2
        if self.market is not None:
            sums.paired_ns += ns
            sums.own_paired += ns * self.own
            sums.market_paired += ns * self.market
            sums.total_paired += ns * self.total
            sums.mid2_paired += ns * self.mid2


class SpreadIntegrator:
    """One market's integrals from start_ns on.

    tick: 10⁻¹⁸. stale_after_ns: a book without an update for longer is stale; before the first update this runs
    from start_ns. The caller serialises calls.
    """

    def __init__(self, tick: int, start_ns: int, stale_after_ns: int, depth: DepthRule | None = None) -> None:
        self._tick = tick
        self._stale_after_ns = stale_after_ns
        self._depth = depth
        self._pending: list[_Change] = []
        self._start_ns = start_ns
        self._cursor_ns = start_ns
        self._fresh_until_ns = start_ns + stale_after_ns
        self._last_received_ns: int | None = None
        self._bids = self._asks = self._own_bids = self._own_asks = EMPTY
        self._assignment_id: str | None = None
        self._rates = _Rates()
        self._sums = Sums()
        self._made: list[Sample] = []
        self._troubles: dict[MisuseReason, int] = {}

    # What happens, as it is told.

    def book(self, received_ns: int, bids: Levels, asks: Levels) -> bool:
        """The book from received_ns on; False if it is older than the last and therefore refused.

        One older by more than the staleness limit is no reordering but a step of the author's clock, and accepted.
        """
        last_ns = self._last_received_ns
        if last_ns is not None and received_ns < last_ns:
            if last_ns - received_ns <= self._stale_after_ns:
                self._take(_Reordered(last_ns))
                return False
            self._trouble(MisuseReason.CLOCK_STEP)
            self._take(_Book(last_ns, last_ns, bids, asks))
        else:
            self._take(_Book(received_ns, received_ns, bids, asks))
        self._last_received_ns = received_ns
        return True

    def quotes(self, at_ns: int, bids: Levels, asks: Levels) -> None:
        """Our own orders from at_ns on, empty where we do not quote."""
        self._take(_Quotes(at_ns, bids, asks))

    def trade(self, at_ns: int, quantity: int) -> None:
        """A public trade (our own fills are among them on most venues)."""
        self._take(_Traded(at_ns, quantity, 0, 1))

    def fill(self, at_ns: int, quantity: int) -> None:
        """A fill of ours."""
        self._take(_Traded(at_ns, 0, quantity, 0))

    def assignment(self, at_ns: int, assignment_id: str | None) -> None:
        """The assignment from at_ns on; a sample ends here."""
        self._take(_Assignment(at_ns, assignment_id))

    def _take(self, change: _Change) -> None:
        if change.at_ns < self._cursor_ns:
            self._trouble(MisuseReason.LATE_UPDATE)
        if len(self._pending) >= PENDING_LIMIT:
            self._trouble(MisuseReason.TOO_MANY_UPDATES)
            newest_ns = max(map(_at_ns, self._pending))
            self._settle(newest_ns)
            self._integrate_pending(newest_ns + 1)
        self._pending.append(change)

    # Time passes.

    def close_until(self, now_ns: int) -> Closed:
        """Close the seconds that have been over for the grace period; bounded, the rest is skipped.

        A now_ns more than a second before what was integrated already is a clock that was set back: the sample that
        was open begins again there.
        """
        if now_ns < self._cursor_ns - SECOND_NS:
            self._restart(now_ns)
            return self._closed(0)
        last_end_ns = (now_ns - GRACE_NS) // SECOND_NS * SECOND_NS
        skipped = self._skip(last_end_ns)
        self._settle(last_end_ns)
        return self._closed(skipped)

    def finish(self, now_ns: int) -> Closed:
        """Close everything up to now_ns, the open part of a second included."""
        closed = self.close_until(now_ns + GRACE_NS)
        self._integrate_pending(now_ns)
        self._cut(now_ns)
        return Closed(closed.samples + self._closed(0).samples, closed.skipped, closed.troubles)

    def _closed(self, skipped: int) -> Closed:
        closed = Closed(self._made, skipped, self._troubles)
        self._made, self._troubles = [], {}
        return closed

    def _trouble(self, reason: MisuseReason) -> None:
        self._troubles[reason] = self._troubles.get(reason, 0) + 1

    def _settle(self, until_ns: int) -> None:
        while (end_ns := _next_second(self._start_ns)) <= until_ns:
            self._integrate_pending(end_ns)
            self._cut(end_ns)

    def _skip(self, last_end_ns: int) -> int:
        if (last_end_ns - self._start_ns) // SECOND_NS <= CATCH_UP_SECONDS:
            return 0
        self._settle(self._start_ns + CATCH_UP_SECONDS * SECOND_NS)
        skipped = (last_end_ns - self._start_ns) // SECOND_NS
        self._integrate_pending(last_end_ns)
        self._begin(last_end_ns)
        return skipped

    def _restart(self, now_ns: int) -> None:
        self._trouble(MisuseReason.CLOCK_STEP)
        self._integrate_pending(max((change.at_ns for change in self._pending), default=self._cursor_ns) + 1)
        self._begin(now_ns)
        self._fresh_until_ns = now_ns + self._stale_after_ns
        self._last_received_ns = None

    def _begin(self, start_ns: int) -> None:
        self._start_ns = self._cursor_ns = start_ns
        self._sums = Sums()

    def _cut(self, end_ns: int) -> None:
        """End the open sample."""
        if end_ns <= self._start_ns:
            return
        stale = end_ns > self._fresh_until_ns
        self._made.append(
            Sample(
                self._start_ns,
                end_ns,
                self._sums,
                None if stale else _best(self._bids),
                None if stale else _best(self._asks),
                _best(self._own_bids),
                _best(self._own_asks),
                self._assignment_id,
            )
        )
        self._begin(end_ns)

    def _integrate_pending(self, end_ns: int) -> None:
        """Take in the changes before end_ns, in order of time, and integrate up to end_ns."""
        self._pending.sort(key=_at_ns)
        due = [change for change in self._pending if change.at_ns < end_ns]
        self._pending = self._pending[len(due) :]
        for change in due:
            self._advance(change.at_ns)
            change.enter(self)
        self._advance(end_ns)

    def _advance(self, to_ns: int) -> None:
        if to_ns <= self._cursor_ns:
            return
        fresh_ns = max(0, min(to_ns, self._fresh_until_ns) - self._cursor_ns)
        ns = to_ns - self._cursor_ns
        if self._rates.quoting:
            self._sums.quoting_ns += ns
        self._sums.stale_ns += ns - fresh_ns
        if fresh_ns:
            self._rates.add(self._sums, fresh_ns)
        self._cursor_ns = to_ns

    # What a change does when its time has come.

    def enter_book(self, received_ns: int, bids: Levels, asks: Levels) -> None:
        self._bids, self._asks = bids, asks
        self._fresh_until_ns = received_ns + self._stale_after_ns
        self._sums.updates += 1
        self._rates = self._derived()

    def enter_quotes(self, bids: Levels, asks: Levels) -> None:
        self._own_bids, self._own_asks = bids, asks
        self._rates = self._derived()

    def enter_traded(self, market: int, own: int, trades: int) -> None:
        self._sums.market_volume += market
        self._sums.own_volume += own
        self._sums.trades += trades

    def enter_reordered(self) -> None:
        self._sums.reordered += 1

    def enter_assignment(self, at_ns: int, assignment_id: str | None) -> None:
        if assignment_id != self._assignment_id:
            self._cut(max(at_ns, self._cursor_ns))
            self._assignment_id = assignment_id

    def _derived(self) -> _Rates:
        bids, asks = self._bids, self._asks
        rates = _Rates(condition(bids, asks), quoting=bool(self._own_bids or self._own_asks))
        if rates.condition is not Condition.VALID:
            return rates
        bid, ask = bids[0][0], asks[0][0]
        rates.total, rates.mid2 = ask - bid, ask + bid
        rates.one_tick = rates.total == self._tick
        rates.market = _spread(without_us(bids, self._own_bids), without_us(asks, self._own_asks))
        if self._depth is not None:
            rates.depth = _spread(self._depth.price(bids), self._depth.price(asks))
        self._derive_own(rates, bid, ask)
        return rates

    def _derive_own(self, rates: _Rates, bid: int, ask: int) -> None:
        if rests(self._own_bids, bid, sign=1) and rests(self._own_asks, ask, sign=-1):
            own_bid, own_ask = self._own_bids[0][0], self._own_asks[0][0]
            rates.two_sided = True
            rates.own = own_ask - own_bid
            rates.at_best = own_bid == bid or own_ask == ask


def _at_ns(change: _Change) -> int:
    return change.at_ns


def _next_second(at_ns: int) -> int:
    return (at_ns // SECOND_NS + 1) * SECOND_NS


def _best(levels: Levels) -> int | None:
    return levels[0][0] if levels else None


def _spread(bid: int | None, ask: int | None) -> int | None:
    return None if bid is None or ask is None else ask - bid
