"""What is due later, in the order of its time."""

import heapq
from collections.abc import Callable
from typing import Final

FAR_NS: Final = 2**63 - 1


class Schedule:
    """Callbacks by their due time; equal times in the order they were given. Each gets its due time."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0

    def at(self, due_ns: int, action: Callable[[int], None]) -> None:
        """Do it at that time."""
        self._count += 1
        heapq.heappush(self._heap, (due_ns, self._count, action))

    def every(self, first_ns: int, interval_ns: int, action: Callable[[int], None]) -> None:
        """Do it at that time and again at each interval."""

        def repeat(due_ns: int) -> None:
            action(due_ns)
            self.at(due_ns + interval_ns, repeat)

        self.at(first_ns, repeat)

    def next_ns(self) -> int:
        """When the next is due; FAR_NS when nothing is."""
        return self._heap[0][0] if self._heap else FAR_NS

    def run(self, now_ns: int) -> None:
        """Do all that is due, each at its own time."""
        while self._heap and self._heap[0][0] <= now_ns:
            due_ns, _, action = heapq.heappop(self._heap)
            action(due_ns)
