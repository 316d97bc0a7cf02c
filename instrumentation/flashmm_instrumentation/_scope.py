"""What the orders of one market share."""

from typing import Final

from flashmm_instrumentation._book import DepthRule
from flashmm_instrumentation._core import Core, core_to_nowhere
from flashmm_instrumentation._inputs import Inputs
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._labels import market_labels
from flashmm_instrumentation._numbers import text
from flashmm_instrumentation._sampler import Sampler


class MarketScope:
    """The market as its orders see it. mid2: twice the last book's mid in 10⁻¹⁸, None where it had none."""

    __slots__ = ("core", "inputs", "labels", "mid2", "sampler", "terms")

    def __init__(self, core: Core, terms: Instrument, stale_after_ns: int, depth: DepthRule | None) -> None:
        self.core: Final = core
        self.terms: Final = terms
        self.labels: Final = market_labels(terms.venue, terms.symbol, terms.quote)
        self.inputs: Final = Inputs(core.boundary, terms)
        self.sampler: Final = Sampler(core, terms, self.labels.market, depth, stale_after_ns)
        self.mid2: int | None = None

    @property
    def mid(self) -> str | None:
        """The last book's mid on the wire."""
        return None if self.mid2 is None else text(self.mid2 * 5, 19)

    def to_nowhere(self) -> "MarketScope":
        """The same market, whose telemetry goes nowhere."""
        return MarketScope(core_to_nowhere(self.core.clock), self.terms, 0, None)
