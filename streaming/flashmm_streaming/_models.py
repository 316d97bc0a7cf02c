"""Predictions joined to their outcomes: how often the direction was right."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from prometheus_client import Counter

from flashmm_backends.batch import Event, EventValue
from flashmm_instrumentation.semconv import events
from flashmm_streaming import _text
from flashmm_streaming._events import head
from flashmm_streaming._recent import Recent

WINDOW = 500
OPEN_MAX = 20_000
"""Predictions that wait for their outcome."""
MODELS_MAX = 2_000
"""Models, by symbol, that outcomes are kept of."""


@dataclass(slots=True)
class _Record:
    hits: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    predictions: int = 0
    outcomes: int = 0


class Predictions:
    """Open predictions, and each model's last outcomes. Neither counts where it has no direction."""

    def __init__(self, forgotten: Counter) -> None:
        self._open: Recent[tuple[str, object], EventValue] = Recent(OPEN_MAX, forgotten.labels("predictions"))
        self._records: Recent[tuple[str, str, object, object], _Record] = Recent(
            MODELS_MAX, forgotten.labels("models")
        )

    def add(self, event: Event) -> dict[str, object] | None:
        """A `model` item if the event was an outcome that we know the prediction of."""
        record = self._record(event)
        if event.kind == events.PREDICTION.name:
            record.predictions += 1
            self._open.put((event.run, event.fields["prediction_id"]), event.fields["value"])
            return None
        record.outcomes += 1
        return self._judge(event, record)

    def _judge(self, event: Event, record: _Record) -> dict[str, object] | None:
        predicted = _is_up(self._open.pop((event.run, event.fields["prediction_id"]), None))
        truth = _is_up(event.fields["value"])
        if predicted is None or truth is None:
            return None
        record.hits.append(predicted is truth)
        return _item(event, record)

    def _record(self, event: Event) -> _Record:
        key = (event.bot, event.account, event.fields["symbol"], event.fields["model"])
        return self._records.renew(key, _Record)


def _is_up(value: EventValue) -> bool | None:
    """The direction; none in 0, NaN and what is no number."""
    return value > 0 if isinstance(value, float) and abs(value) > 0 else None


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
