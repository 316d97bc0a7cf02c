"""What the orders of one market share."""

from typing import Final

from flashmm_instrumentation._book import DepthRule
from flashmm_instrumentation._core import Core, core_to_nowhere
from flashmm_instrumentation._inputs import ID_LIMIT, Inputs
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._labels import market_labels
from flashmm_instrumentation._mids import Mids
from flashmm_instrumentation._open import Open
from flashmm_instrumentation._sampler import Sampler
from flashmm_instrumentation.semconv.attributes import MisuseReason

_OPEN_LIMIT: Final = 10_000
_REUSED_LENGTH: Final = ID_LIMIT - 20


class MarketScope:
    """The market as its orders see it."""

    __slots__ = ("_open", "_reused", "core", "inputs", "labels", "mids", "sampler", "terms")

    def __init__(self, core: Core, terms: Instrument, stale_after_ns: int, depth: DepthRule | None) -> None:
        self.core: Final = core
        self.terms: Final = terms
        self.labels: Final = market_labels(terms.venue, terms.symbol, terms.quote)
        self.inputs: Final = Inputs(core.boundary, terms)
        self.sampler: Final = Sampler(core, terms, self.labels.market, depth, stale_after_ns)
        self.mids: Final = Mids(stale_after_ns)
        self._open: Final[Open[None]] = Open(_OPEN_LIMIT)
        self._reused = 0

    def begin(self, order_id: str) -> str:
        """The id of an order that begins, until end(): another one where an open order has this one already."""
        if order_id in self._open:
            self._reused += 1
            order_id, given = f"{order_id[:_REUSED_LENGTH]}#{self._reused + 1}", order_id
            self.core.boundary.note(
                MisuseReason.ORDER_ID_IN_USE,
                f"client_order_id {given!r} of {self.terms.symbol} is that of an order that is still open: "
                f"the new one is reported as {order_id!r}; end the other first, or give each an id of its own",
            )
        self._open.begin(order_id, None)
        return order_id

    def end(self, order_id: str) -> None:
        """The order is over: its id is free."""
        self._open.end(order_id)

    def to_nowhere(self) -> "MarketScope":
        """The same market, whose telemetry goes nowhere."""
        return MarketScope(core_to_nowhere(self.core.clock), self.terms, 0, None)
