"""A bot's steady load, for faults that strike in the middle of it."""

import threading
from collections.abc import Callable
from typing import Self

from tests.integration.stack.telemetry import Request, Sender

LOAD = 400
"""Requests of one load."""


class Load:
    """Requests 1 to LOAD, one after the other in a thread, each until it is acknowledged."""

    def __init__(self, bot: Sender, make: Callable[[int], Request]) -> None:
        self.acknowledged = 0
        self._bot, self._make = bot, make
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="load")

    def _run(self) -> None:
        for number in range(1, LOAD + 1):
            self._bot.send(self._make(number))
            with self._progress:
                self.acknowledged = number
                self._progress.notify_all()

    def until(self, number: int) -> None:
        """Wait for so many to be acknowledged."""
        with self._progress:
            reached = self._progress.wait_for(lambda: self.acknowledged >= number, 60)
        assert reached, f"stuck at {self.acknowledged} of {number}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join()
        assert self.acknowledged == LOAD
