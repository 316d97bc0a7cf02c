"""Where an order may be while an answer about it is awaited."""

from typing import Final

from flashmm_instrumentation._book import EMPTY, Levels
from flashmm_instrumentation._scope import MarketScope
from flashmm_instrumentation.semconv.attributes import Side


class Whereabouts:
    """Tells the market's integrator, in the order of time whatever times the author gives."""

    __slots__ = ("_last_ns", "_levels", "_order_id", "_scope", "_side")

    def __init__(self, scope: MarketScope, side: Side, order_id: str) -> None:
        self._scope: Final = scope
        self._side: Final = side
        self._order_id: Final = order_id
        self._levels: Levels = EMPTY
        self._last_ns = 0

    def doubt(self, levels: Levels, at_ns: int, *, rested: bool = True) -> None:
        """The order may be at these levels too, from after at_ns on: a book of that very instant came before.

        rested: the exchange had it before, so that the bot's quotes hold it.
        """
        self._tell(tuple(dict.fromkeys(self._levels + levels)), at_ns + 1, rested=rested)

    def known(self, at_ns: int) -> None:
        """An answer came at at_ns: the order is where the bot says that it quotes, or gone."""
        self._tell(EMPTY, at_ns)

    def _tell(self, levels: Levels, at_ns: int, *, rested: bool = False) -> None:
        if levels == self._levels:
            return
        self._levels, self._last_ns = levels, max(at_ns, self._last_ns)
        self._scope.sampler.doubt(self._last_ns, self._order_id, self._side, levels, rested=rested)
