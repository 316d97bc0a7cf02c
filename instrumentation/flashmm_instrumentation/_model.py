"""A model of the bot's: what it predicts, and what came."""

from typing import Final

from flashmm_instrumentation._boundary import Boundary, Misuse, survives
from flashmm_instrumentation._core import Core
from flashmm_instrumentation._numbers import figure
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import MisuseReason

_OPEN_LIMIT: Final = 100_000


class Model:
    """A handle, bound once by Bot.model."""

    __slots__ = ("_core", "_labels", "_name", "_open", "_venue")

    def __init__(self, core: Core, name: str, venue: str) -> None:
        self._core: Final = core
        self._name: Final = name
        self._venue: Final = venue
        self._labels: Final = {attr.MODEL: name}
        self._open: dict[str, str] = {}

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
        if horizon_ns <= 0:
            raise Misuse(MisuseReason.BAD_HORIZON, f"{horizon_ns!r} ns")
        while len(self._open) >= _OPEN_LIMIT:
            self._open.pop(next(iter(self._open)))
        self._open[prediction_id] = symbol
        self._emit(events.PREDICTION.name, at_ns, prediction_id, symbol, {"horizon_ns": horizon_ns}, value)
        if duration_s is not None:
            self._core.instruments.inference_duration.record(figure(duration_s, "duration_s"), self._labels)

    @survives
    def outcome(self, prediction_id: str, value: float, at_ns: int | None = None) -> None:
        """What came true of a prediction of this run's last 100,000 open ones."""
        symbol = self._open.pop(prediction_id, None)
        if symbol is None:
            raise Misuse(MisuseReason.UNKNOWN_PREDICTION, f"{self._name}: {prediction_id}")
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
        now_ns = self._core.clock.now_ns() if at_ns is None else at_ns
        body = {"venue": self._venue, "symbol": symbol, "model": self._name, "prediction_id": prediction_id}
        self._core.emit(kind, now_ns, {**body, **more, "value": figure(value, "value")})
