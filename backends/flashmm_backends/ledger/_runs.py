"""How far each run's stream marks go, and whether it was closed: what came after its last mark is unknown."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from flashmm_backends.ledger._database import Connection, insert_rows
from flashmm_backends.ledger._rows import Row
from flashmm_backends.ledger._sql import queries
from flashmm_backends.ledger._tables import Column, ColumnType
from flashmm_backends.ports import Window
from flashmm_instrumentation.semconv import events as kinds
from flashmm_instrumentation.semconv.attributes import StreamMark

TAIL_NS: Final = 11_000_000_000
"""How much a run may have emitted after its last mark: streams that moved are marked every second, all every ten."""

SILENCE_NS: Final = 60_000_000_000
"""Without a mark for so long, a run has ended."""

_COLUMNS: Final = (
    Column("run", ColumnType.TEXT),
    Column("last_ns", ColumnType.INT),
    Column("closed", ColumnType.BOOL),
    Column("followed", ColumnType.BOOL),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What one stream mark says of runs. closes: it is the very last of its run."""

    run: str
    time_ns: int
    closes: bool = False
    previous_run: str | None = None


@dataclass(slots=True)
class RunState:
    """What the marks say of a run. last_ns: of its last mark, None without one; followed: by a later run."""

    last_ns: int | None = None
    closed: bool = False
    followed: bool = False

    def take(self, other: "RunState") -> None:
        """Know what another knows of the same run."""
        lasts = [each.last_ns for each in (self, other) if each.last_ns is not None]
        self.last_ns = max(lasts, default=None)
        self.closed |= other.closed
        self.followed |= other.followed

    def ended_open(self, window: Window, now_ns: int) -> bool:
        """Whether it ended in the window without closing."""
        if self.closed or self.last_ns is None:
            return False
        ended = self.followed or now_ns - self.last_ns > SILENCE_NS
        return ended and self.last_ns < window.end_ns and self.last_ns + TAIL_NS >= window.start_ns


class Runs:
    """What the marks say, in whatever order they came. Safe from any thread. clock: UTC nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._runs: dict[str, RunState] = {}
        self._open: set[str] = set()
        self._lock = threading.Lock()

    def note(self, mark: Mark) -> None:
        """Take a mark that is durable."""
        with self._lock:
            self._take(mark.run, RunState(mark.time_ns, mark.closes))
            if mark.previous_run:
                self._take(mark.previous_run, RunState(followed=True))

    def _take(self, run: str, told: RunState) -> None:
        known = self._runs.setdefault(run, RunState())
        known.take(told)
        if known.closed:
            self._open.discard(run)
        else:
            self._open.add(run)

    def told(self) -> Mapping[str, RunState]:
        """What is known of each run."""
        with self._lock:
            return {run: replace(each) for run, each in self._runs.items()}

    def unclosed(self, window: Window) -> int:
        """How many runs ended in the window without closing, as far as is known now.

        A run has ended when another names it as its previous one, or without a mark for a minute. One that was away
        and comes back counts no longer.
        """
        now_ns = self._clock()
        with self._lock:
            return sum(self._runs[run].ended_open(window, now_ns) for run in self._open)

    def forget(self, runs: Iterable[str]) -> None:
        """Let go of what is known of these runs."""
        with self._lock:
            for run in runs:
                self._runs.pop(run, None)
                self._open.discard(run)

    def record(self, connection: Connection) -> None:
        """Write everything down."""
        connection.execute(queries("store")["clear_stream_runs"])
        with self._lock:
            rows: list[Row] = [[run, each.last_ns, each.closed, each.followed] for run, each in self._runs.items()]
        if rows:
            insert_rows(connection, "stream_runs", _COLUMNS, rows)

    def load(self, connection: Connection) -> None:
        """Read what was written down."""
        with self._lock:
            for run, last_ns, closed, followed in connection.execute(queries("store")["stream_runs"]).fetchall():
                self._take(run, RunState(last_ns, closed, followed))


def mark_of_run(fields: Mapping[str, object]) -> Mark:
    """The mark in an event of kind flashmm.stream: its envelope's `run` and `time_ns`, and its fields."""
    run, time_ns, previous = fields["run"], fields["time_ns"], fields.get("previous_run")
    closes = fields.get("mark") == StreamMark.CLOSE.value and fields.get("kind") == kinds.STREAM.name
    time_ns = time_ns if isinstance(time_ns, int) else 0
    return Mark(str(run), time_ns, closes, previous if isinstance(previous, str) else None)
