"""Completeness against a brute-force reading of its definition."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.backends.ledger.batches import RUN, event, events, mark, transfer
from tests.unit.backends.ledger.conftest import START_NS

from flashmm_backends.intervals import Intervals
from flashmm_backends.ledger import Ledger
from flashmm_backends.ledger._completeness import Anchors, begin_of, missing_in
from flashmm_backends.ports import Completeness, Window

KIND = "flashmm.transfer"


@dataclass(frozen=True)
class Story:
    """What a bot emitted and what of it arrived: times of events by seq, marks as (high water, time)."""

    begin_ns: int
    arrived: dict[int, int]
    marks: list[tuple[int, int]]


def expected_missing(story: Story, window: Window) -> int:
    """By the words of the definition: each missing number on its own."""
    top = max([*story.arrived, *(high for high, _ in story.marks)], default=0)
    return sum(1 for number in range(1, top + 1) if number not in story.arrived and _touches(story, number, window))


def _touches(story: Story, number: int, window: Window) -> bool:
    below = [seq for seq in story.arrived if seq < number]
    lows = [story.arrived[max(below)] if below else story.begin_ns]
    marks_below = [high for high, _ in story.marks if high < number]
    if marks_below:
        lows.append(max(time for high, time in story.marks if high == max(marks_below)))
    above = [seq for seq in story.arrived if seq > number]
    highs = [story.arrived[min(above)]] if above else []
    marks_above = [high for high, _ in story.marks if high >= number]
    if marks_above:
        highs.append(min(time for high, time in story.marks if high == min(marks_above)))
    low, high = max(lows), min(highs)
    return min(low, high) < window.end_ns and max(low, high) >= window.start_ns


TIMES = st.integers(0, 60)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Any arrival, clocks that jump included."""
    arrived = draw(st.dictionaries(st.integers(1, 25), TIMES, max_size=15))
    marks = draw(st.lists(st.tuples(st.integers(1, 30), TIMES), max_size=6))
    return Story(draw(TIMES), arrived, marks)


def anchors(story: Story) -> Anchors:
    """As the ledger reads them from its tables."""
    highs = sorted({high for high, _ in story.marks})
    times = {high: [time for each, time in story.marks if each == high] for high in highs}
    return Anchors(story.begin_ns, story.arrived, [(high, min(times[high]), max(times[high])) for high in highs])


@given(stories(), TIMES, TIMES)
def test_missing_numbers_are_counted_by_definition(story: Story, a: int, b: int) -> None:
    """The gaps, cut at the marks, count what the definition counts number by number."""
    window = Window(min(a, b), max(a, b) + 1)
    received = Intervals()
    for seq in story.arrived:
        received.add(seq)
    gaps = received.missing(max((high for high, _ in story.marks), default=0))
    assert missing_in(window, gaps, anchors(story)) == expected_missing(story, window)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=80))
def test_intervals_are_a_set(steps: list[tuple[bool, int]]) -> None:
    """Adding and discarding behave as with a set; intervals stay disjoint and apart."""
    intervals, model = Intervals(), set[int]()
    for adds, number in steps:
        if adds:
            assert intervals.add(number) == (number not in model)
            model.add(number)
        else:
            intervals.discard(number)
            model.discard(number)
        assert {n for first, last in intervals for n in range(first, last + 1)} == model
        assert [n for n in range(1, 41) if n in intervals] == sorted(model)
        pairs = list(intervals)
        assert all(a[1] + 1 < b[0] for a, b in pairwise(pairs))
    assert intervals.last == max(model, default=0)


def test_the_lowest_intervals_are_forgotten() -> None:
    """Beyond so many; what is left is a set as before."""
    intervals = Intervals([(1, 2), (4, 4), (6, 9)])
    intervals.keep(2)
    assert list(intervals) == [(4, 4), (6, 9)]
    assert not intervals.add(9)
    assert intervals.add(2)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9)), max_size=12))
def test_ranges_join_a_set(ranges: list[tuple[int, int]]) -> None:
    """Overlapping, touching and repeated ranges are one set."""
    intervals, model = Intervals(), set[int]()
    for first, more in ranges:
        intervals.add_range(first, first + more)
        model.update(range(first, first + more + 1))
        assert {n for a, b in intervals for n in range(a, b + 1)} == model


@pytest.mark.parametrize(
    ("run", "begin"),
    [(RUN, 0x019999990000 * 1_000_000), ("no uuid", 0), ("8e3cf3f8-7d3a-4c52-9d4c-0d3f1f0f7a11", 0)],
)
def test_a_run_begins_at_the_time_in_its_id(run: str, begin: int) -> None:
    """Only a UUIDv7 holds a time."""
    assert begin_of(run) == begin


async def test_a_gap_counts_in_every_window_that_it_may_touch(ledger: Ledger) -> None:
    """Between two events lies what is missing between them, and nowhere else."""
    second = 10**9
    await ledger.append(events(*(transfer(seq, START_NS + seq * second) for seq in (1, 2, 5, 6))))

    async def of(first: int, end: int) -> Completeness:
        return await ledger.completeness(KIND, Window(START_NS + first * second, START_NS + end * second))

    assert await of(0, 10) == Completeness(4, 6)
    assert await of(3, 4) == Completeness(0, 2)
    assert await of(6, 10) == Completeness(1, 1)
    assert await of(1, 2) == Completeness(1, 1)


async def test_marks_show_a_lost_tail(ledger: Ledger) -> None:
    """A mark above the last event that arrived tells how many are missing after it."""
    second = 10**9
    await ledger.append(
        events(
            event("flashmm.stream", 1, START_NS, {"mark": "open"}),
            mark(2, START_NS + 5 * second, KIND, 3),
            mark(3, START_NS + 9 * second, KIND, 7),
            transfer(3, START_NS + 4 * second),
        )
    )
    window = Window(START_NS, START_NS + 10 * second)
    assert await ledger.completeness(KIND, window) == Completeness(1, 7)
    head = Window(START_NS, START_NS + 5 * second)
    assert await ledger.completeness(KIND, head) == Completeness(1, 3)
    tail = Window(START_NS + 6 * second, START_NS + 7 * second)
    assert await ledger.completeness(KIND, tail) == Completeness(0, 4)


async def test_streams_that_are_whole_cost_nothing(ledger: Ledger) -> None:
    """Nothing expected is complete, and so is everything received."""
    assert (await ledger.completeness(KIND, Window(0, 1))).ratio == 1.0
    await ledger.append(events(transfer(1, START_NS), mark(1, START_NS + 1, KIND, 1)))
    assert await ledger.completeness(KIND, Window(0, 2**62)) == Completeness(1, 1)
