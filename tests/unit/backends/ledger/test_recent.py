"""The latest events are read from memory, and what is read is what the tables would answer."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import RUN, event, events, mark, transfer
from tests.unit.backends.ledger.conftest import QUIET, START_NS, Clock, Opener

from flashmm_backends.batch import Event
from flashmm_backends.ledger import Ledger
from flashmm_backends.ledger._events import read_events
from flashmm_backends.ledger._recent import RecentEvents
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._tables import EVENT_TABLES
from flashmm_backends.ledger.streams import gaps_of
from flashmm_backends.ports import Completeness, EventPosition, EventTable, Page, QueryRefused, Window
from flashmm_instrumentation.semconv import EVENT_KINDS
from flashmm_instrumentation.semconv.events import FieldType

KIND = "flashmm.transfer"
TABLE = EVENT_TABLES[KIND]
SINCE = Window(START_NS + 1, 2**62)
OTHER_RUN = "01999999-0000-7000-8000-000000000002"
_VALUES = {
    FieldType.STRING: st.text(max_size=3),
    FieldType.INT: st.integers(-(2**63), 2**63 - 1),
    FieldType.TIME: st.integers(-(2**63), 2**63 - 1),
    FieldType.FLOAT: st.floats(),
    FieldType.BOOL: st.booleans(),
    FieldType.DECIMAL: st.decimals(-(10**19), 10**19, places=18).map(lambda value: value.normalize()),
}
_FIELDS = {
    kind.name: st.fixed_dictionaries({field.name: st.none() | _VALUES[field.type] for field in kind.fields})
    for kind in EVENT_KINDS.values()
    if kind.name != "flashmm.stream"
}
_TIMES = st.integers(START_NS + 1, START_NS + 5)


@st.composite
def _sent(draw: st.DrawFn) -> list[Event]:
    kind = draw(st.sampled_from(sorted(_FIELDS)))
    rows = draw(st.lists(st.tuples(st.sampled_from([RUN, OTHER_RUN]), _TIMES, _FIELDS[kind]), max_size=6))
    seqs = {RUN: 0, OTHER_RUN: 0}
    sent: list[Event] = []
    for run, time_ns, fields in rows:
        seqs[run] += 1
        sent.append(event(kind, seqs[run], time_ns, fields, run=run))
    return sent


_PAGES = st.none() | st.builds(
    Page,
    st.integers(0, 4),
    st.none() | st.builds(EventPosition, _TIMES, st.sampled_from([RUN, OTHER_RUN]), st.integers(0, 4)),
)


async def in_tables(
    ledger: Ledger, kind: str, window: Window, where: Mapping[str, str] | None, page: Page | None
) -> EventTable:
    """The same read, by SQL."""
    parts = ledger._parts
    return await parts.reading.read(lambda view: read_events(view, parts.streams, kind, window, where, page))


def printed(table: EventTable) -> Sequence[object]:
    """All of it, so that 1.0 and 1.00 differ and NaN is itself."""
    columns = {
        name: (column.dtype, [repr(cell) for cell in column.tolist()]) for name, column in table.columns.items()
    }
    return [table.kind, table.window, columns, table.completeness]


@settings(deadline=None, max_examples=30)
@given(sent=_sent(), ends=st.tuples(_TIMES, _TIMES), page=_PAGES, narrow=st.booleans())
def test_memory_answers_as_the_tables_do(
    sent: list[Event], ends: tuple[int, int], page: Page | None, narrow: bool
) -> None:
    """Every kind, extreme values, any part of any window, with and without a condition: digit by digit."""
    kind, window = sent[0].kind if sent else KIND, Window(min(ends), max(ends))
    asyncio.run(compared(sent, kind, window, {"run": RUN} if narrow else None, page))


async def compared(
    sent: Sequence[Event], kind: str, window: Window, where: Mapping[str, str] | None, page: Page | None
) -> None:
    """Both ways, in a ledger of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with Ledger.open(Path(folder), QUIET, Clock(), CollectorRegistry()) as ledger:
            await ledger.append(events(*sent))
            told = ledger._recent(kind, window, where, page)
            assert told is not None
            assert printed(told) == printed(await in_tables(ledger, kind, window, where, page))
            assert await ledger.completeness(kind, window) == told.completeness


async def test_what_was_there_at_opening_is_not_in_memory(open_ledger: Opener) -> None:
    """Also where its time lies ahead of the clock: then the tables answer until time has passed it."""
    async with open_ledger() as ledger:
        await ledger.append(events(transfer(1, START_NS + 10)))
    async with open_ledger() as ledger:
        await ledger.append(events(transfer(2, START_NS + 20)))
        assert ledger._recent(KIND, SINCE, None, None) is None
        assert ledger._recent(KIND, Window(START_NS + 10, 2**62), None, None) is None
        assert (await ledger.events(KIND, SINCE)).columns["seq"].tolist() == [1, 2]
        later = ledger._recent(KIND, Window(START_NS + 11, 2**62), None, None)
        assert later is not None
        assert later.columns["seq"].tolist() == [2]
        await ledger.seal()
    async with open_ledger() as ledger:
        assert ledger._recent(KIND, Window(START_NS + 20, 2**62), None, None) is None
        assert ledger._recent(KIND, Window(START_NS + 21, 2**62), None, None) is not None


async def test_a_gap_in_the_window_is_for_the_tables(ledger: Ledger) -> None:
    """Where an event is missing, completeness needs what bounds it in time."""
    await ledger.append(events(transfer(1, START_NS + 1), transfer(3, START_NS + 9)))
    for _ in range(2):
        assert ledger._recent(KIND, SINCE, None, None) is None
        assert (await ledger.events(KIND, SINCE)).completeness == Completeness(2, 3)
        assert await ledger.completeness(KIND, SINCE) == Completeness(2, 3)


async def test_a_gap_before_the_window_does_not_matter(ledger: Ledger) -> None:
    """Once a read has told where it ends, and until there is another one."""
    later = Window(START_NS + 10, 2**62)
    await ledger.append(events(transfer(2, START_NS + 1), transfer(4, START_NS + 9), transfer(5, START_NS + 12)))
    assert ledger._recent(KIND, later, None, None) is None
    await ledger.append(events(transfer(1, START_NS)))
    assert ledger._recent(KIND, later, None, None) is None
    await ledger.events(KIND, later)
    told = ledger._recent(KIND, later, None, None)
    assert told is not None
    assert told.completeness == Completeness(1, 1)
    await ledger.append(events(mark(1, START_NS + 30, KIND, 2)))
    assert ledger._recent(KIND, later, None, None) is None
    assert (await ledger.events(KIND, later)).completeness == Completeness(1, 2)
    await ledger.append(events(transfer(7, START_NS + 40)))
    assert ledger._recent(KIND, Window(START_NS + 31, 2**62), None, None) is None


@settings(deadline=None, max_examples=30)
@example(arrivals=[(False, 1, 5), (False, 2, 9), (True, 2, 12)], starts=[1, 5, 9, 13])
@given(
    arrivals=st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 40)), max_size=14),
    starts=st.lists(st.integers(1, 45), min_size=1, max_size=6),
)
async def test_memory_is_never_surer_than_the_tables(
    arrivals: list[tuple[bool, int, int]], starts: list[int]
) -> None:
    """Events and marks in any order, with clocks that jump: it answers where nothing is missing, as they would."""
    with tempfile.TemporaryDirectory() as folder:
        async with Ledger.open(Path(folder), QUIET, Clock(), CollectorRegistry()) as ledger:
            for n, (is_mark, seq, at) in enumerate(arrivals, 1):
                each = mark(n, START_NS + at, KIND, seq) if is_mark else transfer(seq, START_NS + at)
                await ledger.append(events(each))
                for start in starts:
                    window = Window(START_NS + start, 2**62)
                    told = ledger._recent(KIND, window, None, None)
                    if told is None:
                        assert gaps_of([ledger.streams(KIND)]), "memory has all of it"
                    else:
                        assert printed(told) == printed(await in_tables(ledger, KIND, window, None, None))
                await in_tables(ledger, KIND, SINCE, None, None)


async def test_other_comparisons_than_of_text_are_for_the_tables(ledger: Ledger) -> None:
    """A database's casts are not imitated; an unknown column is refused as ever."""
    await ledger.append(events(transfer(1, START_NS + 1), transfer(2, START_NS + 2)))
    assert ledger._recent(KIND, SINCE, {"seq": "2.0"}, None) is None
    assert (await ledger.events(KIND, SINCE, {"seq": "2.0"})).columns["seq"].tolist() == [2]
    with pytest.raises(QueryRefused, match="no column"):
        await ledger.events(KIND, SINCE, {"nothing": "1"})


def row(time_ns: int, seq: int) -> Row:
    """What matters of a row here."""
    return [time_ns, RUN, seq]


def times_of(recent: RecentEvents, window: Window) -> list[object] | None:
    """Times in memory; None where the tables are to be asked."""
    found = recent.within(TABLE, window)
    return None if found is None else [each[0] for each in found]


def test_memory_holds_two_minutes(clock: Clock) -> None:
    """What is older leaves, and windows that reach there are for the tables."""
    recent = RecentEvents(clock, {})
    recent.add({TABLE.name: [row(START_NS + 5, 2), row(START_NS + 3, 1)], "spans": [["a"]]})
    assert times_of(recent, SINCE) == [START_NS + 3, START_NS + 5]
    clock.forward(200)
    recent.add({TABLE.name: [row(clock.now_ns, 3)]})
    assert times_of(recent, Window(START_NS + 5, 2**62)) is None
    assert times_of(recent, Window(START_NS + 6, 2**62)) == [clock.now_ns]


def test_memory_holds_ten_thousand_events_of_a_kind(clock: Clock) -> None:
    """The oldest leave, by their own time, in whatever order they came."""
    recent = RecentEvents(clock, {})
    late = [row(START_NS + 1 + seq, seq) for seq in range(10_001, 0, -1)]
    recent.add({TABLE.name: late})
    assert times_of(recent, Window(START_NS + 2, 2**62)) is None
    held = times_of(recent, Window(START_NS + 3, 2**62))
    assert held is not None
    assert len(held) == 10_000
