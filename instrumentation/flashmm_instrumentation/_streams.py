"""Event streams: sequence numbers without a gap, and the marks that show a lost tail."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import SpanContext

from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import StreamMark

Value = str | int | float | bool
Body = Mapping[str, Value | None]

_REPEAT_MARKS: Final = 10
"""Marks of streams at rest are repeated at every so many calls, in case the last was lost."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event on its way out. trace_id and span_id are 0 where it belongs to no span."""

    kind: str
    time_ns: int
    seq: int
    body: Body
    trace_id: int
    span_id: int


class EventStreams:
    """Gives each event its place in its stream. A number is given in the order in which events are offered.

    offer: takes a record or drops and counts it; a dropped one leaves a visible gap.
    """

    def __init__(self, offer: Callable[[EventRecord], bool]) -> None:
        self._offer = offer
        self._restart()

    def _restart(self) -> None:
        # Reentrant, as all locks of the trading thread: a signal's handler may trade in the middle of a call.
        self._lock = threading.RLock()
        self._high: dict[str, int] = {}
        self._marked: dict[str, int] = {}
        self._marks = 0

    def restart_in_child(self) -> None:
        """After a fork: the new run's streams begin at 1."""
        self._restart()

    def emit(self, kind: str, time_ns: int, body: Body, span: SpanContext | None = None) -> None:
        """Send one event. Safe from any thread."""
        trace_id, span_id = (span.trace_id, span.span_id) if span is not None else (0, 0)
        with self._lock:
            seq = self._high.get(kind, 0) + 1
            self._high[kind] = seq
            self._offer(EventRecord(kind, time_ns, seq, body, trace_id, span_id))

    def open(self, now_ns: int, previous_run: str | None) -> None:
        """The run's first event."""
        self._mark(now_ns, StreamMark.OPEN, None, None, previous_run)

    def mark(self, now_ns: int) -> None:
        """High-water marks of the streams that moved, now and then of all."""
        self._marks += 1
        everything = self._marks % _REPEAT_MARKS == 0
        for kind, high in self._others():
            if everything or self._marked.get(kind) != high:
                self._marked[kind] = high
                self._mark(now_ns, StreamMark.MARK, kind, high)

    def close(self, now_ns: int) -> None:
        """The last marks of all streams; that of the marks themselves comes last and counts itself."""
        for kind, high in self._others():
            self._mark(now_ns, StreamMark.CLOSE, kind, high)
        own = self._high.get(events.STREAM.name, 0) + 1
        self._mark(now_ns, StreamMark.CLOSE, events.STREAM.name, own)

    def _others(self) -> list[tuple[str, int]]:
        with self._lock:
            return [item for item in self._high.items() if item[0] != events.STREAM.name]

    def _mark(
        self, now_ns: int, mark: StreamMark, kind: str | None, high: int | None, previous_run: str | None = None
    ) -> None:
        body: Body = {"mark": mark.value, "kind": kind, "high_water": high, "previous_run": previous_run}
        self.emit(events.STREAM.name, now_ns, body)
