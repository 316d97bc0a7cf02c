"""One query being answered: what it reads from, what it may cost, what it has to say."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from flashmm_backends.promql._ast import Anchor, At
from flashmm_backends.promql._budget import Budget
from flashmm_backends.promql._limits import Limits
from flashmm_backends.promql._values import Floats, Times
from flashmm_backends.promql.source import Matcher, SampleSource, Selection


@dataclass(slots=True)
class Session:
    """State of one query. start_ms and end_ms are the whole query's, which `@ start()` and `@ end()` mean."""

    source: SampleSource
    limits: Limits
    budget: Budget
    start_ms: int
    end_ms: int
    notes: dict[str, None] = field(default_factory=dict[str, None])
    _selections: dict[tuple[Sequence[Matcher], int, int], Selection] = field(
        default_factory=dict[tuple[Sequence[Matcher], int, int], Selection]
    )

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> Selection:
        """Read from the source, once for equal selectors."""
        key = (matchers, start_ms, end_ms)
        if key not in self._selections:
            selection = self.source.select(matchers, start_ms, end_ms)
            held = 0 if selection.histograms is None else len(selection.histograms.times_ms)
            self.budget.take(len(selection.times_ms) + held)
            self.notes |= dict.fromkeys(selection.annotations)
            self._selections[key] = selection
        return self._selections[key]

    def warn(self, message: str) -> None:
        """Annotate the answer with a warning, once."""
        self.notes[f"PromQL warning: {message}"] = None

    def inform(self, message: str) -> None:
        """Annotate the answer with an information, once."""
        self.notes[f"PromQL info: {message}"] = None

    def reference_times(self, steps: Times, offset_ms: int, at: At | None) -> Times:
        """The times that a selector refers to at each step."""
        if at is None:
            return steps - offset_ms
        fixed = {Anchor.TIME: at.time_ms, Anchor.START: self.start_ms, Anchor.END: self.end_ms}[at.anchor]
        return steps * 0 + (fixed - offset_ms)


def note_quantile(session: Session, wanted: Floats) -> None:
    """Warn about quantiles outside [0, 1]."""
    for value in np.unique(wanted[~((wanted >= 0) & (wanted <= 1))]):
        written = "NaN" if np.isnan(value) else f"{value:+g}" if np.isinf(value) else f"{value:g}"
        session.warn(f"quantile value should be between 0 and 1, got {written.replace('inf', 'Inf')}")
