"""Recognising what was delivered before: spans by id, events by their place in a stream."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_INTERVALS_MAX: Final = 4096
"""Gaps remembered of one stream; beyond it the oldest numbers are forgotten."""


class IntervalSet:
    """Integers, kept as sorted, disjoint, inclusive intervals."""

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in intervals:
            self._starts.append(start)
            self._stops.append(stop)

    @property
    def intervals(self) -> Sequence[tuple[int, int]]:
        """What it holds."""
        return list(zip(self._starts, self._stops, strict=True))

    def add(self, number: int) -> bool:
        """Add a number; False where it was there."""
        i = bisect_right(self._starts, number)
        if i and number <= self._stops[i - 1]:
            return False
        joins_left = i > 0 and self._stops[i - 1] == number - 1
        joins_right = i < len(self._starts) and self._starts[i] == number + 1
        self._insert(i, number, joins_left=joins_left, joins_right=joins_right)
        if len(self._starts) > _INTERVALS_MAX:
            del self._starts[0], self._stops[0]
        return True

    def _insert(self, i: int, number: int, *, joins_left: bool, joins_right: bool) -> None:
        if joins_left and joins_right:
            self._stops[i - 1] = self._stops.pop(i)
            del self._starts[i]
        elif joins_left:
            self._stops[i - 1] = number
        elif joins_right:
            self._starts[i] = number
        else:
            self._starts.insert(i, number)
            self._stops.insert(i, number)

    def remove(self, number: int) -> None:
        """Take a number out, if it is there."""
        i = bisect_right(self._starts, number) - 1
        if i < 0 or number > self._stops[i]:
            return
        start, stop = self._starts[i], self._stops[i]
        pieces = [piece for piece in ((start, number - 1), (number + 1, stop)) if piece[0] <= piece[1]]
        self._starts[i : i + 1] = [piece[0] for piece in pieces]
        self._stops[i : i + 1] = [piece[1] for piece in pieces]


class Streams:
    """The sequence numbers received, by stream (run, kind); the least recently used stream is forgotten first."""

    def __init__(self, streams_max: int, seqs: Mapping[tuple[str, str], Sequence[tuple[int, int]]]) -> None:
        self._streams_max = streams_max
        self._streams = {stream: IntervalSet(intervals) for stream, intervals in seqs.items()}

    def add(self, stream: tuple[str, str], seq: int) -> bool:
        """Note a number; False where it was there."""
        known = self._streams.pop(stream, None) or IntervalSet()
        self._streams[stream] = known
        if len(self._streams) > self._streams_max:
            del self._streams[next(iter(self._streams))]
        return known.add(seq)

    def remove(self, stream: tuple[str, str], seq: int) -> None:
        """Un-note a number."""
        if stream in self._streams:
            self._streams[stream].remove(seq)


class RecentKeys:
    """The last keys seen, in two generations: between half and all of `keys_max`."""

    def __init__(self, keys_max: int) -> None:
        self._half = max(1, keys_max // 2)
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()

    def add(self, key: bytes) -> bool:
        """Note a key; False where it was there."""
        if key in self._young or key in self._old:
            return False
        if len(self._young) >= self._half:
            self._old, self._young = self._young, set()
        self._young.add(key)
        return True

    def remove(self, key: bytes) -> None:
        """Un-note a key."""
        self._young.discard(key)
        self._old.discard(key)
