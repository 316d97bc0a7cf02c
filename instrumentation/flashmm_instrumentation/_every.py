"""A thread that does something each so many seconds."""

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
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"flashmm-{self._name}", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End with one last action, which is waited for."""
        self._stopped.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s()):
            self._action()
        self._action()
