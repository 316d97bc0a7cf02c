"""A randomised switchback experiment: quoting on or off by turns, in pairs of random order.

Each pair of equal spans holds one of each arm; which comes first is drawn from the seed and the pair's number alone,
so that the plan is a function of time, known before it begins and the same after a restart.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

EXPERIMENT: Final = "quoting"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One span of the experiment, [start_ns, end_ns)."""

    assignment_id: str
    quoting: bool
    start_ns: int
    end_ns: int

    @property
    def arm(self) -> str:
        """`on` or `off`."""
        return "on" if self.quoting else "off"


class Switchback:
    """The plan of an experiment whose assignments last `arm_ns` each, aligned to the clock."""

    def __init__(self, seed: int, arm_ns: int) -> None:
        self._seed = seed
        self._arm_ns = arm_ns

    def at(self, now_ns: int) -> Assignment:
        """The assignment in force at that time."""
        index = now_ns // self._arm_ns
        pair, second = divmod(index, 2)
        on_first = Random(f"{self._seed}:{pair}").random() < 0.5  # noqa: S311 - a reproducible plan, not a secret
        start_ns = index * self._arm_ns
        return Assignment(
            assignment_id=f"{self._seed}-{index}",
            quoting=on_first != bool(second),
            start_ns=start_ns,
            end_ns=start_ns + self._arm_ns,
        )
