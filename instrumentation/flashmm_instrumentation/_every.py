"""A thread that does something each so many seconds, and when it is asked to."""

import threading
from collections.abc import Callable
from typing import Final


class Every:
    """Calls action, which must not raise, every interval_s() seconds (asked for each time) until stopped."""

    def __init__(self, name: str, interval_s: Callable[[], float], action: Callable[[], None]) -> None:
        self._name: Final = name
        self._interval_s = interval_s
        self._action = action
        self.start()

    def start(self) -> None:
        """Begin; again in the child after a fork, where no thread survives."""
        self._changed = threading.Condition()
        self._asked = self._done = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"flashmm-{self._name}", daemon=True)
        self._thread.start()

    def now(self, timeout_s: float) -> bool:
        """Have one action begin now, or after the one under way; False if it is not over in time."""
        with self._changed:
            self._asked += 1
            wanted = self._asked
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._done >= wanted, timeout_s)

    def stop(self, timeout_s: float) -> None:
        """End with one last action, which is waited for."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            with self._changed:
                self._changed.wait_for(self._due, self._interval_s())
                stopping, asked = self._stopping, self._asked
            self._action()
            with self._changed:
                self._done = asked
                self._changed.notify_all()

    def _due(self) -> bool:
        return self._stopping or self._asked > self._done
