"""Delta temporality turned into cumulative, as Prometheus stores it.

A series' deltas are added up in the order of their times. One that is not later than the last is refused, and so
is one that begins before the series did; one that begins after the last ended leaves a gap, which is counted, and
the sum goes on. The state lives as long as the series has its slot; after a restart the sum begins anew, which
readers see as a counter reset.
Source: OpenTelemetry metrics data model, "Resets and gaps"; the Collector's deltatocumulative processor.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeltaState:
    """What a series came to. Times in nanoseconds."""

    start_ns: int
    time_ns: int
    value: object


@dataclass
class DeltaRefused(Exception):
    """A delta does not follow the one before."""

    why: str

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class DeltaChange:
    """One step of one series, so that it can be taken back."""

    slot: int
    before: DeltaState | None
    after: DeltaState


@dataclass(slots=True)
class DeltaSums:
    """The running sums, by the slot of their series."""

    states: dict[int, DeltaState] = field(default_factory=dict[int, DeltaState])
    gaps: int = 0
    """Deltas that began later than the one before had ended."""

    def add(  # the interval and the value are one point
        self, slot: int, start_ns: int, time_ns: int, value: T, plus: Callable[[T, T], T], changes: list[DeltaChange]
    ) -> T:
        """Add one delta; returns the sum and notes the change. Raises DeltaRefused."""
        before = self.states.get(slot)
        if before is not None:
            self._check_order(before, start_ns, time_ns)
            value = plus(cast("T", before.value), value)
        after = DeltaState(before.start_ns if before else start_ns, time_ns, value)
        self.states[slot] = after
        changes.append(DeltaChange(slot, before, after))
        return value

    def _check_order(self, before: DeltaState, start_ns: int, time_ns: int) -> None:
        if time_ns <= before.time_ns:
            raise DeltaRefused(f"delta at {time_ns} is not later than the last at {before.time_ns}")
        if 0 < start_ns < before.start_ns:
            raise DeltaRefused(f"delta begins at {start_ns}, before its series at {before.start_ns}")
        if start_ns > before.time_ns:
            self.gaps += 1

    def take_back(self, changes: Sequence[DeltaChange]) -> None:
        """Undo changes that were not stored. A later delta that built on one keeps what it has added up."""
        for change in reversed(changes):
            if self.states.get(change.slot) is not change.after:
                continue
            if change.before is None:
                del self.states[change.slot]
            else:
                self.states[change.slot] = change.before

    def forget(self, slots: Iterable[int]) -> None:
        """Drop the sums of series that gave up their slots."""
        for slot in slots:
            self.states.pop(slot, None)
