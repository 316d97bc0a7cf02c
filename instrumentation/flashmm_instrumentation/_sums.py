"""What one sample adds up: the rates that hold between two changes, times how long they held."""

from dataclasses import dataclass

from flashmm_instrumentation._book import Condition


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


@dataclass(slots=True)
class Rates:
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
