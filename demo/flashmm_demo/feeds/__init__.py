"""Feeds: typed market messages from a simulation, a recording or the live public stream."""

from types import TracebackType
from typing import Protocol, Self

from flashmm_demo._messages import Message
from flashmm_demo.feeds._binance import BackOff, BinanceFeed
from flashmm_demo.feeds._recording import FeedEnded, Line, NoRecording, RecordedFeed, Recorder, read_lines
from flashmm_demo.feeds._simulated import SimulatedFeed


class Feed(Protocol):
    """A source of market messages in the order of their arrival; open it with `async with`."""

    async def next(self, until_ns: int) -> Message | None:
        """The next message, or None once `until_ns` has come without one. Raises FeedEnded."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None: ...


__all__ = [
    "BackOff",
    "BinanceFeed",
    "Feed",
    "FeedEnded",
    "Line",
    "NoRecording",
    "RecordedFeed",
    "Recorder",
    "SimulatedFeed",
    "read_lines",
]
