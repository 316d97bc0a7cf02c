"""The simulated market: its participants, its matching engine, and the public messages that come of them."""

from flashmm_demo.simulation._hawkes import HawkesArrivals
from flashmm_demo.simulation._market import SimulatedExchange, SimulatedMarket
from flashmm_demo.simulation._matching import BUY, SELL, MatchingEngine, OwnOrder, Print
from flashmm_demo.simulation._participants import MarketParameters, Participants

__all__ = [
    "BUY",
    "SELL",
    "HawkesArrivals",
    "MarketParameters",
    "MatchingEngine",
    "OwnOrder",
    "Participants",
    "Print",
    "SimulatedExchange",
    "SimulatedMarket",
]
