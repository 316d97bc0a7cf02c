"""Series and their labels in memory: dense numbers for content hashes, and an inverted index for matchers."""

import sys
import threading
from array import array
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Labels, SeriesMeta
from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql._regex import BadPattern, Pattern, compile_anchored
from flashmm_backends.promql.source import Matcher, MatchOp, Metadata

Ids = npt.NDArray[np.uint32]

MISSING: Final = np.uint32(0xFFFF_FFFF)
"""No series has this number."""
_CACHED_MAX: Final = 256


class HashTable:
    """uint64 hashes → uint32 numbers by open addressing, so that a whole batch is looked up at once."""

    def __init__(self) -> None:
        self._size = 0
        self._allocate(1 << 10)

    def _allocate(self, slots: int) -> None:
        self._keys = np.zeros(slots, np.uint64)
        self._numbers = np.full(slots, MISSING, np.uint32)
        self._mask = slots - 1

    def add(self, key: int, number: int) -> None:
        """Map a new key."""
        if 2 * (self._size + 1) > self._mask:
            self._grow()
        self._put(key, number)
        self._size += 1

    def __len__(self) -> int:
        return self._size

    def remove(self, key: int) -> None:
        """Forget a key that is there; what was displaced by it moves up."""
        hole = self._slot(key)
        at = (hole + 1) & self._mask
        while self._numbers[at] != MISSING:
            home = int(self._keys[at]) & self._mask
            if (at - home) & self._mask >= (at - hole) & self._mask:
                self._keys[hole], self._numbers[hole] = self._keys[at], self._numbers[at]
                hole = at
            at = (at + 1) & self._mask
        self._numbers[hole] = MISSING
        self._size -= 1

    def _slot(self, key: int) -> int:
        slot = key & self._mask
        while self._numbers[slot] == MISSING or int(self._keys[slot]) != key:
            slot = (slot + 1) & self._mask
        return slot

    def _put(self, key: int, number: int) -> None:
        slot = key & self._mask
        while self._numbers[slot] != MISSING:
            slot = (slot + 1) & self._mask
        self._keys[slot] = key
        self._numbers[slot] = number

    def _grow(self) -> None:
        used = self._numbers != MISSING
        keys, numbers = self._keys[used].tolist(), self._numbers[used].tolist()
        self._allocate(2 * (self._mask + 1))
        for key, number in zip(keys, numbers, strict=True):
            self._put(key, number)

    def find(self, keys: npt.NDArray[np.uint64]) -> Ids:
        """The numbers of keys, 0xFFFFFFFF where there is none."""
        slots = (keys & np.uint64(self._mask)).astype(np.int64)
        found = np.where(self._keys[slots] == keys, self._numbers[slots], MISSING)
        open_ = np.flatnonzero((found == MISSING) & (self._numbers[slots] != MISSING))
        while len(open_):
            slots[open_] = (slots[open_] + 1) & self._mask
            at = slots[open_]
            found[open_] = np.where(self._keys[at] == keys[open_], self._numbers[at], MISSING)
            open_ = open_[(found[open_] == MISSING) & (self._numbers[at] != MISSING)]
        return found


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of one series."""

    hash: int
    labels: Labels
    type: str
    unit: str
    help: str


class SeriesIndex:
    """All series by number, by hash and by label. One thread adds and forgets; any thread matches.

    A series without samples sleeps: its labels are forgotten, but its hash still finds its number, since whoever has
    described it once need not do so again. Labels that it gets back wake it.
    """

    def __init__(self) -> None:
        self._series: list[Series | None] = []
        self._numbers = HashTable()
        self._postings: dict[str, dict[str, array[int]]] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._asleep = bytearray()
        self._families: dict[str, Metadata] = {}
        self._cache: dict[tuple[Matcher, ...], tuple[int, Ids]] = {}
        self._lock = threading.Lock()
        self._version = 0
        self._awake = 0

    def __len__(self) -> int:
        """How many are awake."""
        return self._awake

    @property
    def numbered(self) -> int:
        """How many there are, sleeping ones among them."""
        return len(self._numbers)

    @property
    def next_number(self) -> int:
        """The number that the next new series gets."""
        return len(self._series)

    def find(self, hashes: npt.NDArray[np.uint64]) -> Ids:
        """Numbers of content hashes, MISSING where there is none."""
        return self._numbers.find(hashes)

    def get(self, number: int) -> Series | None:
        """A series; None where it sleeps or is forgotten."""
        return self._series[number]

    def asleep(self, numbers: Ids) -> Ids:
        """Those that sleep, each once, increasing."""
        asleep = numbers[np.frombuffer(self._asleep, np.bool_)[numbers]]
        return np.unique(asleep) if len(asleep) else asleep

    def add(self, meta: SeriesMeta) -> int:
        """Number a new series."""
        with self._lock:
            number = len(self._series)
            self._append(meta)
            return number

    def restore(self, number: int, meta: SeriesMeta) -> None:
        """Put a stored series back under its number; numbers come in increasing order."""
        with self._lock:
            gap = number - len(self._series)
            self._series.extend([None] * gap)
            self._asleep.extend(bytes(gap))
            self._append(meta)

    def wake(self, number: int, meta: SeriesMeta) -> None:
        """Give a sleeping series its labels back."""
        with self._lock:
            self._asleep[number] = False
            self._know(number, meta)

    def _append(self, meta: SeriesMeta) -> None:
        number = len(self._series)
        self._series.append(None)
        self._asleep.append(False)
        self._numbers.add(meta.id, number)
        self._know(number, meta)

    def _know(self, number: int, meta: SeriesMeta) -> None:
        labels = tuple(self._pairs.setdefault(pair, pair) for pair in meta.labels)
        family = _family(dict(labels).get("__name__", ""), meta.type)
        known = self._families.setdefault(family, Metadata(family, meta.type, meta.unit, meta.help))
        help_ = known.help if known.help == meta.help else meta.help
        self._series[number] = Series(meta.id, labels, sys.intern(meta.type), sys.intern(meta.unit), help_)
        for name, value in labels:
            insort(self._postings.setdefault(name, {}).setdefault(value, array("I")), number)
        self._awake += 1
        self._version += 1

    def counters(self) -> Ids:
        """Numbers of the series that only rise: counters, and what histograms and summaries count."""
        with self._lock:
            return np.array([number for number, each in enumerate(self._series) if each and _counts(each)], np.uint32)

    def drop_last(self, n: int) -> None:
        """Take back the last n series that were added: their batch was not stored."""
        with self._lock:
            for series in [each for each in self._series[len(self._series) - n :] if each]:
                for name, value in series.labels:
                    self._postings[name][value].pop()
                self._numbers.remove(series.hash)
                self._tidy([series])
            del self._series[len(self._series) - n :], self._asleep[len(self._asleep) - n :]

    def forget(self, numbers: Ids) -> None:
        """Put series to sleep."""
        with self._lock:
            gone = np.zeros(len(self._series), np.bool_)
            gone[numbers] = True
            series = self._among(numbers)
            for name, value in {pair for each in series for pair in each.labels}:
                posting = np.array(self._postings[name][value], np.uint32)
                self._postings[name][value] = array("I", posting[~gone[posting]].tobytes())
            for number in numbers.tolist():
                self._series[number], self._asleep[number] = None, True
            self._tidy(series)

    def _among(self, numbers: Ids) -> list[Series]:
        of: list[int] = numbers.tolist()
        return [series for number in of if (series := self._series[number])]

    def _tidy(self, gone: Sequence[Series]) -> None:
        """Let go of what no series has any more."""
        for name, value in {pair for each in gone for pair in each.labels}:
            if not self._postings[name][value]:
                del self._postings[name][value], self._pairs[name, value]
        names = self._postings.get("__name__", {})
        for family in {_family(dict(each.labels).get("__name__", ""), each.type) for each in gone}:
            if not any(family + suffix in names for suffix in ("", "_bucket", "_count", "_sum")):
                self._families.pop(family, None)
        self._awake -= len(gone)
        self._version += 1

    def remove(self, numbers: Ids) -> None:
        """Forget series for good; their numbers are not used again while this index lives."""
        gone = self._among(numbers)
        self.forget(numbers)
        for number, series in zip(numbers.tolist(), gone, strict=True):
            self._numbers.remove(series.hash)
            self._asleep[number] = False

    def metadata(self) -> Sequence[Metadata]:
        """Metadata of every family, by name."""
        with self._lock:
            return sorted(self._families.values(), key=lambda each: each.name)

    def match(self, matchers: Sequence[Matcher]) -> Ids:
        """Numbers of the series that match all, increasing. Raises QueryRefused for a regex that RE2 refuses.

        Values are compared without the lock, so that a long search holds up nobody who adds.
        """
        key = tuple(matchers)
        with self._lock:
            version = self._version
            cached = self._cache.get(key)
            if cached and cached[0] == version:
                return cached[1]
            values = {each.name: list(self._postings.get(each.name, ())) for each in key if not _is_plain(each)}
        choices = [_choice(each, values.get(each.name, ())) for each in key]
        with self._lock:
            ids = self._chosen(choices)
            if len(self._cache) >= _CACHED_MAX:
                self._cache.clear()
            self._cache[key] = version, ids
            return ids

    def _chosen(self, choices: "Sequence[_Choice]") -> Ids:
        ids: Ids | None = None
        for choice in choices:
            found = self._union(choice)
            if choice.refused:
                ids = np.setdiff1d(self._all() if ids is None else ids, found, assume_unique=True)
            else:
                ids = found if ids is None else np.intersect1d(ids, found, assume_unique=True)
        return self._all() if ids is None else ids

    def _all(self) -> Ids:
        return np.array([number for number, each in enumerate(self._series) if each is not None], np.uint32)

    def _union(self, choice: "_Choice") -> Ids:
        by_value = self._postings.get(choice.name, {})
        found = [np.array(by_value[value], np.uint32) for value in choice.values if value in by_value]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Values of a label that a matcher selects; refused: those that it refuses, where it selects the absent one."""

    name: str
    values: Sequence[str]
    refused: bool


def _is_plain(matcher: Matcher) -> bool:
    return matcher.op is MatchOp.EQ and bool(matcher.value)


def _choice(matcher: Matcher, values: Sequence[str]) -> _Choice:
    if _is_plain(matcher):
        return _Choice(matcher.name, [matcher.value], refused=False)
    accepts = _predicate(matcher)
    refused = accepts("")
    return _Choice(matcher.name, [value for value in values if accepts(value) is not refused], refused)


def _predicate(matcher: Matcher) -> Callable[[str], bool]:
    value = matcher.value
    match matcher.op:
        case MatchOp.EQ:
            return lambda text: text == value
        case MatchOp.NE:
            return lambda text: text != value
        case MatchOp.RE:
            pattern = _compiled(value)
            return lambda text: pattern.fullmatch(text) is not None
        case MatchOp.NRE:
            pattern = _compiled(value)
            return lambda text: pattern.fullmatch(text) is None


def _compiled(pattern: str) -> Pattern:
    try:
        return compile_anchored(pattern)
    except BadPattern as error:
        raise QueryRefused("bad_data", f"regular expression {pattern!r}: {error}") from None


_SUFFIXES: Final = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}


def _family(name: str, type_: str) -> str:
    for suffix in _SUFFIXES.get(type_, ()):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _counts(series: Series) -> bool:
    if series.type == "summary":
        return not any(name == "quantile" for name, _ in series.labels)
    return series.type in ("counter", "histogram")
