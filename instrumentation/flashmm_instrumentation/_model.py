"""A model of the bot's: what it predicts, and what came."""

from operator import index
from typing import Final

from flashmm_instrumentation._boundary import Boundary, Misuse, survives
from flashmm_instrumentation._core import Core
from flashmm_instrumentation._inputs import identifier, moment
from flashmm_instrumentation._numbers import figure
from flashmm_instrumentation._open import Open
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import MisuseReason

_OPEN_LIMIT: Final = 100_000
_HORIZON_NS_LIMIT: Final = 2**63


class Model:
    """A handle, bound once by Bot.model."""

    __slots__ = ("_core", "_labels", "_name", "_open", "_venue")

    def __init__(self, core: Core, name: str, venue: str) -> None:
        self._core: Final = core
        self._name: Final = name
        self._venue: Final = venue
        self._labels: Final = {attr.MODEL: name}
        self._open: Final[Open[str]] = Open(_OPEN_LIMIT)

    @property
    def boundary(self) -> Boundary:
        """Where this handle's failures stop."""
        return self._core.boundary

    @survives
    def predicted(
        self,
        prediction_id: str,
        symbol: str,
        horizon_ns: int,
        value: float,
        duration_s: float | None = None,
        at_ns: int | None = None,
    ) -> None:
        """The model said value for horizon_ns ahead; duration_s: what the inference took."""
        horizon = _horizon(horizon_ns)
        prediction_id = identifier(self.boundary, prediction_id, "prediction_id")
        symbol = identifier(self.boundary, symbol, "symbol")
        self._open.begin(prediction_id, symbol)
        self._emit(events.PREDICTION.name, at_ns, prediction_id, symbol, {"horizon_ns": horizon}, value)
        if duration_s is not None:
            self._core.instruments.inference_duration.record(figure(duration_s, "duration_s"), self._labels)

    @survives
    def outcome(self, prediction_id: str, value: float, at_ns: int | None = None) -> None:
        """What came true of a prediction of this run's last 100,000 open ones."""
        prediction_id = identifier(self.boundary, prediction_id, "prediction_id")
        symbol = self._open.end(prediction_id)
        if symbol is None:
            raise Misuse(
                MisuseReason.UNKNOWN_PREDICTION, f"prediction_id {prediction_id!r} of model {self._name} is not open"
            )
        self._emit(events.OUTCOME.name, at_ns, prediction_id, symbol, {}, value)

    @survives
    def accuracy(self, symbol: str, share: float) -> None:
        """Share, 0 to 1, of the recent predictions whose direction came true."""
        self._core.instruments.model_accuracy.set(figure(share, "share"), {**self._labels, attr.SYMBOL: symbol})

    @survives
    def drift(self, feature: str, index: float) -> None:
        """Population stability index of a feature (or of `prediction`) against its reference window."""
        self._core.instruments.model_drift.set(figure(index, "index"), {**self._labels, attr.FEATURE: feature})

    def _emit(
        self, kind: str, at_ns: int | None, prediction_id: str, symbol: str, more: dict[str, int], value: float
    ) -> None:
        now_ns = moment(self.boundary, at_ns, self._core.clock.now_ns(), "at_ns")
        body = {"venue": self._venue, "symbol": symbol, "model": self._name, "prediction_id": prediction_id}
        self._core.streams.emit(kind, now_ns, {**body, **more, "value": figure(value, "value")})


def _horizon(value: int) -> int:
    try:
        horizon_ns = index(value)
    except TypeError:
        horizon_ns = 0
    if not 0 < horizon_ns < _HORIZON_NS_LIMIT:
        raise Misuse(MisuseReason.BAD_HORIZON, f"horizon_ns {value!r:.80} is not a positive integer of nanoseconds")
    return horizon_ns
