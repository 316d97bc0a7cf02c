"""Runs that ended without closing their streams are told with the completeness of the window in which they ended."""

import itertools
import shutil
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.ledger.batches import RUN, event, events, transfer
from tests.unit.backends.ledger.conftest import START_NS, Clock, Opener

from flashmm_backends.batch import Event, EventValue
from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.ledger._runs import SILENCE_NS, TAIL_NS, Mark, Runs
from flashmm_backends.ports import Completeness, Window

KIND = "flashmm.transfer"
EVER = Window(0, 2**62)
NEXT = "01999999-0000-7000-8000-000000000002"
DAILY = LedgerSettings(maintenance_interval_s=3_600.0, row_seal_age_s=1.0)


def mark(seq: int, time_ns: int, run: str = RUN, **fields: EventValue) -> Event:
    """A stream mark."""
    return event("flashmm.stream", seq, time_ns, {"mark": "mark", **fields}, run=run)


def closing(seq: int, time_ns: int, run: str = RUN) -> Event:
    """The last mark of a run."""
    return mark(seq, time_ns, run, mark="close", kind="flashmm.stream", high_water=seq)


def opening(time_ns: int, previous: str | None, run: str = NEXT) -> Event:
    """The first."""
    return mark(1, time_ns, run, mark="open", previous_run=previous)


async def unclosed(ledger: Ledger, window: Window = EVER) -> int:
    """As the tables tell it, and as completeness alone does."""
    told = await ledger.completeness(KIND, window)
    assert (await ledger.events(KIND, window)).completeness == told
    return told.unclosed_runs


async def test_a_run_that_another_follows_has_ended(ledger: Ledger) -> None:
    """Without its last mark it counts; with it, however late, it doesn't."""
    await ledger.append(events(opening(START_NS, None, RUN), transfer(1, START_NS)))
    assert await unclosed(ledger) == 0
    await ledger.append(events(opening(START_NS + 5, RUN)))
    assert await ledger.completeness(KIND, EVER) == Completeness(1, 1, 1)
    await ledger.append(events(closing(2, START_NS + 4)))
    assert await unclosed(ledger) == 0


async def test_a_run_that_is_silent_has_ended(ledger: Ledger, clock: Clock) -> None:
    """After a minute without a mark, until it is heard again."""
    await ledger.append(events(mark(1, START_NS)))
    clock.now_ns = START_NS + SILENCE_NS
    assert await unclosed(ledger) == 0
    clock.forward(1)
    assert await unclosed(ledger) == 1
    await ledger.append(events(mark(2, clock.now_ns)))
    assert await unclosed(ledger) == 0


async def test_it_counts_where_it_ended(ledger: Ledger) -> None:
    """In every window that what it emitted last may lie in, also where memory answers."""
    await ledger.append(events(opening(START_NS + 1, None, RUN), opening(START_NS + 2 * TAIL_NS, RUN)))
    assert await unclosed(ledger, Window(START_NS, START_NS + 1)) == 0
    assert await unclosed(ledger, Window(START_NS, START_NS + 2)) == 1
    tail_ns = START_NS + 1 + TAIL_NS
    assert await unclosed(ledger, Window(tail_ns, tail_ns + 5)) == 1
    assert await unclosed(ledger, Window(tail_ns + 1, tail_ns + 5)) == 0


async def test_a_run_of_which_nothing_arrived_is_not_counted(ledger: Ledger) -> None:
    """It may have spoken to another ledger."""
    await ledger.append(events(opening(START_NS, RUN)))
    assert await unclosed(ledger) == 0


@pytest.mark.parametrize("settings", [LedgerSettings(maintenance_interval_s=3_600.0), DAILY], ids=["rows", "files"])
async def test_it_is_known_after_a_restart(open_ledger: Opener, clock: Clock, settings: LedgerSettings) -> None:
    """From the tables, and where their rows are in files by now."""
    async with open_ledger(settings) as ledger:
        await ledger.append(
            events(opening(START_NS, None, RUN), opening(START_NS + 1, RUN), closing(2, START_NS, "x"))
        )
        await ledger.maintain()
        clock.forward(5)
        await ledger.maintain()
    async with open_ledger(settings) as ledger:
        assert await unclosed(ledger) == 1


async def test_it_is_known_after_a_crash(open_ledger: Opener, tmp_path: Path) -> None:
    """From the journal."""
    lazy = LedgerSettings(maintenance_interval_s=3_600.0, apply_interval_s=3_600.0)
    async with open_ledger(lazy) as ledger:
        await ledger.append(events(opening(START_NS, None, RUN), opening(START_NS + 1, RUN)))
        shutil.copytree(tmp_path / "ledger", tmp_path / "copy")
    shutil.rmtree(tmp_path / "ledger")
    (tmp_path / "copy").rename(tmp_path / "ledger")
    async with open_ledger() as ledger:
        assert await unclosed(ledger) == 1


async def test_a_ledger_from_before_learns_it(open_ledger: Opener, tmp_path: Path) -> None:
    """A directory of the first schema is brought up to date when it is opened."""
    async with open_ledger() as ledger:
        await ledger.append(events(transfer(1, START_NS), opening(START_NS, None, RUN), opening(START_NS + 1, RUN)))
    with duckdb.connect(tmp_path / "ledger" / "ledger.duckdb") as connection:
        connection.execute(
            "DROP TABLE stream_runs; DROP TABLE stream_heard; DELETE FROM schema_version WHERE version > 1"
        )
    async with open_ledger() as ledger:
        assert await ledger.completeness(KIND, EVER) == Completeness(1, 1, 1)


_MARKS = st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.booleans(), st.none() | st.sampled_from("abc"))


@given(st.lists(_MARKS, max_size=5), st.integers(0, 60))
def test_the_order_of_arrival_does_not_matter(marks: list[tuple[str, int, bool, str | None]], start: int) -> None:
    """Any order, with marks delivered twice, tells the same."""
    window = Window(start, start + 5)
    told = set[int]()
    for order in itertools.islice(itertools.permutations(marks), 24):
        runs = Runs(lambda: 100)
        for each in (*order, *order[:2]):
            runs.note(Mark(*each))
        told.add(runs.unclosed(window))
    assert len(told) == 1
