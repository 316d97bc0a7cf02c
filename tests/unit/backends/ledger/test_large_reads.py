"""Reads of many events in DuckDB's small memory: in pieces, one at a time, beside others."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import event, events, transfer
from tests.unit.backends.ledger.conftest import START_NS, Opener

from flashmm_backends.batch import Batch
from flashmm_backends.ledger import Ledger, LedgerSettings, Request
from flashmm_backends.ledger._arrow import read_events_stream
from flashmm_backends.ledger._slices import slices
from flashmm_backends.ledger._tables import EVENT_TABLES
from flashmm_backends.ports import Page, Window

EVER = Window(0, 2**62)
KIND = "flashmm.fill"
SEALED = LedgerSettings(maintenance_interval_s=3_600.0, row_seal_rows=30_000)
N = 80_000


def _fill(seq: int) -> Batch:
    texts = {
        name: f"{name} of number {seq * 7_919 % 100_003}" for name in ("order_id", "fill_id", "trade_id", "symbol")
    }
    return events(*[event(KIND, n, START_NS + n * 10**6, texts) for n in range(seq, seq + 5_000)])


@pytest.fixture
async def filled(open_ledger: Opener) -> AsyncIterator[tuple[Ledger, CollectorRegistry]]:
    """Files and tables with more fills than DuckDB's memory sorts at a time, and the ledger's metrics."""
    registry = CollectorRegistry()
    async with open_ledger(SEALED, registry) as ledger:
        for seq in range(1, N, 5_000):
            await ledger.append(_fill(seq))
        await ledger.maintain()
        yield ledger, registry


async def test_full_readers_leave_memory_to_others(filled: tuple[Ledger, CollectorRegistry]) -> None:
    """Four streams of all, four long pages, small reads and the applier: each gets what it asks for."""
    ledger, registry = filled

    async def whole() -> bool:
        data = b"".join([piece async for piece in ledger.events_stream(Request(KIND, EVER))])
        table = read_events_stream(data)
        return table.columns["seq"].tolist() == list(range(1, N + 1))

    async def page() -> bool:
        after = (await ledger.events(KIND, EVER, None, Page(20_000))).columns["seq"].tolist()
        return after == list(range(1, 20_001))

    async def small(n: int) -> bool:
        await ledger.append(events(transfer(n, START_NS + n)))
        found = await ledger.events(KIND, Window(START_NS + n * 10**9, START_NS + n * 10**9 + 10**8), None, Page(50))
        return len(found) == 50

    large = [*(whole() for _ in range(4)), *(page() for _ in range(4))]
    assert all(await asyncio.gather(*large, *(small(n) for n in range(1, 40))))
    for work in ("apply", "job"):
        assert not registry.get_sample_value("flashmm_ledger_failures_total", {"work": work})


TIMES = st.lists(
    st.one_of(st.integers(0, 50), st.integers(1_000_000, 1_000_003), st.integers(0, 2**40)), max_size=60
).map(sorted)


@settings(max_examples=20)
@given(times=TIMES, rows_max=st.integers(1, 20), start=st.integers(0, 60), length=st.integers(1, 2**41))
async def test_slices_follow_each_other_and_hold_all(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], rows_max: int, start: int, length: int
) -> None:
    """In order, disjoint, no matching event outside, and none with too many of more than one time."""
    window = Window(start, start + length)
    folder = tmp_path_factory.mktemp("ledger")
    async with Ledger.open(folder, SEALED, lambda: START_NS, CollectorRegistry()) as ledger:
        batch = [transfer(n, time, currency="A" if n % 3 else "B") for n, time in enumerate(times, 1)]
        await ledger.append(events(*batch))
        table = EVENT_TABLES["flashmm.transfer"]
        found = await ledger._parts.reading.read(
            lambda view: list(slices(view, table, window, {"currency": "A"}, rows_max))
        )
    wanted = [time for n, time in enumerate(times, 1) if n % 3 and start <= time < window.end_ns]
    held = [[time for time in wanted if part.start_ns <= time < part.end_ns] for part in found]
    assert list(itertools.chain(*held)) == wanted
    assert all(a.end_ns <= b.start_ns for a, b in itertools.pairwise(found))
    assert all(each and (len(each) <= rows_max or len(set(each)) == 1) for each in held)
