"""How much of what a bot emitted has arrived, live: sequence numbers and stream marks, run by run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from flashmm_backends.batch import Event
from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import StreamMark
from flashmm_streaming._identity import Owner

STREAMS_MAX = 10_000


@dataclass(slots=True)
class _Stream:
    """One (run, kind) since we began to look: numbers above `base` count."""

    owner: Owner
    base: int
    received: int = 0
    highest: int = 0

    @property
    def expected(self) -> int:
        return self.highest - self.base


class Arrivals:
    """Received and expected events by bot. Events are deduplicated before they come here."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._runs: dict[str, Owner | None] = {}
        self._unclosed: Counter[Owner] = Counter()

    def update(self, arrived: Sequence[Event], time_ms: int) -> list[dict[str, object]]:
        """An item for each bot that something arrived from."""
        for event in arrived:
            self._count(event)
        for event in arrived:
            if event.kind == events.STREAM.name:
                self._raise_mark(event)
                self._follow_run(event)
        owners = dict.fromkeys(Owner(event.bot, event.account) for event in arrived)
        return [self._item(owner, time_ms) for owner in owners]

    def _count(self, event: Event) -> None:
        stream = self._stream(event, event.kind, event.seq - 1)
        if event.seq > stream.base:
            stream.received += 1
            stream.highest = max(stream.highest, event.seq)

    def _raise_mark(self, event: Event) -> None:
        kind, high_water = event.fields.get("kind"), event.fields.get("high_water")
        if isinstance(kind, str) and isinstance(high_water, int):
            stream = self._stream(event, kind, high_water)
            stream.highest = max(stream.highest, high_water)

    def _follow_run(self, event: Event) -> None:
        """A run whose marks were seen and that the bot's next one names as its previous, but that never closed."""
        fields = event.fields
        if event.run not in self._runs:
            self._runs[event.run] = Owner(event.bot, event.account)
            if len(self._runs) > STREAMS_MAX:
                del self._runs[next(iter(self._runs))]
        if fields.get("mark") == StreamMark.CLOSE.value and fields.get("kind") == events.STREAM.name:
            self._runs[event.run] = None
        previous = fields.get("previous_run")
        if isinstance(previous, str) and (owner := self._runs.get(previous)):
            self._runs[previous] = None
            self._unclosed[owner] += 1

    def _stream(self, event: Event, kind: str, base: int) -> _Stream:
        """A run whose opening was not seen counts from its first event seen."""
        key = (event.run, kind)
        if key not in self._streams:
            self._streams[key] = _Stream(Owner(event.bot, event.account), base, highest=base)
            if len(self._streams) > STREAMS_MAX:
                del self._streams[next(iter(self._streams))]
        return self._streams[key]

    def _item(self, owner: Owner, time_ms: int) -> dict[str, object]:
        streams = [stream for stream in self._streams.values() if stream.owner == owner]
        received = sum(stream.received for stream in streams)
        expected = sum(stream.expected for stream in streams)
        return {
            **owner.body(),
            "time_ms": time_ms,
            "received": received,
            "expected": expected,
            "missing": expected - received,
            "ratio": _ratio(received, expected),
            "unclosed_runs": self._unclosed[owner],
        }


def _ratio(received: int, expected: int) -> str:
    """Rounded down: 1 means nothing is missing."""
    exact = Decimal(received) / expected if expected else Decimal(1)
    return format(exact.quantize(Decimal("0.000001"), ROUND_DOWN).normalize(), "f")
