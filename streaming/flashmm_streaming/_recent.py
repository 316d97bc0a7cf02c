"""What is remembered, up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from prometheus_client import Counter

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """At most so many keys: beyond that the one put or renewed longest ago gives way, and is counted."""

    def __init__(self, limit: int, forgotten: Counter) -> None:
        super().__init__()
        self._limit = limit
        self._forgotten = forgotten

    def put(self, key: K, value: V) -> V | None:
        """Keep it as the latest. Returns what gave way."""
        self[key] = value
        self.move_to_end(key)
        if len(self) <= self._limit:
            return None
        self._forgotten.inc()
        return self.popitem(last=False)[1]

    def renew(self, key: K, make: Callable[[], V]) -> V:
        """A key's value, made where there is none, as the latest."""
        if key in self:
            self.move_to_end(key)
        else:
            self.put(key, make())
        return self[key]
