"""Clustered arrivals: each one makes the next more likely for a while."""

import math
from random import Random


class HawkesArrivals:
    """A Hawkes process with an exponential kernel, sampled by Ogata's thinning.

    base_rate: arrivals a second without excitement; branching: further arrivals that one causes, below 1;
    decay: how fast excitement falls, 1/s. The mean rate is base_rate / (1 - branching).
    Source: Ogata (1981), "On Lewis' simulation method for point processes".
    """

    def __init__(self, base_rate: float, branching: float, decay: float, random: Random) -> None:
        self._base = base_rate
        self._jump = branching * decay
        self._decay = decay
        self._random = random
        self._excitement = 0.0

    @property
    def intensity(self) -> float:
        """Arrivals a second expected right after the last arrival."""
        return self._base + self._excitement

    def next_gap(self) -> float:
        """Seconds until the next arrival, which then counts as having happened."""
        gap = 0.0
        while True:
            bound = self.intensity
            step = self._random.expovariate(bound)
            gap += step
            self._excitement *= math.exp(-self._decay * step)
            if self._random.random() * bound <= self.intensity:
                self._excitement += self._jump
                return gap
