"""When the interpreter looks for cycles among all its objects, which stops every thread: once nothing large comes in.

By itself it does so amid a large request, several times, because that makes a million objects; they go without it.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator
from typing import Final

_EVERY_S: Final = 1.0
_NEVER: Final = 2**30
_PENDING: Final = 10
"""Passes over young objects after which the interpreter itself would look at all."""
_CALM: Final = 5
"""So many of them since the last look, and nothing large comes in: each stands for 7,000 new objects."""
_WAITS: Final = 60
"""Looks after which there is a full pass in any case."""


class Calm:
    """Decides when a full pass is due."""

    def __init__(self) -> None:
        self._before = 0
        self._waited = 0

    def is_due(self, pending: int) -> bool:
        """pending: passes over young objects since the last full one. To be asked once a second."""
        new, self._before = pending - self._before, pending
        self._waited = self._waited + 1 if pending > _PENDING else 0
        if not self._waited or (new > _CALM and self._waited < _WAITS):
            return False
        self._before = self._waited = 0
        return True


@contextlib.asynccontextmanager
async def full_passes_when_calm() -> AsyncGenerator[None]:
    """While it lasts, full passes are ours; afterwards they are the interpreter's again."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*thresholds[:2], _NEVER)
    watching = asyncio.create_task(_watch(Calm()), name="full garbage collections")
    try:
        yield
    finally:
        watching.cancel()
        gc.set_threshold(*thresholds)


async def _watch(calm: Calm) -> None:
    while True:
        await asyncio.sleep(_EVERY_S)
        if calm.is_due(gc.get_count()[2]):
            gc.collect()
