"""The supervisor."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from flashmm_orchestration.health import Health, Status
from flashmm_orchestration.supervisor import Backoff, CannotStart, Supervisor

QUICK = Backoff(first=0.001, most=0.002, calm=60)


@dataclass
class Steady:
    """Serves until cancelled."""

    name: str = "steady"
    starts: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, started: Callable[[], None]) -> None:
        self.starts += 1
        started()
        self.up.set()
        await asyncio.Event().wait()


@dataclass
class Flaky:
    """Fails a number of times, in its own way, before it serves."""

    failures: int
    error: Exception | None
    name: str = "flaky"
    up: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, started: Callable[[], None]) -> None:
        if self.failures:
            self.failures -= 1
            if self.error:
                raise self.error
            return
        started()
        self.up.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [RuntimeError("lost"), None])
async def test_a_service_that_fails_or_returns_starts_again_and_its_sibling_does_not_notice(
    error: Exception | None,
) -> None:
    """To return is a failure too; only the one that failed is restarted."""
    health, steady, flaky = Health(lambda: 0), Steady(), Flaky(3, error)
    running = asyncio.create_task(Supervisor([steady, flaky], health, QUICK).run())
    await asyncio.wait_for(flaky.up.wait(), 60)
    assert steady.starts == 1
    assert {item.name: item.restarts for item in health.components} == {"steady": 0, "flaky": 3}
    assert health.ready
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert {item.status for item in health.components} == {Status.STOPPED}


async def test_the_log_holds_where_a_service_failed(caplog: pytest.LogCaptureFixture) -> None:
    """The traceback with the first failure in a row, each failure in a line."""
    flaky = Flaky(3, RuntimeError("lost"))
    running = asyncio.create_task(Supervisor([flaky], Health(lambda: 0), QUICK).run())
    await asyncio.wait_for(flaky.up.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert all("flaky failed" in record.message and "lost" in record.message for record in caplog.records)
    first, *later = [record.exc_text or "" for record in caplog.records]
    assert "raise self.error" in first
    assert later == ["", ""]


async def test_a_service_that_cannot_start_ends_the_run_with_its_own_words() -> None:
    """A configuration that cannot work is not retried."""
    error = CannotStart("http", "port 1 is taken")
    health = Health(lambda: 0)
    with pytest.raises(CannotStart, match="http: port 1 is taken"):
        await Supervisor([Steady(), Flaky(1, error)], health, QUICK).run()
    assert health.components[1].status is Status.PERMANENT_ERROR


def test_the_wait_doubles_up_to_its_bound() -> None:
    """0.5, 1, 2 … 30 seconds, however many failures there were."""
    backoff = Backoff()
    assert [backoff.delay(n) for n in (1, 2, 3, 7, 10**6)] == [0.5, 1.0, 2.0, 30.0, 30.0]


async def test_services_end_one_by_one_the_last_one_first() -> None:
    """What depends on another ends before it."""
    ended: list[str] = []

    class Telling(Steady):
        async def run(self, started: Callable[[], None]) -> None:
            try:
                await super().run(started)
            finally:
                ended.append(self.name)

    first, second = Telling("receiver"), Telling("demo")
    running = asyncio.create_task(Supervisor([first, second], Health(lambda: 0), QUICK).run())
    await asyncio.gather(first.up.wait(), second.up.wait())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == ["demo", "receiver"]
