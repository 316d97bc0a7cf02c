"""Series and their labels in memory: dense numbers for content hashes, and an inverted index for matchers."""

import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Labels, SeriesMeta
from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql._regex import BadPattern, Pattern, compile_anchored
from flashmm_backends.promql.source import Matcher, MatchOp, Metadata

Ids = npt.NDArray[np.uint32]

_MISSING: Final = np.uint32(0xFFFF_FFFF)
_CACHED_MAX: Final = 256


class HashTable:
    """uint64 hashes → uint32 numbers by open addressing, so that a whole batch is looked up at once."""

    def __init__(self) -> None:
        self._size = 0
        self._allocate(1 << 10)

    def _allocate(self, slots: int) -> None:
        self._keys = np.zeros(slots, np.uint64)
        self._numbers = np.full(slots, _MISSING, np.uint32)
        self._mask = slots - 1

    def add(self, key: int, number: int) -> None:
        """Map a new key."""
        if 2 * (self._size + 1) > self._mask:
            self._grow()
        self._put(key, number)
        self._size += 1

    def _put(self, key: int, number: int) -> None:
        slot = key & self._mask
        while self._numbers[slot] != _MISSING:
            slot = (slot + 1) & self._mask
        self._keys[slot] = key
        self._numbers[slot] = number

    def _grow(self) -> None:
        used = self._numbers != _MISSING
        keys, numbers = self._keys[used].tolist(), self._numbers[used].tolist()
        self._allocate(2 * (self._mask + 1))
        for key, number in zip(keys, numbers, strict=True):
            self._put(key, number)

    def find(self, keys: npt.NDArray[np.uint64]) -> Ids:
        """The numbers of keys, 0xFFFFFFFF where there is none."""
        slots = (keys & np.uint64(self._mask)).astype(np.int64)
        found = np.where(self._keys[slots] == keys, self._numbers[slots], _MISSING)
        open_ = np.flatnonzero((found == _MISSING) & (self._numbers[slots] != _MISSING))
        while len(open_):
            slots[open_] = (slots[open_] + 1) & self._mask
            at = slots[open_]
            found[open_] = np.where(self._keys[at] == keys[open_], self._numbers[at], _MISSING)
            open_ = open_[(found[open_] == _MISSING) & (self._numbers[at] != _MISSING)]
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
    """All series by number, by hash and by label. One thread adds; any thread matches."""

    def __init__(self) -> None:
        self._series: list[Series | None] = []
        self._numbers = HashTable()
        self._postings: dict[str, dict[str, array[int]]] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._texts: dict[str, str] = {}
        self._families: dict[str, Metadata] = {}
        self._cache: dict[tuple[Matcher, ...], tuple[int, Ids]] = {}
        self._lock = threading.Lock()
        self._version = 0

    def __len__(self) -> int:
        return sum(1 for each in self._series if each is not None) if None in self._series else len(self._series)

    @property
    def next_number(self) -> int:
        """The number that the next new series gets."""
        return len(self._series)

    def find(self, hashes: npt.NDArray[np.uint64]) -> Ids:
        """Numbers of content hashes; `missing` tells which have none."""
        return self._numbers.find(hashes)

    def labels(self, number: int) -> Labels:
        """Labels of a series."""
        series = self._series[number]
        if series is None:
            raise KeyError(number)
        return series.labels

    def hash(self, number: int) -> int:
        """Content hash of a series' labels."""
        series = self._series[number]
        if series is None:
            raise KeyError(number)
        return series.hash

    def add(self, meta: SeriesMeta) -> int:
        """Number a new series."""
        with self._lock:
            number = len(self._series)
            self._append(meta)
            return number

    def restore(self, number: int, meta: SeriesMeta) -> None:
        """Put a stored series back under its number; numbers come in increasing order."""
        with self._lock:
            self._series.extend([None] * (number - len(self._series)))
            self._append(meta)

    def _append(self, meta: SeriesMeta) -> None:
        number = len(self._series)
        labels = tuple(self._shared(pair) for pair in meta.labels)
        type_, unit, help_ = (self._texts.setdefault(text, text) for text in (meta.type, meta.unit, meta.help))
        self._series.append(Series(meta.id, labels, type_, unit, help_))
        self._numbers.add(meta.id, number)
        for name, value in labels:
            self._postings.setdefault(name, {}).setdefault(value, array("I")).append(number)
        self._note_family(labels, meta)
        self._version += 1

    def counters(self) -> Ids:
        """Numbers of the series that only rise: counters, and what histograms and summaries count."""
        with self._lock:
            return np.array([number for number, each in enumerate(self._series) if each and _counts(each)], np.uint32)

    def drop_last(self, n: int) -> None:
        """Take back the last n series that were added: their batch was not stored."""
        if n:
            count = len(self._series) - n
            self.remove(range(count, len(self._series)))
            with self._lock:
                del self._series[count:]

    def _shared(self, pair: tuple[str, str]) -> tuple[str, str]:
        return self._pairs.setdefault(pair, pair)

    def _note_family(self, labels: Labels, meta: SeriesMeta) -> None:
        family = _family(dict(labels).get("__name__", ""), meta.type)
        if family not in self._families:
            self._families[family] = Metadata(family, meta.type, meta.unit, meta.help)

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget series; their numbers are not used again while this index lives."""
        gone = set(numbers)
        kept = [(number, each) for number, each in enumerate(self._series) if each and number not in gone]
        fresh = SeriesIndex()
        for number, each in kept:
            fresh.restore(number, SeriesMeta(each.hash, each.labels, each.type, each.unit, each.help))
        with self._lock:
            fresh._series.extend([None] * (len(self._series) - len(fresh._series)))
            self._series, self._numbers, self._postings = fresh._series, fresh._numbers, fresh._postings
            self._pairs, self._families, self._cache = fresh._pairs, fresh._families, {}
            self._version += 1

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
