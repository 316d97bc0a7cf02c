"""Models: predictions, outcomes, accuracy, drift."""

import pytest

from flashmm_instrumentation import Misuse
from flashmm_instrumentation.testing import Capture

from .conftest import counts


def test_a_prediction_and_its_outcome(captured: Capture) -> None:
    """The outcome carries the symbol of its prediction; the inference is timed."""
    model = captured.bot.model("mid-1s", "sim")
    model.predicted("p-1", "BTCUSDT", 1_000_000_000, 0.25, 0.002)
    model.outcome("p-1", 0.5)
    said, came = captured.events("flashmm.prediction")[0], captured.events("flashmm.outcome")[0]
    assert said.body == {
        "venue": "sim",
        "symbol": "BTCUSDT",
        "model": "mid-1s",
        "prediction_id": "p-1",
        "horizon_ns": 1_000_000_000,
        "value": 0.25,
    }
    assert (came.body["symbol"], came.body["value"]) == ("BTCUSDT", 0.5)
    point = next(iter(captured.metrics()["flashmm.model.inference.duration"].data.data_points))
    assert (point.count, point.sum) == (1, 0.002)


def test_gauges(captured: Capture) -> None:
    """Accuracy by symbol, drift by feature."""
    model = captured.bot.model("mid-1s", "sim")
    model.accuracy("BTCUSDT", 0.54)
    model.drift("imbalance", 0.1)
    assert counts(captured, "flashmm.model.accuracy", "flashmm.symbol") == {"BTCUSDT": 0.54}
    assert counts(captured, "flashmm.model.drift", "flashmm.feature") == {"imbalance": 0.1}


def test_nonsense_is_refused(captured: Capture) -> None:
    """An outcome needs its prediction, a prediction a future, a model a name."""
    model = captured.bot.model("mid-1s", "sim")
    with pytest.raises(Misuse, match="unknown_prediction"):
        model.outcome("p-9", 0.5)
    for horizon_ns in (0, None, 1.5, 2**63):
        with pytest.raises(Misuse, match="bad_horizon: horizon_ns"):
            model.predicted("p-1", "BTCUSDT", horizon_ns, 0.25)
    with pytest.raises(ValueError, match="name"):
        captured.bot.model("", "sim")


def test_a_model_is_bound_once(captured: Capture) -> None:
    """The same name gives the same handle."""
    assert captured.bot.model("m", "sim") is captured.bot.model("m", "sim")
