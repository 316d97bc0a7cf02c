"""What was begun and not yet ended, by its id; of more than may be open the oldest are forgotten."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class Open(Generic[T]):
    """At most so many, in the order in which they began."""

    __slots__ = ("_found", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        # Ordered: the oldest of a plain dict is found ever more slowly where they go one by one.
        self._found: OrderedDict[str, T] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def begin(self, key: str, value: T) -> None:
        """Remember it, instead of the oldest where there is no room."""
        self._found[key] = value
        if len(self._found) > self._limit:
            self._found.popitem(last=False)

    def end(self, key: str) -> T | None:
        """Forget it; None if it was not open, or is forgotten."""
        return self._found.pop(key, None)
