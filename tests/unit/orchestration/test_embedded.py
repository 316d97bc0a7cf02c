"""What the process is built of, and that its health board tells of the ledger."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import events, transfer
from tests.unit.backends.ledger.conftest import START_NS, BrokenClock
from tests.waiting import until

from flashmm_backends.ports import Unavailable
from flashmm_orchestration.embedded import opened
from flashmm_orchestration.health import Component, Health, Status
from flashmm_orchestration.settings import load


async def test_a_ledger_that_can_store_nothing_more_has_failed_for_good(tmp_path: Path) -> None:
    """It is a component like the others, and says why."""
    clock, health = BrokenClock(), Health(lambda: START_NS)
    async with opened(load(data_dir=tmp_path), health, CollectorRegistry(), clock) as ledger:
        assert health.components == (Component("ledger", Status.OK, START_NS),)
        clock.broken = True
        with pytest.raises(Unavailable):
            await ledger.append(events(transfer(1, START_NS)))
        await until(lambda: not health.ready)
        clock.broken = False
        why = "its commit thread ended: MemoryError: no room"
        assert health.components == (Component("ledger", Status.PERMANENT_ERROR, START_NS, why),)
