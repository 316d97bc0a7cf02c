"""When a feed's messages are due and how they are stamped.

Two clocks to choose from. Shifted, a message is stamped with the moment it is delivered, so that what the bot says
is of now. Unshifted, it keeps the feed's own time, and two runs are equal.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], int]
"""UTC nanoseconds."""

SECOND_NS: Final = 1_000_000_000
_EARLY_NS: Final = 500_000
"""The event loop sleeps whole milliseconds; nearer than this counts as due."""
_YIELD_EVERY: Final = 64
"""Messages delivered in a row before the event loop's other tasks get their turn."""


class Timeline:
    """Maps a feed's own time to stamps and waits until a stamp is due.

    speed: times real time; None never waits.
    """

    def __init__(self, speed: float | None, *, shift: bool, clock: Clock = time.time_ns) -> None:
        self._speed = speed
        self._shift = shift
        self._clock = clock
        self._origin_ns: int | None = None
        self._start_ns = 0
        self._last_ns = 0
        self._unyielded = 0

    def due(self, feed_ns: int) -> int:
        """The stamp at which a message of that feed time is due; the first one is due at once."""
        if self._origin_ns is None:
            self._origin_ns = feed_ns
            self._start_ns = self._clock()
            self._last_ns = self._start_ns if self._shift else feed_ns
        if not self._shift:
            return feed_ns
        return self._wall(feed_ns)

    def stamp(self, due_ns: int) -> int:
        """The stamp of a message that is delivered now; never goes back."""
        self._last_ns = max(self._last_ns, self._clock() if self._shift else due_ns)
        return self._last_ns

    async def reach(self, due_ns: int) -> None:
        """Wait until a stamp is due; lets other tasks run now and then when it is already."""
        wait_ns = self._wait_ns(due_ns)
        if wait_ns > _EARLY_NS:
            self._unyielded = 0
            await asyncio.sleep(wait_ns / SECOND_NS)
            return
        self._unyielded += 1
        if self._unyielded >= _YIELD_EVERY:
            self._unyielded = 0
            await asyncio.sleep(0)

    def _wait_ns(self, due_ns: int) -> int:
        if self._speed is None:
            return due_ns - self._clock() if self._shift else 0
        wall_ns = due_ns if self._shift else self._wall(due_ns)
        return wall_ns - self._clock()

    def _wall(self, feed_ns: int) -> int:
        if self._speed is None or self._origin_ns is None:
            return self._clock()
        return self._start_ns + int((feed_ns - self._origin_ns) / self._speed)
