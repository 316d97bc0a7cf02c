"""How the maker decides: quotes, the price model, risk and the experiment. Pure: no clock, no loop, no exchange."""

from flashmm_demo.strategy._drift import DriftMonitor, population_stability_index
from flashmm_demo.strategy._features import FEATURES, FeatureState
from flashmm_demo.strategy._model import Outcome, Prediction, PriceModel, RecursiveLeastSquares
from flashmm_demo.strategy._quoting import MarketState, Quotes, QuotingParameters, quotes, size_share
from flashmm_demo.strategy._risk import RiskLimits, refusal, value_at_risk
from flashmm_demo.strategy._switchback import EXPERIMENT, Assignment, Switchback
from flashmm_demo.strategy._volatility import Ewma, EwmaVolatility

__all__ = [
    "EXPERIMENT",
    "FEATURES",
    "Assignment",
    "DriftMonitor",
    "Ewma",
    "EwmaVolatility",
    "FeatureState",
    "MarketState",
    "Outcome",
    "Prediction",
    "PriceModel",
    "Quotes",
    "QuotingParameters",
    "RecursiveLeastSquares",
    "RiskLimits",
    "Switchback",
    "population_stability_index",
    "quotes",
    "refusal",
    "size_share",
    "value_at_risk",
]
