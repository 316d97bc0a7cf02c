"""A price model that learns while it runs: recursive least squares on the features.

It predicts the mid's move over the horizon in basis points, and learns from each prediction once its truth is known.
Source: Haykin, "Adaptive Filter Theory", the exponentially weighted RLS algorithm.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

_ACCURACY_WINDOW: Final = 400
"""Predictions in the accuracy; about three minutes of them."""


class RecursiveLeastSquares:
    """Linear regression with an intercept, old observations forgotten at `forgetting` an update.

    ridge: the initial inverse covariance; larger learns more slowly at first.
    """

    def __init__(self, features: int, *, forgetting: float = 0.9995, ridge: float = 50.0) -> None:
        self._weights = np.zeros(features + 1)
        self._covariance = np.eye(features + 1) / ridge
        self._forgetting = forgetting

    def predict(self, features: tuple[float, ...]) -> float:
        """The expected value."""
        return float(self._weights @ np.array((1.0, *features)))

    def learn(self, features: tuple[float, ...], truth: float) -> None:
        """Take in what came true for such features."""
        x = np.array((1.0, *features))
        scaled = self._covariance @ x
        gain = scaled / (self._forgetting + x @ scaled)
        self._weights += gain * (truth - self._weights @ x)
        self._covariance = (self._covariance - np.outer(gain, scaled)) / self._forgetting


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said of the time until `due_ns`."""

    prediction_id: str
    due_ns: int
    value_bp: float
    mid: float
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A prediction and the move that came, in basis points."""

    prediction: Prediction
    truth_bp: float


class PriceModel:
    """Predictions of one symbol, remembered until their horizon and then learnt from."""

    def __init__(self, features: int, horizon_ns: int, id_prefix: str) -> None:
        self.horizon_ns = horizon_ns
        self._regression = RecursiveLeastSquares(features)
        self._open: deque[Prediction] = deque()
        self._hits: deque[bool] = deque(maxlen=_ACCURACY_WINDOW)
        self._id_prefix = id_prefix
        self._count = 0

    @property
    def accuracy(self) -> float | None:
        """Share of the recent predictions whose direction came true; moves of zero don't count. None at first."""
        return sum(self._hits) / len(self._hits) if self._hits else None

    def predict(self, now_ns: int, features: tuple[float, ...], mid: float) -> Prediction:
        """Predict, and remember to learn from it."""
        self._count += 1
        prediction = Prediction(
            prediction_id=f"{self._id_prefix}{self._count}",
            due_ns=now_ns + self.horizon_ns,
            value_bp=self._regression.predict(features),
            mid=mid,
            features=features,
        )
        self._open.append(prediction)
        return prediction

    def outcomes(self, now_ns: int, mid: float) -> list[Outcome]:
        """What came of the predictions that are due, each learnt from."""
        outcomes: list[Outcome] = []
        while self._open and self._open[0].due_ns <= now_ns:
            outcomes.append(self._resolve(self._open.popleft(), mid))
        return outcomes

    def forget(self) -> None:
        """Drop open predictions: the market was out of sight, so their truth is not known."""
        self._open.clear()

    def _resolve(self, prediction: Prediction, mid: float) -> Outcome:
        truth_bp = (mid / prediction.mid - 1) * 1e4
        self._regression.learn(prediction.features, truth_bp)
        if truth_bp and prediction.value_bp:
            self._hits.append((truth_bp > 0) == (prediction.value_bp > 0))
        return Outcome(prediction, truth_bp)
