"""Rows that are acknowledged and in no table yet are read with all others: at once, and once."""

import asyncio
import gc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.ledger.batches import event, events, span, spans, transfer
from tests.unit.backends.ledger.conftest import START_NS, Opener

from flashmm_backends.batch import Batch, LogRecord
from flashmm_backends.ledger import LedgerSettings, Request
from flashmm_backends.ledger._events import read_events
from flashmm_backends.ledger._ledger import Ledger
from flashmm_backends.ledger._waiting import WaitingRows, rows_after, rows_by_table
from flashmm_backends.ports import Completeness, LogLine, Window

EVER = Window(0, 2**62)
KIND = "flashmm.transfer"
LAZY = LedgerSettings(maintenance_interval_s=3_600.0, apply_interval_s=3_600.0)
"""Nothing goes into tables by itself."""
EAGER = LedgerSettings(maintenance_interval_s=3_600.0, apply_interval_s=0.001, commit_interval_s=0.001)
"""Everything does, all the time."""


def tables_of(ledger: Ledger) -> object:
    """What is in tables."""
    return ledger._parts.reading.catalog.snapshot.tables


async def test_an_event_is_read_before_it_is_in_a_table(open_ledger: Opener) -> None:
    """With its exact values, by window and by value, counted in its completeness."""
    async with open_ledger(LAZY) as ledger:
        await ledger.append(events(transfer(1, START_NS, amount=Decimal("1.10")), transfer(2, START_NS + 5)))
        await ledger.append(events(transfer(4, START_NS + 9)))
        table = await ledger.events(KIND, Window(START_NS, START_NS + 9), {"amount": "1.1"})
        assert table.columns["amount"].tolist() == [Decimal("1.10")]
        assert table.completeness == Completeness(2, 3)
        assert tables_of(ledger) == {}


async def test_orders_traces_and_logs_are_read_before_they_are_in_tables(open_ledger: Opener) -> None:
    """Like events: no read waits for a table."""
    attributes = {"flashmm__order__id": "o1", "flashmm__symbol": "S", "flashmm__side": "buy"}
    log = LogRecord(START_NS, START_NS, 9, "INFO", "hello", 7, "scope", "", {}, b"", b"")
    async with open_ledger(LAZY) as ledger:
        await ledger.append(spans(span(1, 1, "order", START_NS, **attributes)))
        await ledger.append(Batch(0, logs=[log]))
        await ledger.append(events(event("flashmm.order", 1, START_NS, {"order_id": "o1"})))
        order = await ledger.order("o1")
        assert (len(order.placement), len(order.events)) == (1, 1)
        assert len(await ledger.trace((1).to_bytes(16, "big"))) == 1
        assert [each.order_id for each in await ledger.orders(EVER)] == ["o1"]
        assert await ledger.logs(EVER) == [LogLine(log, "")]
        assert tables_of(ledger) == {}


async def test_a_view_stays_as_it_was_while_rows_go_into_tables(open_ledger: Opener) -> None:
    """What waited when the view was taken is found once, whether a table has it by now or not; later rows are not."""
    async with open_ledger(LAZY) as ledger:
        parts = ledger._parts
        await ledger.append(events(transfer(1, START_NS)))
        await ledger.maintain()
        await ledger.append(events(transfer(2, START_NS)))
        with parts.reading._view(parts.reading.database.reader()) as view:
            await ledger.append(events(transfer(3, START_NS)))
            await ledger.maintain()
            seen = read_events(view, parts.streams, KIND, EVER, None)
        assert seen.columns["seq"].tolist() == [1, 2]
        assert (await ledger.events(KIND, EVER)).columns["seq"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("settings", [LAZY, EAGER], ids=["waiting", "moving"])
async def test_a_read_sees_every_event_acknowledged_before_it_once(open_ledger: Opener, settings) -> None:
    """While others write, and while rows go from the journal into tables and from there into files."""
    async with open_ledger(settings) as ledger:
        acknowledged = 0

        async def write() -> None:
            nonlocal acknowledged
            for seq in range(1, 301):
                await ledger.append(events(transfer(seq, START_NS)))
                acknowledged = seq

        writing = asyncio.create_task(write())
        while not writing.done():
            known = acknowledged
            seen = (await ledger.events(KIND, EVER)).columns["seq"].tolist()
            assert seen == list(range(1, len(seen) + 1))
            assert len(seen) >= known
        await writing
        assert len(await ledger.events(KIND, EVER)) == 300


async def test_rows_on_their_way_into_files_are_read_once(open_ledger: Opener) -> None:
    """Sealing under readers neither hides nor doubles a row."""
    settings = LedgerSettings(maintenance_interval_s=3_600.0, apply_interval_s=0.001, row_seal_rows=2)
    async with open_ledger(settings) as ledger:
        seq = 0
        for _ in range(15):
            await ledger.append(events(*(transfer(seq + i, START_NS) for i in range(1, 4))))
            seq += 3
            sealing = asyncio.create_task(ledger.maintain())
            while not sealing.done():
                assert (await ledger.events(KIND, EVER)).columns["seq"].tolist() == list(range(1, seq + 1))
            await sealing


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.integers(0, 3))), st.integers(0, 8), st.integers(0, 8))
def test_waiting_rows_are_a_list_that_loses_its_head(
    records: list[dict[str, int]], dropped: int, applied: int
) -> None:
    """Whatever was dropped and whatever a snapshot holds, the rows of later records are there in order."""
    waiting = WaitingRows()
    for number, record in enumerate(records):
        waiting.add(number, {table: [[number, i] for i in range(n)] for table, n in record.items()})
    waiting.drop(dropped)
    left = [(number, record) for number, record in enumerate(records) if number > dropped]
    assert len(waiting) == sum(n for _, record in left for n in record.values())
    for table in "ab":
        found = rows_after(waiting.entries, applied, table)
        assert found == [[n, i] for n, record in left if n > applied for i in range(record.get(table, 0))]
        whole = [[n, i] for n, record in left for i in range(record.get(table, 0))]
        assert rows_by_table(waiting.entries).get(table, []) == whole


async def test_a_stream_cancelled_again_and_again_ends_when_its_thread_has(open_ledger: Opener) -> None:
    """As a server does whose client has gone: no cursor is closed under its thread, no error is left lying about."""
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with open_ledger(LAZY) as ledger:
        for first in range(1, 8_000, 1_000):
            await ledger.append(events(*(transfer(seq, START_NS + seq) for seq in range(first, first + 1_000))))
        for turns in range(12):
            reading = asyncio.create_task(anext(ledger.events_stream(Request(KIND, EVER))))
            for _ in range(turns * 20):
                await asyncio.sleep(0)
            while not reading.done():
                reading.cancel()
                await asyncio.sleep(0)
            del reading
        gc.collect()
        assert len(await ledger.events(KIND, EVER)) == 8_000
    assert problems == []
