"""What the orders of one market share."""

import threading
from typing import Final

from flashmm_instrumentation._core import Core, core_to_nowhere
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._integrator import SpreadIntegrator
from flashmm_instrumentation._labels import MarketLabels
from flashmm_instrumentation._numbers import text


class MarketScope:
    """The market as its orders see it.

    mid2: twice the last book's mid in 10⁻¹⁸, None where it had none. lock: held around the integrator.
    """

    __slots__ = ("core", "integrator", "labels", "lock", "mid2", "terms")

    def __init__(self, core: Core, terms: Instrument, labels: MarketLabels, integrator: SpreadIntegrator) -> None:
        self.core: Final = core
        self.terms: Final = terms
        self.labels: Final = labels
        self.integrator = integrator
        self.lock = threading.Lock()
        self.mid2: int | None = None

    @property
    def mid(self) -> str | None:
        """The last book's mid on the wire."""
        return None if self.mid2 is None else text(self.mid2 * 5, 19)

    def to_nowhere(self) -> "MarketScope":
        """The same market, whose telemetry goes nowhere."""
        unused = SpreadIntegrator(self.terms.tick.step, 0, 0)
        return MarketScope(core_to_nowhere(self.core.clock), self.terms, self.labels, unused)
