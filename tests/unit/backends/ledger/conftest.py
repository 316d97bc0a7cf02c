"""Ledgers in temporary directories, and a clock that tests set."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from flashmm_backends.ledger import Ledger, LedgerSettings

START_NS = 1_790_000_000_000_000_000
"""An hour and a bit before midnight, some day in 2026."""


@dataclass
class Clock:
    """Stands still until it is told."""

    now_ns: int = START_NS

    def __call__(self) -> int:
        return self.now_ns

    def forward(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


@dataclass
class BrokenClock(Clock):
    """Fails whoever asks it the time, while it is broken: what no thread of the ledger foresees."""

    broken: bool = False

    def __call__(self) -> int:
        if self.broken:
            raise MemoryError("no room")
        return super().__call__()


QUIET = LedgerSettings(maintenance_interval_s=3_600.0)
"""Maintenance runs when a test asks for it."""

Opener = Callable[..., AbstractAsyncContextManager[Ledger]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_ledger(tmp_path: Path, clock: Clock) -> Opener:
    """Opens the ledger of this test, again and again."""

    def opened(settings: LedgerSettings = QUIET, registry: CollectorRegistry | None = None):
        return Ledger.open(tmp_path / "ledger", settings, clock, registry or CollectorRegistry())

    return opened


@pytest.fixture
async def ledger(open_ledger: Opener) -> AsyncIterator[Ledger]:
    async with open_ledger() as opened:
        yield opened
