"""How much of what a bot emitted has arrived, live: sequence numbers and stream marks, run by run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Final

from prometheus_client import Counter

from flashmm_backends.batch import Event
from flashmm_instrumentation.semconv import EVENT_KINDS, events
from flashmm_instrumentation.semconv.attributes import StreamMark
from flashmm_streaming._identity import RESOURCES_MAX, Owner
from flashmm_streaming._recent import Recent

RUNS_MAX = 2_000
"""Runs under way, or that something is missing of."""
_MARKS: Final = events.STREAM.name


@dataclass(slots=True)
class _Stream:
    """One kind of a run since we began to look: numbers above `base` count."""

    base: int
    highest: int
    received: int = 0

    @property
    def whole(self) -> bool:
        return self.received == self.highest - self.base

    def rise(self, number: int) -> int:
        """Expect everything up to a number; returns how much that is more."""
        before, self.highest = self.highest, max(self.highest, number)
        return self.highest - before


@dataclass(slots=True)
class _Run:
    """One run's streams by kind. open: its marks were seen, and it has not ended."""

    owner: Owner
    streams: dict[str, _Stream] = field(default_factory=dict[str, _Stream])
    open: bool = False

    def stream(self, kind: str, base: int) -> _Stream:
        """A run whose opening was not seen counts from its first event seen."""
        return self.streams.setdefault(kind, _Stream(base, base))


@dataclass(slots=True)
class _Totals:
    """One owner's, over all runs."""

    received: int = 0
    expected: int = 0
    unclosed_runs: int = 0


class Arrivals:
    """Received and expected events by bot. Events are deduplicated before they come here."""

    def __init__(self, forgotten: Counter) -> None:
        self._runs: Recent[str, _Run] = Recent(RUNS_MAX, forgotten.labels("runs"))
        self._totals: Recent[Owner, _Totals] = Recent(RESOURCES_MAX, forgotten.labels("completeness"))

    def update(self, arrived: Sequence[Event], time_ms: int) -> list[dict[str, object]]:
        """An item for each bot that something arrived from."""
        for event in arrived:
            self._count(event)
        for event in arrived:
            if event.kind == _MARKS:
                self._take_mark(event)
        owners = dict.fromkeys(Owner(event.bot, event.account) for event in arrived)
        return [_item(owner, self._of(owner), time_ms) for owner in owners]

    def _count(self, event: Event) -> None:
        run = self._run(event)
        stream = run.stream(event.kind, event.seq - 1)
        if event.seq > stream.base:
            stream.received += 1
            totals = self._of(run.owner)
            totals.received += 1
            totals.expected += stream.rise(event.seq)

    def _take_mark(self, event: Event) -> None:
        kind, high_water = event.fields.get("kind"), event.fields.get("high_water")
        run = self._run(event)
        run.open = True
        if isinstance(kind, str) and kind in EVENT_KINDS and isinstance(high_water, int):
            self._of(run.owner).expected += run.stream(kind, high_water).rise(high_water)
        if event.fields.get("mark") == StreamMark.CLOSE.value and kind == _MARKS:
            self._end(event.run, run)
        self._end_previous(str(event.fields.get("previous_run")))

    def _end_previous(self, name: str) -> None:
        """A run that the bot's next one names as its previous, whose marks were seen, and that never closed."""
        run = self._runs.get(name)
        if run is not None and run.open:
            self._of(run.owner).unclosed_runs += 1
            self._end(name, run)

    def _end(self, name: str, run: _Run) -> None:
        """Nothing more is expected of it, unless something is missing that may still come."""
        run.open = False
        if all(stream.whole for stream in run.streams.values()):
            del self._runs[name]

    def _run(self, event: Event) -> _Run:
        return self._runs.renew(event.run, lambda: _Run(Owner(event.bot, event.account)))

    def _of(self, owner: Owner) -> _Totals:
        return self._totals.renew(owner, _Totals)


def _item(owner: Owner, totals: _Totals, time_ms: int) -> dict[str, object]:
    return {
        **owner.body(),
        "time_ms": time_ms,
        "received": totals.received,
        "expected": totals.expected,
        "missing": totals.expected - totals.received,
        "ratio": _ratio(totals.received, totals.expected),
        "unclosed_runs": totals.unclosed_runs,
    }


def _ratio(received: int, expected: int) -> str:
    """Rounded down: 1 means nothing is missing."""
    exact = Decimal(received) / expected if expected else Decimal(1)
    return format(exact.quantize(Decimal("0.000001"), ROUND_DOWN).normalize(), "f")
