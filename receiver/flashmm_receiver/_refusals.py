"""What of a request was refused, and why, for `partial_success` and for the counters."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

_EXAMPLES_MAX: Final = 5
_TEXT_MAX: Final = 300


@dataclass(slots=True)
class Refusals:
    """Counts of refused records by reason, with a few told in full."""

    by_reason: Counter[str] = field(default_factory=Counter[str])
    examples: list[str] = field(default_factory=list[str])

    def add(self, reason: str, text: str, count: int = 1) -> None:
        """Refuse `count` records.

        reason: from a small closed set, a label. text: names what, and how to mend it; empty where told before.
        """
        if count <= 0:
            return
        self.by_reason[reason] += count
        text = text[:_TEXT_MAX]
        if text and len(self.examples) < _EXAMPLES_MAX and text not in self.examples:
            self.examples.append(text)

    @property
    def total(self) -> int:
        """Records refused."""
        return self.by_reason.total()

    @property
    def message(self) -> str:
        """For the sender; empty where nothing was refused."""
        if not self.by_reason:
            return ""
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(self.by_reason.items()))
        return f"refused {self.total} ({counts}): " + "; ".join(self.examples)
