"""One request, decoded and deduplicated, and what it holds in memory of what it brought."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flashmm_backends.batch import Batch
from flashmm_receiver._refusals import Refusals


@dataclass(slots=True)
class Decoded:
    """batch: what is new, None where nothing is.

    stored: called once the batch is durable. forget: called instead when it could not be stored, so that the same
    records are new again when they return.
    """

    refusals: Refusals
    batch: Batch | None
    accepted: Mapping[str, int] = field(default_factory=dict[str, int])
    duplicates: Mapping[str, int] = field(default_factory=dict[str, int])
    stored: Sequence[Callable[[], None]] = ()
    forget: Sequence[Callable[[], None]] = ()

    @property
    def has_duplicates(self) -> bool:
        """True where some of it was delivered before."""
        return any(self.duplicates.values())
