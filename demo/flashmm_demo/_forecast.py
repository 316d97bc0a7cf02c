"""The price model at work on one symbol: predictions, outcomes, accuracy and drift, emitted as they come."""

import time
from typing import Final

from flashmm_demo._book import Top
from flashmm_demo._messages import Trade
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo.strategy import FEATURES, DriftMonitor, FeatureState, PriceModel
from flashmm_instrumentation import Model

MODEL: Final = "rls-mid-1s"
"""Recursive least squares on the mid's move over one second, in basis points."""
_EVERY_NS: Final = SECOND_NS // 2
_DRIFT_WINDOW: Final = 240
"""Values in each of the two windows: two minutes."""


class Forecaster:
    """Predicts one symbol's mid a second ahead, twice a second."""

    def __init__(self, symbol: str, telemetry: Model) -> None:
        self._symbol = symbol
        self._telemetry = telemetry
        self._features = FeatureState()
        self._model = PriceModel(len(FEATURES), SECOND_NS, f"{symbol}-P")
        self._drift = {feature: DriftMonitor(_DRIFT_WINDOW) for feature in FEATURES}
        self._next_ns = 0
        self.alpha_bp = 0.0
        """The latest prediction."""

    def trade(self, trade: Trade) -> None:
        """Take in a public trade."""
        self._features.trade(trade)

    def top(self, now_ns: int, top: Top) -> None:
        """Take in a book update; settle what is due and predict when it is time."""
        mid = float(top.mid)
        self._features.top(now_ns, mid)
        self._settle(now_ns, mid)
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + _EVERY_NS
            self._predict(now_ns, top, mid)

    def blind(self) -> None:
        """The market is out of sight: what was predicted can't be judged."""
        self._model.forget()
        self.alpha_bp = 0.0

    def report(self) -> None:
        """Emit accuracy and drift."""
        if self._model.accuracy is not None:
            self._telemetry.accuracy(self._symbol, self._model.accuracy)
        for feature, monitor in self._drift.items():
            if monitor.index is not None:
                self._telemetry.drift(feature, monitor.index)

    def _predict(self, now_ns: int, top: Top, mid: float) -> None:
        began_s = time.perf_counter()
        features = self._features.vector(now_ns, top)
        prediction = self._model.predict(now_ns, features, mid)
        took_s = time.perf_counter() - began_s
        self.alpha_bp = max(-5.0, min(5.0, prediction.value_bp))
        self._telemetry.predicted(
            prediction.prediction_id, self._symbol, self._model.horizon_ns, prediction.value_bp, took_s, now_ns
        )
        for feature, value in zip(FEATURES, features, strict=True):
            self._drift[feature].update(value)

    def _settle(self, now_ns: int, mid: float) -> None:
        for outcome in self._model.outcomes(now_ns, mid):
            self._telemetry.outcome(outcome.prediction.prediction_id, outcome.truth_bp, now_ns)
