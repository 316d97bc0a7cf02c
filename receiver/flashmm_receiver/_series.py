"""The series that a receiver knows, in columns: their ids, their recent times, whether the store has them."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Labels, SeriesMeta
from flashmm_backends.naming import series_id

_RECENT: Final = 8
"""Points of a series that are remembered to recognise a redelivery; the store resolves older ones."""
_NEVER: Final = np.iinfo(np.int64).min
_FIRST_CAPACITY: Final = 1024

Slots = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class SeriesTable:
    """Every series has a slot, a small number; the columns are indexed by it.

    series_max: slots given out at most. idle_ns: a series without a point for so long gives up its slot when
    there is no other.
    """

    def __init__(self, series_max: int, idle_ns: int) -> None:
        self._series_max = series_max
        self._idle_ns = idle_ns
        self._slot_of: dict[int, int] = {}
        self._free: list[int] = []
        self._next = 0
        self._evict_again_ns = 0
        self.unsaved: dict[int, SeriesMeta] = {}
        """By slot: what the store has not yet confirmed."""
        self.ids = np.zeros(0, np.uint64)
        self._saved = np.zeros(0, np.bool_)
        self._last_ms = np.zeros(0, np.int64)
        self._recent_ms = np.zeros((0, _RECENT), np.int64)
        self._cursor = np.zeros(0, np.intp)
        self._used_ns = np.zeros(0, np.int64)
        self._marks = np.zeros(0, np.intp)
        self._grow(min(_FIRST_CAPACITY, series_max))

    def __len__(self) -> int:
        return len(self._slot_of)

    def _grow(self, capacity: int) -> None:
        more = capacity - len(self.ids)
        self.ids = np.concatenate((self.ids, np.zeros(more, np.uint64)))
        self._saved = np.concatenate((self._saved, np.zeros(more, np.bool_)))
        self._last_ms = np.concatenate((self._last_ms, np.full(more, _NEVER)))
        self._recent_ms = np.concatenate((self._recent_ms, np.full((more, _RECENT), _NEVER)))
        self._cursor = np.concatenate((self._cursor, np.zeros(more, np.intp)))
        self._used_ns = np.concatenate((self._used_ns, np.zeros(more, np.int64)))
        self._marks = np.concatenate((self._marks, np.zeros(more, np.intp)))

    def slot(self, labels: Labels, family_type: str, unit: str, text: str, now_ns: int) -> int | None:
        """The slot of a series, given out now if it is new; None when there are too many."""
        identity = series_id(labels)
        slot = self._slot_of.get(identity)
        if slot is None:
            slot = self._take()
            if slot is not None:
                self._settle(slot, SeriesMeta(identity, labels, family_type, unit, text), now_ns)
        return slot

    def _take(self) -> int | None:
        if self._free:
            return self._free.pop()
        if self._next == self._series_max:
            return None
        if self._next == len(self.ids):
            self._grow(min(2 * self._next, self._series_max))
        self._next += 1
        return self._next - 1

    def _settle(self, slot: int, meta: SeriesMeta, now_ns: int) -> None:
        self._slot_of[meta.id] = slot
        self.unsaved[slot] = meta
        self.ids[slot] = meta.id
        self._saved[slot] = False
        self._last_ms[slot] = _NEVER
        self._recent_ms[slot] = _NEVER
        self._used_ns[slot] = now_ns

    @property
    def full(self) -> bool:
        """True when a new series would find no slot."""
        return not self._free and self._next == self._series_max

    def evict_idle(self, now_ns: int) -> list[int]:
        """Take the slots of idle series back and return them; looks at most once in a sixtieth of the idle time."""
        if now_ns < self._evict_again_ns:
            return []
        self._evict_again_ns = now_ns + self._idle_ns // 60
        idle = np.flatnonzero(self._used_ns[: self._next] < now_ns - self._idle_ns).tolist()
        gone = [slot for slot in idle if self._slot_of.get(int(self.ids[slot])) == slot]
        for slot in gone:
            del self._slot_of[int(self.ids[slot])]
            self.unsaved.pop(slot, None)
        self._free.extend(gone)
        return gone

    def admit(self, slots: Slots, times_ms: Times, now_ns: int) -> Mask | None:
        """Remember these points. Returns which of them are new; None where all are.

        The first of several at one (series, millisecond) is new, the others are duplicates.
        """
        if not self._distinct(slots):
            return self._admit_one_by_one(slots, times_ms, now_ns)
        if (times_ms > self._last_ms[slots]).all():
            self._remember(slots, times_ms, now_ns)
            return None
        new = ~(self._recent_ms[slots] == times_ms[:, None]).any(axis=1)
        self._remember(slots[new], times_ms[new], now_ns)
        return new

    def _distinct(self, slots: Slots) -> bool:
        order = np.arange(len(slots))
        self._marks[slots] = order
        return bool((self._marks[slots] == order).all())

    def _remember(self, slots: Slots, times_ms: Times, now_ns: int) -> None:
        cursor = self._cursor[slots]
        self._recent_ms[slots, cursor] = times_ms
        self._cursor[slots] = (cursor + 1) % _RECENT
        self._last_ms[slots] = np.maximum(self._last_ms[slots], times_ms)
        self._used_ns[slots] = now_ns

    def _admit_one_by_one(self, slots: Slots, times_ms: Times, now_ns: int) -> Mask:
        new = np.ones(len(slots), np.bool_)
        seen: set[tuple[int, int]] = set()
        for i, point in enumerate(zip(slots.tolist(), times_ms.tolist(), strict=True)):
            if point in seen or self.has_recent(*point):
                new[i] = False
            seen.add(point)
        for slot, time_ms in sorted(seen):
            self._remember_one(slot, time_ms)
        self._used_ns[slots] = now_ns
        return new

    def _remember_one(self, slot: int, time_ms: int) -> None:
        if not self.has_recent(slot, time_ms):
            cursor = self._cursor[slot]
            self._recent_ms[slot, cursor] = time_ms
            self._cursor[slot] = (cursor + 1) % _RECENT
            self._last_ms[slot] = max(self._last_ms[slot], time_ms)

    def has_recent(self, slot: int, time_ms: int) -> bool:
        """True where this point is remembered."""
        return bool((self._recent_ms[slot] == time_ms).any())

    def forget(self, slots: Slots, times_ms: Times) -> None:
        """Un-remember points that were admitted and then not stored."""
        for slot, time_ms in zip(slots.tolist(), times_ms.tolist(), strict=True):
            recent = self._recent_ms[slot]
            recent[recent == time_ms] = _NEVER
            self._rewind(slot)
        self._last_ms[slots] = self._recent_ms[slots].max(axis=1)

    def _rewind(self, slot: int) -> None:
        """Give the forgotten places back, or a store that fails for long would cost the times before it."""
        cursor = int(self._cursor[slot])
        for _ in range(_RECENT):
            if self._recent_ms[slot, cursor - 1] != _NEVER:
                break
            cursor = (cursor - 1) % _RECENT
        self._cursor[slot] = cursor

    def unsaved_among(self, slots: Slots) -> Sequence[SeriesMeta]:
        """Metadata of those that the store has not yet confirmed, each once."""
        if not self.unsaved:
            return ()
        unsaved = np.unique(slots[~self._saved[slots]])
        return [self.unsaved[slot] for slot in unsaved.tolist()]

    def confirm(self, series: Iterable[SeriesMeta]) -> None:
        """The store has these series now."""
        for meta in series:
            slot = self._slot_of.get(meta.id)
            if slot is not None:
                self._saved[slot] = True
                self.unsaved.pop(slot, None)
