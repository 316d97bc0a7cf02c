"""Completeness of a window: what arrived against what the sequence numbers and marks prove was emitted.

Received are the events whose time is in the window. A number that is missing has no time, but bounds: it was given
out after its neighbour below and before its neighbour above. A neighbour is the nearest event that arrived, or a
stream mark: a mark with high-water h stands after number h, for all up to h were given out by then and none above.
Below the first number stands the run's beginning (its `open` mark, else the time in its UUIDv7). A missing number
counts as expected in every window that its bounds touch, so a completeness may be too low at a window's edges but
never too high, except for what was lost after the last mark that arrived: of that nothing is known.
"""

import uuid
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flashmm_backends.ledger._reading import Query, View
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._tables import EVENT_TABLES
from flashmm_backends.ports import Completeness, Window
from flashmm_instrumentation.semconv import events as kinds

Gap = tuple[int, int]
"""Missing numbers first … last."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """What bounds the gaps of one stream in time.

    begin_ns: the run's beginning. event_ns: times of events beside gaps. marks: (high water, its earliest time,
    its latest time), by high water.
    """

    begin_ns: int
    event_ns: Mapping[int, int]
    marks: Sequence[tuple[int, int, int]]


def missing_in(window: Window, gaps: Sequence[Gap], anchors: Anchors) -> int:
    """How many of the missing numbers may have been given out in the window."""
    return sum(_missing_of_gap(window, gap, anchors) for gap in gaps)


def _missing_of_gap(window: Window, gap: Gap, anchors: Anchors) -> int:
    return sum(
        last - first + 1
        for first, last, low_ns, high_ns in _bounded(gap, anchors)
        if min(low_ns, high_ns) < window.end_ns and max(low_ns, high_ns) >= window.start_ns
    )


def _touched_until(gaps: Mapping[str, Sequence[Gap]], anchors: Mapping[str, Anchors]) -> int:
    """The latest time that any of the missing numbers may have."""
    bounds = (bound for run, each in gaps.items() for gap in each for bound in _bounded(gap, anchors[run]))
    return max(max(low_ns, high_ns) for _, _, low_ns, high_ns in bounds)


def _bounded(gap: Gap, anchors: Anchors) -> Iterator[tuple[int, int, int, int]]:
    """The gap cut at the marks inside it: (first, last, bounds in time)."""
    first, last = gap
    highs = [mark[0] for mark in anchors.marks]
    inside = anchors.marks[bisect_left(highs, first) : bisect_left(highs, last)]
    cuts = [high for high, _, _ in inside]
    for a, b in zip([first, *(cut + 1 for cut in cuts)], [*cuts, last], strict=True):
        low_ns = _low(a, gap, anchors, highs)
        yield a, b, low_ns, _high(b, gap, anchors, highs, low_ns)


def _low(number: int, gap: Gap, anchors: Anchors, highs: Sequence[int]) -> int:
    bounds = [anchors.event_ns.get(gap[0] - 1, anchors.begin_ns)]
    at = bisect_left(highs, number) - 1
    if at >= 0:
        bounds.append(anchors.marks[at][2])
    return max(bounds)


def _high(number: int, gap: Gap, anchors: Anchors, highs: Sequence[int], low_ns: int) -> int:
    bounds = [anchors.event_ns[gap[1] + 1]] if gap[1] + 1 in anchors.event_ns else []
    at = bisect_left(highs, number)
    if at < len(highs):
        bounds.append(anchors.marks[at][1])
    # What stood above has left by retention: so did the gap.
    return min(bounds, default=low_ns)


def begin_of(run: str) -> int:
    """The time in a UUIDv7, in nanoseconds; 0 for any other text."""
    try:
        parsed = uuid.UUID(run)
    except ValueError:
        return 0
    return (parsed.int >> 80) * 1_000_000 if parsed.version == 7 else 0


def completeness(
    view: View, streams: Streams, kind: str, window: Window, received: int | None = None
) -> Completeness:
    """Received and expected of all streams of a kind. received: where it is known already."""
    received = _count(view, kind, window) if received is None else received
    marks, gaps = streams.marks, streams.missing(kind)
    if not gaps:
        return whole(streams, window, received)
    anchors = anchors_of(view, kind, gaps)
    if all(first > 1 for each in gaps.values() for first, _ in each):  # else what arrives late may move its beginning
        streams.settle(kind, gaps, _touched_until(gaps, anchors), marks)
    missing = sum(missing_in(window, each, anchors[run]) for run, each in gaps.items())
    return Completeness(received, received + missing, streams.runs.unclosed(window))


def whole(streams: Streams, window: Window, received: int) -> Completeness:
    """Where no number is missing."""
    return Completeness(received, received, streams.runs.unclosed(window))


def _count(view: View, kind: str, window: Window) -> int:
    span = (window.start_ns, window.end_ns)
    ((count,),) = view.run(Query("count_events", EVENT_TABLES[kind], span, span, only=("time_ns",))).fetchall()
    return count


def anchors_of(view: View, kind: str, gaps: Mapping[str, Sequence[Gap]]) -> Mapping[str, Anchors]:
    """What bounds these gaps in time, by run."""
    event_ns = _event_times(view, kind, gaps)
    marks = _marks(view, kind, list(gaps))
    begins = _openings(view, list(gaps))
    return {run: Anchors(begins.get(run, begin_of(run)), event_ns.get(run, {}), marks.get(run, ())) for run in gaps}


def _event_times(view: View, kind: str, gaps: Mapping[str, Sequence[Gap]]) -> Mapping[str, Mapping[int, int]]:
    beside = [(run, seq) for run, each in gaps.items() for a, b in each for seq in (a - 1, b + 1)]
    found: dict[str, dict[int, int]] = {}
    parameters = [[run for run, _ in beside], [seq for _, seq in beside]]
    executed = view.run(Query("event_times", EVENT_TABLES[kind], parameters, only=("run", "seq", "time_ns")))
    for run, seq, time_ns in executed.fetchall():
        found.setdefault(run, {})[seq] = time_ns
    return found


def _marks(view: View, kind: str, runs: Sequence[str]) -> Mapping[str, Sequence[tuple[int, int, int]]]:
    found: dict[str, list[tuple[int, int, int]]] = {}
    for run, *mark in view.run(Query("marks", EVENT_TABLES[kinds.STREAM.name], [kind, runs])).fetchall():
        found.setdefault(run, []).append((mark[0], mark[1], mark[2]))
    return found


def _openings(view: View, runs: Sequence[str]) -> Mapping[str, int]:
    return dict(view.run(Query("openings", EVENT_TABLES[kinds.STREAM.name], [runs])).fetchall())
