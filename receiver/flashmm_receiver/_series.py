"""The series that a receiver knows, in columns: their ids, their recent times, whether the store has them."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import SeriesMeta

_RECENT: Final = 8
"""Points of a series that are remembered to recognise a redelivery; the store resolves older ones."""
_NEVER: Final = np.iinfo(np.int64).min
_FIRST_CAPACITY: Final = 1024

Slots = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SeriesLimits:
    """How many series there may be.

    total: slots given out at most. each: of one owner. reserved: of total, kept free for `flashmm.*` metrics.
    """

    total: int
    each: int
    reserved: int = 0

    @classmethod
    def shared(cls, total: int, owner_share: float, reserved_share: float) -> "SeriesLimits":
        """Limits from shares of the total; an owner may have one series in any case."""
        return cls(total, max(1, math.ceil(total * owner_share)), int(total * reserved_share))


@dataclass
class NoPlace(Exception):
    """A new series finds no slot. reason: a label; limit: how many there may be; setting: what says so."""

    reason: str
    limit: int
    setting: str

    def __str__(self) -> str:
        return f"more than {self.limit} series ({self.setting})"


class SeriesTable:
    """Every series has a slot, a small number; the columns are indexed by it.

    idle_ns: a series without a point for so long gives up its slot when there is no other.
    """

    def __init__(self, limits: SeriesLimits, idle_ns: int) -> None:
        self._limits = limits
        self._series_max = series_max = limits.total
        self._owners: dict[int, str] = {}
        self._owned: Counter[str] = Counter()
        self._wanted = False
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

    def slot(self, meta: SeriesMeta, owner: str, now_ns: int, *, own_metric: bool = True) -> int:
        """The slot of a series, given out now if it is new. Raises NoPlace.

        owner: whose it is, for the quota. own_metric: whether its metric is one of `flashmm.*`.
        """
        slot = self._slot_of.get(meta.id)
        if slot is None:
            self._check(owner, own_metric=own_metric)
            slot = self._take()
            self._owners[slot] = owner
            self._owned[owner] += 1
            self._settle(slot, meta, now_ns)
        return slot

    def _check(self, owner: str, *, own_metric: bool) -> None:
        limits, held = self._limits, len(self._slot_of)
        if held >= limits.total:
            self._want("series", limits.total, "series_max")
        if self._owned[owner] >= limits.each:
            self._want("series_quota", limits.each, "series_share_max")
        if not own_metric and held >= limits.total - limits.reserved:
            self._want("series_reserve", limits.total - limits.reserved, "series_reserved_share")

    def _want(self, reason: str, limit: int, setting: str) -> NoReturn:
        self._wanted = True
        raise NoPlace(reason, limit, setting)

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
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
    def crowded(self) -> bool:
        """True when a new series found no slot, or would find none."""
        return self._wanted or len(self._slot_of) >= self._limits.total

    def evict_idle(self, now_ns: int) -> list[int]:
        """Take the slots of idle series back and return them; looks at most once in a sixtieth of the idle time."""
        if now_ns < self._evict_again_ns:
            return []
        self._evict_again_ns = now_ns + self._idle_ns // 60
        self._wanted = False
        idle = np.flatnonzero(self._used_ns[: self._next] < now_ns - self._idle_ns).tolist()
        gone = [slot for slot in idle if self._slot_of.get(int(self.ids[slot])) == slot]
        for slot in gone:
            del self._slot_of[int(self.ids[slot])]
            self.unsaved.pop(slot, None)
            self._disown(slot)
        self._free.extend(gone)
        return gone

    def _disown(self, slot: int) -> None:
        owner = self._owners.pop(slot)
        self._owned[owner] -= 1
        if not self._owned[owner]:
            del self._owned[owner]

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
