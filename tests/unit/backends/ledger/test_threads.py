"""A thread of the ledger that meets what nobody foresaw: no waiter hangs, and it is counted and told."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import events, labels, points, transfer
from tests.unit.backends.ledger.conftest import QUIET, START_NS, BrokenClock, Clock
from tests.waiting import until

from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import Catalog
from flashmm_backends.ledger._database import Database
from flashmm_backends.ledger._telemetry import LedgerMetrics
from flashmm_backends.ports import Unavailable, Window

EVER = Window(0, 2**62)
HUGE = 2**64
"""A number that no journal record can hold."""


def opened(folder: Path, clock: Clock, registry: CollectorRegistry, failed: Callable[[str], None], settings=QUIET):
    return Ledger.open(folder / "ledger", settings, clock, registry, failed=failed)


async def test_a_commit_that_breaks_once_durable_ends_all_writing(tmp_path: Path) -> None:
    """Who waits and who comes later may come again, it is told and counted once, and a restart has the record."""
    clock, registry, told = BrokenClock(), CollectorRegistry(), list[str]()
    async with opened(tmp_path, clock, registry, told.append) as ledger, asyncio.timeout(30):
        await ledger.append(events(transfer(1, START_NS)))
        clock.broken = True
        both = [ledger.append(events(transfer(seq, START_NS))) for seq in (2, 3)]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        clock.broken = False
        assert [type(each) for each in outcomes] == [Unavailable, Unavailable]
        with pytest.raises(Unavailable, match="no room"):
            await ledger.append(events(transfer(4, START_NS)))
        assert len(await ledger.events("flashmm.transfer", EVER)) >= 1
        assert told == ["its commit thread ended: MemoryError: no room"]
        assert registry.get_sample_value("flashmm_ledger_failures_total", {"work": "commit"}) == 1
    async with opened(tmp_path, clock, CollectorRegistry(), told.append) as ledger:
        await ledger.append(events(transfer(4, START_NS)))
        assert 2 in (await ledger.events("flashmm.transfer", EVER)).columns["seq"]
    assert len(told) == 1


async def test_sealing_does_not_wait_for_a_commit_thread_that_has_ended(tmp_path: Path) -> None:
    """It is refused, so that the ledger can be closed."""
    clock = BrokenClock()
    async with opened(tmp_path, clock, CollectorRegistry(), str) as ledger, asyncio.timeout(30):
        await ledger.append(points((labels("up"), START_NS // 10**6, 1.0)))
        clock.broken = True
        with pytest.raises(Unavailable):
            await ledger.append(events(transfer(1, START_NS)))
        clock.broken = False
        with pytest.raises(Unavailable, match="no room"):
            await ledger.seal()


async def test_a_commit_that_cannot_be_written_down_harms_no_later_one(tmp_path: Path) -> None:
    """Nothing of it was durable, so it may come again, and nothing of it is known."""
    clock, told = Clock(), list[str]()
    async with opened(tmp_path, clock, CollectorRegistry(), told.append) as ledger, asyncio.timeout(30):
        with pytest.raises(Unavailable):
            await ledger.append(events(transfer(1, START_NS), transfer(HUGE, START_NS)))
        await ledger.append(events(transfer(1, START_NS)))
        assert len(await ledger.events("flashmm.transfer", EVER)) == 1
    assert not told


async def test_maintenance_survives_any_failure(tmp_path: Path) -> None:
    """What fails is counted, and done once it works again."""
    clock, registry, told = BrokenClock(), CollectorRegistry(), list[str]()
    settings = LedgerSettings(maintenance_interval_s=0.005)
    async with opened(tmp_path, clock, registry, told.append, settings) as ledger:
        await ledger.append(points((labels("up"), START_NS // 10**6, 1.0)))
        clock.broken = True
        await until(lambda: registry.get_sample_value("flashmm_ledger_failures_total", {"work": "seal"}) or False)
        clock.broken = False
        clock.forward(2 * settings.seal_age_s)
        await until(lambda: registry.get_sample_value("flashmm_ledger_sealed_files", {"kind": "points"}) or False)
    assert not told


def test_rows_that_meet_a_surprise_wait_and_are_applied_later(tmp_path: Path) -> None:
    """It does not end the thread: who needs them in their table is told, and it is tried again."""
    clock, registry = BrokenClock(), CollectorRegistry()
    database, catalog = Database(tmp_path, QUIET), Catalog(tmp_path)
    catalog.load(database.connection, clock())
    applier = Applier(QUIET, database, catalog, LedgerMetrics(registry), clock)
    applier.start()
    clock.broken = True
    applier.add(1, {"event_transfer": [[1, "r", 1, "b", "a", "", "", "v", "t", "1.5", "c", None]]})
    with pytest.raises(Unavailable, match="no room"):
        applier.flush()
    clock.broken = False
    applier.flush()
    assert applier.pending_rows == 0
    assert registry.get_sample_value("flashmm_ledger_failures_total", {"work": "apply"}) == 1
    applier.stop()
    database.close()
