"""What one ledger knows of its streams, so that several ledgers' completeness adds up to the truth.

A bot that moves between ledgers leaves a part of a stream in each. Each alone finds the other's part missing; only
the union of the numbers tells what is. So a ledger tells the numbers and marks it has, and, of gaps it is asked for,
what bounds them in time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flashmm_backends.intervals import Intervals
from flashmm_backends.ledger._completeness import Anchors, Gap, anchors_of, missing_in
from flashmm_backends.ledger._runs import RunState
from flashmm_backends.ports import Window

__all__ = [
    "Anchors",
    "Gap",
    "RunState",
    "StreamState",
    "anchors_of",
    "gaps_of",
    "joined",
    "missing",
    "overlap",
    "unclosed",
]


@dataclass(frozen=True, slots=True)
class StreamState:
    """One run's stream of a kind. received: sorted, disjoint, inclusive intervals; high_water: 0 without a mark."""

    received: Sequence[tuple[int, int]]
    high_water: int


States = Mapping[str, StreamState]
"""By run."""


def overlap(parts: Sequence[States]) -> bool:
    """Whether two ledgers have the same event: delivered again while its bot moved."""
    intervals: dict[str, list[tuple[int, int]]] = {}
    for part in parts:
        for run, state in part.items():
            intervals.setdefault(run, []).extend(state.received)
    return any(before[1] >= after[0] for each in map(sorted, intervals.values()) for before, after in pairwise(each))


def gaps_of(parts: Sequence[States]) -> dict[str, list[Gap]]:
    """Numbers that no ledger has, by run, of the runs that lack any."""
    runs = {run for part in parts for run in part}
    found = {run: _gaps([part[run] for part in parts if run in part]) for run in runs}
    return {run: gaps for run, gaps in found.items() if gaps}


def _gaps(states: Sequence[StreamState]) -> list[Gap]:
    received = Intervals()
    for first, last in (interval for state in states for interval in state.received):
        received.add_range(first, last)
    return received.missing(max(state.high_water for state in states))


def joined(parts: Iterable[Anchors]) -> Anchors:
    """What all ledgers together know of one run's gaps.

    A ledger without the run's opening tells the time in its id, which is earlier: so the latest is the opening.
    """
    known = list(parts)
    event_ns = {seq: time_ns for part in known for seq, time_ns in part.event_ns.items()}
    marks: dict[int, tuple[int, int]] = {}
    for high, first_ns, last_ns in (mark for part in known for mark in part.marks):
        before = marks.get(high, (first_ns, last_ns))
        marks[high] = (min(before[0], first_ns), max(before[1], last_ns))
    told = [(high, *times) for high, times in sorted(marks.items())]
    return Anchors(max(part.begin_ns for part in known), event_ns, told)


def missing(window: Window, gaps: Mapping[str, Sequence[Gap]], anchors: Mapping[str, Anchors]) -> int:
    """How many of the missing numbers may have been given out in the window."""
    return sum(missing_in(window, each, anchors[run]) for run, each in gaps.items())


def unclosed(window: Window, parts: Iterable[Mapping[str, RunState]], now_ns: int) -> int:
    """How many runs, by what all ledgers together know, ended in the window without closing."""
    runs: dict[str, RunState] = {}
    for run, state in (each for part in parts for each in part.items()):
        runs.setdefault(run, RunState()).take(state)
    return sum(state.ended_open(window, now_ns) for state in runs.values())
