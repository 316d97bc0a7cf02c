"""What is left to a query while it runs."""

import time
from collections.abc import Callable

from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql._limits import Limits


class Budget:
    """What is left of a query's time and samples. Raises QueryRefused when either ends."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples = limits.samples
        self._deadline = clock() + limits.seconds

    def take(self, samples: int) -> None:
        """Account for samples about to be held, and check the time."""
        self.check_time()
        self._samples -= samples
        if self._samples < 0:
            raise QueryRefused(
                "execution", "query processing would load too many samples into memory in query execution"
            )

    def check_time(self) -> None:
        """Raise when the deadline has passed."""
        if self._clock() > self._deadline:
            raise QueryRefused("timeout", "query timed out in expression evaluation")
