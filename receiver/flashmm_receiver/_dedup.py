"""Recognising what was delivered before: spans by id, events by their place in a stream."""

from collections.abc import Mapping, Sequence
from typing import Final

from flashmm_backends.intervals import Intervals

_INTERVALS_MAX: Final = 4096
"""Gaps remembered of one stream; beyond it the oldest numbers are forgotten."""


class Streams:
    """The sequence numbers received, by stream (run, kind); the least recently used stream is forgotten first."""

    def __init__(self, streams_max: int, seqs: Mapping[tuple[str, str], Sequence[tuple[int, int]]]) -> None:
        self._streams_max = streams_max
        self._streams = {stream: Intervals(intervals) for stream, intervals in seqs.items()}

    def add(self, stream: tuple[str, str], seq: int) -> bool:
        """Note a number; False where it was there."""
        known = self._streams.pop(stream, None) or Intervals()
        self._streams[stream] = known
        if len(self._streams) > self._streams_max:
            del self._streams[next(iter(self._streams))]
        is_new = known.add(seq)
        known.keep(_INTERVALS_MAX)
        return is_new

    def remove(self, stream: tuple[str, str], seq: int) -> None:
        """Un-note a number."""
        if stream in self._streams:
            self._streams[stream].discard(seq)


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
