"""Keeps services running: each in a task of its own, restarted alone, its state on the health board."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flashmm_orchestration.health import Health, Status

_log = logging.getLogger(__name__)


class Service(Protocol):
    """Something that runs until it is cancelled. It calls `started` once it serves; to return is a failure."""

    @property
    def name(self) -> str: ...

    async def run(self, started: Callable[[], None]) -> None: ...


@dataclass
class CannotStart(Exception):
    """A service cannot run as configured; `why` says what the user can do. Not retried."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before restarts: doubled from `first` to `most`; forgotten after `calm` s of running."""

    first: float = 0.5
    most: float = 30.0
    calm: float = 60.0

    def delay(self, failures: int) -> float:
        """The wait before the restart that follows the n-th failure in a row, n >= 1."""
        return min(self.most, self.first * 2.0 ** min(failures - 1, 30))


class Supervisor:
    """Runs services until cancelled. One that fails is started again; its siblings do not notice.

    A CannotStart ends them all: the configuration has to change.
    """

    def __init__(self, services: Sequence[Service], health: Health, backoff: Backoff | None = None) -> None:
        self._services = services
        self._health = health
        self._backoff = backoff or Backoff()
        for service in services:
            health.add(service.name)

    async def run(self) -> None:
        """Return never; raise CannotStart, or CancelledError. Services end one by one, the last one first."""
        tasks = [asyncio.create_task(self._keep(service), name=service.name) for service in self._services]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended.pop().result()
        finally:
            for task in reversed(tasks):
                await _cancelled(task)

    async def _keep(self, service: Service) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            begin = loop.time()
            error = await self._once(service)
            why = f"{type(error).__name__}: {error}" if error else "it returned"
            failures = 1 if loop.time() - begin > self._backoff.calm else failures + 1
            delay = self._backoff.delay(failures)
            trace = error if failures == 1 else None  # the same one again and again would bury the rest
            _log.error("%s failed, starts again in %.1f s: %s", service.name, delay, why, exc_info=trace)
            self._health.move(service.name, Status.RECOVERABLE_ERROR, why)
            await asyncio.sleep(delay)
            self._health.move(service.name, Status.STARTING)

    async def _once(self, service: Service) -> Exception | None:
        """Run a service to its end, and return what ended it; None where it returned.

        The one place that may catch everything: a service must not take its siblings down.
        """
        try:
            await service.run(lambda: self._health.move(service.name, Status.OK))
        except asyncio.CancelledError:
            self._stop(service.name)
            raise
        except CannotStart as error:
            self._health.move(service.name, Status.PERMANENT_ERROR, str(error))
            raise
        except Exception as error:  # noqa: BLE001 - the supervision boundary
            return error
        return None

    def _stop(self, name: str) -> None:
        self._health.move(name, Status.STOPPING)
        self._health.move(name, Status.STOPPED)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, whatever that is: it has told the health board."""
    task.cancel()
    await asyncio.wait([task])
