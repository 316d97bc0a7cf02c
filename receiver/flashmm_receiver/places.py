"""Who makes room where all connections' places are taken: whoever keeps us waiting longest."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

_C = TypeVar("_C")


class Places(Generic[_C]):
    """A bounded number of connections.

    A newcomer takes the place of one that we wait for: first of the strangers, who have asked for nothing yet, then
    of those whose next request we wait for; the oldest of them. One that waits for us keeps its place.
    So whoever holds connections open without using them shuts nobody out. places_max: how many. evict: ends one.
    """

    def __init__(self, places_max: int, evict: Callable[[_C], None]) -> None:
        self._places_max = places_max
        self._evict = evict
        self._strangers: OrderedDict[_C, None] = OrderedDict()
        self._known: OrderedDict[_C, None] = OrderedDict()
        self._served: set[_C] = set()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known) + len(self._served)

    def __iter__(self) -> Iterator[_C]:
        """Over those that are there now, whatever ends meanwhile."""
        return iter([*self._strangers, *self._known, *self._served])

    def __contains__(self, connection: object) -> bool:
        return connection in self._strangers or connection in self._known or connection in self._served

    def enter(self, connection: _C) -> bool:
        """Take a place, as a stranger. False where all others wait for us."""
        if len(self) >= self._places_max and not self._make_room():
            return False
        self._strangers[connection] = None
        return True

    def _make_room(self) -> bool:
        for queue in (self._strangers, self._known):
            if queue:
                connection, _ = queue.popitem(last=False)
                self._evict(connection)
                return True
        return False

    def serves(self, connection: _C) -> None:
        """It has asked for something and waits for the answer."""
        if connection in self:
            self.leave(connection)
            self._served.add(connection)

    def awaits(self, connection: _C) -> None:
        """It has its answer, or what it sends has come; its turn now."""
        if connection in self:
            self.leave(connection)
            self._known[connection] = None

    def leave(self, connection: _C) -> None:
        """Give the place back, if it had one."""
        self._strangers.pop(connection, None)
        self._known.pop(connection, None)
        self._served.discard(connection)
