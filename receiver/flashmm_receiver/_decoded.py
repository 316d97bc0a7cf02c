"""One request, decoded and deduplicated, and what it holds in memory of what it brought."""

from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from flashmm_backends.batch import Batch, Span
from flashmm_receiver._refusals import Refusals

Keys: TypeAlias = Set[Hashable]
"""What records are recognised by: trace and span, (stream, number), (series, millisecond)."""


def span_key(span: Span) -> bytes:
    """A span's."""
    return span.trace_id + span.span_id


def keys_of(batch: Batch) -> Keys:
    """Those of all records of a batch that have one."""
    return {
        *map(span_key, batch.spans),
        *(((event.run, event.kind), event.seq) for event in batch.events),
        *zip(batch.points.series_id.tolist(), batch.points.time_ms.tolist(), strict=True),
        *zip(batch.histograms.series_id, batch.histograms.time_ms, strict=True),
    }


@dataclass(slots=True)
class Decoded:
    """batch: what is new, None where nothing is. repeated: what was delivered before.

    stored: called once the batch is durable. forget: called instead when it could not be stored, so that the same
    records are new again when they return.
    """

    refusals: Refusals
    batch: Batch | None
    accepted: Mapping[str, int] = field(default_factory=dict[str, int])
    duplicates: Mapping[str, int] = field(default_factory=dict[str, int])
    repeated: Keys = frozenset()
    stored: Sequence[Callable[[], None]] = ()
    forget: Sequence[Callable[[], None]] = ()
