"""Predictions joined to their outcomes: how often the direction was right."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from flashmm_backends.batch import Event
from flashmm_instrumentation.semconv import events
from flashmm_streaming import _text
from flashmm_streaming._events import head

WINDOW = 500
OPEN_MAX = 20_000
"""Predictions that wait for their outcome."""


@dataclass(slots=True)
class _Record:
    hits: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    predictions: int = 0
    outcomes: int = 0


class Predictions:
    """Open predictions, and each model's last outcomes. An outcome of exactly 0 has no direction."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, object], float] = {}
        self._records: dict[tuple[str, str, object, object], _Record] = {}

    def add(self, event: Event) -> dict[str, object] | None:
        """A `model` item if the event was an outcome that we know the prediction of."""
        record = self._record(event)
        if event.kind == events.PREDICTION.name:
            record.predictions += 1
            self._remember(event)
            return None
        record.outcomes += 1
        return self._judge(event, record)

    def _judge(self, event: Event, record: _Record) -> dict[str, object] | None:
        predicted = self._open.pop((event.run, event.fields["prediction_id"]), None)
        truth = event.fields["value"]
        if predicted is None or not isinstance(truth, float) or not truth:
            return None
        record.hits.append((predicted > 0) == (truth > 0))
        return _item(event, record)

    def _record(self, event: Event) -> _Record:
        key = (event.bot, event.account, event.fields["symbol"], event.fields["model"])
        return self._records.setdefault(key, _Record())

    def _remember(self, event: Event) -> None:
        value = event.fields["value"]
        if isinstance(value, float):
            self._open[event.run, event.fields["prediction_id"]] = value
        if len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]


def _item(event: Event, record: _Record) -> dict[str, object]:
    hits, judged = sum(record.hits), len(record.hits)
    return {
        **head(event),
        "symbol": event.fields["symbol"],
        "model": event.fields["model"],
        "source": "judged",
        "hit_rate": _text.rounded(Decimal(hits) / judged, 6),
        "judged": judged,
        "predictions": record.predictions,
        "outcomes": record.outcomes,
    }
