"""How many expensive reads run at a time, how many wait, and how long."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Counter, Gauge

from flashmm_backends.ports import Unavailable
from flashmm_orchestration.api.telemetry import HttpTelemetry


@dataclass
class Busy(Exception):
    """Too many reads run and wait already: the same request may be answered in a moment."""

    gate: str

    def __str__(self) -> str:
        return f"too many reads of {self.gate} are being answered: ask again in a moment"


@dataclass(frozen=True, slots=True)
class GateLimits:
    """running: reads at a time. waiting: reads that may queue. wait_s: how long each may, in seconds."""

    running: int
    waiting: int
    wait_s: float


class Gate:
    """Lets so many in at a time, in the order of arrival; the others wait a little or are sent away.

    name: what is read behind it; a label.
    """

    def __init__(self, name: str, limits: GateLimits, telemetry: HttpTelemetry) -> None:
        self._name = name
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.running)
        self._waiting = 0
        self._running: Gauge = telemetry.reads_running.labels(name)
        self._refused: Counter = telemetry.reads_refused.labels(name)
        self._failed: Counter = telemetry.reads_failed.labels(name)

    @asynccontextmanager
    async def passed(self) -> AsyncGenerator[None]:
        """Hold a place; count what fails meanwhile. Raises Busy when the queue is full or does not move."""
        await self._enter()
        with self._running.track_inprogress():
            try:
                yield
            except Unavailable:
                self.failed()
                raise
            finally:
                self._slots.release()

    def failed(self) -> None:
        """Count a read that the store could not answer."""
        self._failed.inc()

    async def _enter(self) -> None:
        if self._slots.locked() and self._waiting >= self._limits.waiting:
            self._refuse()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await self._slots.acquire()
        except TimeoutError:
            self._refuse()
        finally:
            self._waiting -= 1

    def _refuse(self) -> None:
        self._refused.inc()
        raise Busy(self._name)
