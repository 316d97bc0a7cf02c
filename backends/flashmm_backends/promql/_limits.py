"""What one query may cost: text, time, samples."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from flashmm_backends.ranges import Count, Milliseconds, Seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the engine. The first three refuse before parsing, because the parser is recursive."""

    text_bytes: Annotated[int, Interval(ge=1, le=65_536)] = 4096
    """Length of an expression, in bytes."""
    nesting: Annotated[int, Interval(ge=1, le=256)] = 64
    """Levels of nesting."""
    operators: Annotated[int, Interval(ge=1, le=1_000)] = 200
    """Operators in an expression."""
    steps: Count = 11_000
    """Points that a range query may return for each series."""
    samples: Count = 5_000_000
    """Samples read and computed by one query, all series and subqueries together."""
    seconds: Seconds = 30.0
    """Time that one query may take."""
    lookback_ms: Milliseconds = 300_000
    """How far an instant selector looks back for a sample, in milliseconds."""
    subquery_step_ms: Milliseconds = 5_000
    """Resolution of subqueries that name none, in milliseconds: the evaluation interval in deploy/prometheus."""
