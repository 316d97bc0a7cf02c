"""The simulated feed: markets stepped in the order of their own time."""

from types import TracebackType
from typing import Self

from flashmm_demo._messages import Message
from flashmm_demo._timeline import Timeline
from flashmm_demo.simulation import SimulatedMarket


class SimulatedFeed:
    """Yields what the markets publish; never ends."""

    def __init__(self, markets: tuple[SimulatedMarket, ...], timeline: Timeline) -> None:
        self._markets = markets
        self._timeline = timeline

    async def next(self, until_ns: int) -> Message | None:
        """The next message, or None when none is due before `until_ns`."""
        while True:
            message = self._published()
            if message is not None:
                return message
            market = min(self._markets, key=_next_ns)
            due_ns = self._timeline.due(market.next_ns)
            if due_ns > until_ns:
                await self._timeline.reach(until_ns)
                return None
            await self._timeline.reach(due_ns)
            market.step(self._timeline.stamp(due_ns))

    async def __aenter__(self) -> Self:
        """Ready at once."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Nothing to release."""

    def _published(self) -> Message | None:
        for market in self._markets:
            message = market.take_message()
            if message is not None:
                return message
        return None


def _next_ns(market: SimulatedMarket) -> int:
    return market.next_ns
