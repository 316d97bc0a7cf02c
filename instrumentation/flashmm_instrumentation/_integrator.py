"""Exact time integrals of spreads, second by second. No clock, no I/O: changes go in, samples come out.

Changes may arrive out of order across their kinds: a second is integrated once it has been over for a grace
period, its changes sorted by time; at one instant our quotes and the answers of orders come before the book
that shows what they tell. Every nanosecond of the second is in exactly one of valid, stale, one-sided and
crossed; a stale book's shape is not asked. What arrives after its second was closed takes effect at the next one's
begin and is counted. All sums are integers of 10⁻¹⁸ · ns (the mid's are of half that).
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Final

from flashmm_instrumentation._book import DepthRule, Levels
from flashmm_instrumentation._sight import MarketSight
from flashmm_instrumentation._sums import Sums
from flashmm_instrumentation.semconv.attributes import MisuseReason, Side

SECOND_NS: Final = 1_000_000_000
GRACE_NS: Final = 150_000_000
CATCH_UP_SECONDS: Final = 120
PENDING_LIMIT: Final = 100_000

_Change = tuple[int, int, Callable[[], None]]
"""When it happened, its rank among those of the same instant, and what it does when its turn has come."""
_at_ns: Final = itemgetter(0)
_turn: Final = itemgetter(0, 1)
_CUT, _OURS, _MARKET = range(3)
"""The ranks: a sample ends before anything of its last instant; then what is ours, and then what shows it."""


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


class SpreadIntegrator:
    """One market's integrals from start_ns on.

    tick: 10⁻¹⁸. stale_after_ns: a book without an update for longer is stale; before the first update this runs
    from start_ns. The caller serialises calls.
    """

    def __init__(self, tick: int, start_ns: int, stale_after_ns: int, depth: DepthRule | None = None) -> None:
        self._stale_after_ns = stale_after_ns
        self._sight = MarketSight(tick, depth)
        self._pending: list[_Change] = []
        self._start_ns = start_ns
        self._cursor_ns = start_ns
        self._fresh_until_ns = start_ns + stale_after_ns
        self._last_received_ns: int | None = None
        self._assignment_id: str | None = None
        self._sums = Sums()
        self._made: list[Sample] = []
        self._skipped = 0
        self._troubles: dict[MisuseReason, int] = {}

    # What happens, as it is told.

    def book(self, received_ns: int, bids: Levels, asks: Levels) -> bool:
        """The book from received_ns on; False if it is older than the last and therefore refused.

        One older by more than the staleness limit is no reordering but a step of the author's clock, and accepted.
        """
        last_ns = self._last_received_ns
        if last_ns is not None and received_ns < last_ns:
            if last_ns - received_ns <= self._stale_after_ns:
                self._take(last_ns, self._enter_reordered)
                return False
            self._trouble(MisuseReason.CLOCK_STEP)
            self._take_book(last_ns, bids, asks)
        else:
            self._take_book(received_ns, bids, asks)
        self._last_received_ns = received_ns
        return True

    def quotes(self, at_ns: int, bids: Levels, asks: Levels) -> None:
        """Our own orders from at_ns on, empty where we do not quote."""
        self._take(at_ns, partial(self._sight.quotes, bids, asks), _OURS)

    def doubt(self, at_ns: int, order_id: str, side: Side, levels: Levels, *, rested: bool = False) -> None:
        """Where an order of ours may be from at_ns on, besides or instead of what quotes() told; nowhere: no doubt.

        It is never counted as the market's, nor the market's quantity as ours: see OwnSide.
        """
        self._take(at_ns, partial(self._enter_doubt, order_id, side, levels, rested=rested), _OURS)

    def trade(self, at_ns: int, quantity: int) -> None:
        """A public trade (our own fills are among them on most venues)."""
        self._take(at_ns, partial(self._enter_trade, quantity))

    def fill(self, at_ns: int, quantity: int) -> None:
        """A fill of ours."""
        self._take(at_ns, partial(self._enter_fill, quantity))

    def assignment(self, at_ns: int, assignment_id: str | None) -> None:
        """The assignment from at_ns on; a sample ends here."""
        self._take(at_ns, partial(self._enter_assignment, at_ns, assignment_id), _CUT)

    def _take_book(self, received_ns: int, bids: Levels, asks: Levels) -> None:
        self._take(received_ns, partial(self._enter_book, received_ns, bids, asks))

    def _take(self, at_ns: int, enter: Callable[[], None], rank: int = _MARKET) -> None:
        if at_ns < self._cursor_ns:
            self._trouble(MisuseReason.LATE_UPDATE)
        if len(self._pending) >= PENDING_LIMIT:
            self._trouble(MisuseReason.TOO_MANY_UPDATES)
            self._integrate_all()
        self._pending.append((at_ns, rank, enter))

    # Time passes.

    def close_until(self, now_ns: int) -> Closed:
        """Close the seconds that have been over for the grace period; bounded, the rest is skipped.

        A now_ns more than a second before what was integrated already is a clock that was set back: the open
        sample ends with what was told, and the next begins at now_ns.
        """
        if now_ns < self._cursor_ns - SECOND_NS:
            self._restart(now_ns)
        else:
            self._settle(now_ns - GRACE_NS)
        return self._closed()

    def finish(self, now_ns: int) -> Closed:
        """Close everything up to now_ns, the open part of a second included, with all that was told."""
        if now_ns < self._cursor_ns - SECOND_NS:
            self._restart(now_ns)
        self._settle(now_ns)
        self._integrate_pending(now_ns)
        self._enter_all()
        self._cut(now_ns)
        return self._closed()

    def _closed(self) -> Closed:
        closed = Closed(self._made, self._skipped, self._troubles)
        self._made, self._skipped, self._troubles = [], 0, {}
        return closed

    def _trouble(self, reason: MisuseReason) -> None:
        self._troubles[reason] = self._troubles.get(reason, 0) + 1

    def _settle(self, until_ns: int) -> None:
        """Close the seconds that end by then; of a long gap the first ones, and the rest is skipped."""
        last_end_ns = until_ns // SECOND_NS * SECOND_NS
        bound_ns = self._start_ns + CATCH_UP_SECONDS * SECOND_NS
        while (end_ns := _next_second(self._start_ns)) <= min(last_end_ns, bound_ns):
            self._integrate_pending(end_ns)
            self._cut(end_ns)
        if end_ns <= last_end_ns:
            self._skipped += (last_end_ns - self._start_ns) // SECOND_NS
            self._integrate_pending(last_end_ns)
            self._begin(last_end_ns)

    def _restart(self, now_ns: int) -> None:
        self._trouble(MisuseReason.CLOCK_STEP)
        self._integrate_all()
        self._cut(self._cursor_ns)
        self._start_ns = self._cursor_ns = now_ns  # counts without any time go on
        self._fresh_until_ns = now_ns + self._stale_after_ns
        self._last_received_ns = None

    def _begin(self, start_ns: int) -> None:
        self._start_ns = self._cursor_ns = start_ns
        self._sums = Sums()

    def _cut(self, end_ns: int) -> None:
        """End the open sample."""
        if end_ns <= self._start_ns:
            return
        stale, sight = end_ns > self._fresh_until_ns, self._sight
        self._made.append(
            Sample(
                self._start_ns,
                end_ns,
                self._sums,
                None if stale else _best(sight.bids),
                None if stale else _best(sight.asks),
                _best(sight.own_bids),
                _best(sight.own_asks),
                self._assignment_id,
            )
        )
        self._begin(end_ns)

    def _integrate_all(self) -> None:
        newest_ns = max(map(_at_ns, self._pending), default=self._cursor_ns)
        self._settle(newest_ns)
        self._integrate_pending(newest_ns + 1)

    def _integrate_pending(self, end_ns: int) -> None:
        """Take in the changes before end_ns, in order of time, and integrate up to end_ns."""
        self._pending.sort(key=_turn)
        due = bisect_left(self._pending, end_ns, key=_at_ns)
        changes, self._pending = self._pending[:due], self._pending[due:]
        for at_ns, _, enter in changes:
            self._advance(at_ns)
            enter()
        self._advance(end_ns)

    def _enter_all(self) -> None:
        """Take in what is pending without letting time pass."""
        self._pending.sort(key=_turn)
        for _, _, enter in self._pending:
            enter()
        self._pending = []

    def _advance(self, to_ns: int) -> None:
        if to_ns <= self._cursor_ns:
            return
        fresh_ns = max(0, min(to_ns, self._fresh_until_ns) - self._cursor_ns)
        ns = to_ns - self._cursor_ns
        if self._sight.rates.quoting:
            self._sums.quoting_ns += ns
        self._sums.stale_ns += ns - fresh_ns
        if fresh_ns:
            self._sight.rates.add(self._sums, fresh_ns)
        self._cursor_ns = to_ns

    # What a change does when its turn has come.

    def _enter_book(self, received_ns: int, bids: Levels, asks: Levels) -> None:
        self._fresh_until_ns = received_ns + self._stale_after_ns
        self._sums.updates += 1
        self._sight.book(bids, asks)

    def _enter_doubt(self, order_id: str, side: Side, levels: Levels, *, rested: bool) -> None:
        if not self._sight.doubt(order_id, side, levels, rested=rested):
            self._trouble(MisuseReason.TOO_MANY_IN_DOUBT)

    def _enter_trade(self, quantity: int) -> None:
        self._sums.market_volume += quantity
        self._sums.trades += 1

    def _enter_fill(self, quantity: int) -> None:
        self._sums.own_volume += quantity

    def _enter_reordered(self) -> None:
        self._sums.reordered += 1

    def _enter_assignment(self, at_ns: int, assignment_id: str | None) -> None:
        if assignment_id != self._assignment_id:
            self._cut(max(at_ns, self._cursor_ns))
            self._assignment_id = assignment_id


def _next_second(at_ns: int) -> int:
    return (at_ns // SECOND_NS + 1) * SECOND_NS


def _best(levels: Levels) -> int | None:
    return levels[0][0] if levels else None
