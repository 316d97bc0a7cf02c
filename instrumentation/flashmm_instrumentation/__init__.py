"""Thin OpenTelemetry instrumentation for market-making bots. Start with setup()."""

from flashmm_instrumentation._bot import Bot
from flashmm_instrumentation._boundary import Misuse
from flashmm_instrumentation._market import Market
from flashmm_instrumentation._model import Model
from flashmm_instrumentation._numbers import NotADecimal, Number
from flashmm_instrumentation._order import Order
from flashmm_instrumentation._setup import setup
from flashmm_instrumentation.semconv.attributes import Liquidity, Side

BUY = Side.BUY
SELL = Side.SELL
MAKER = Liquidity.MAKER
TAKER = Liquidity.TAKER

__all__ = [
    "BUY",
    "MAKER",
    "SELL",
    "TAKER",
    "Bot",
    "Liquidity",
    "Market",
    "Misuse",
    "Model",
    "NotADecimal",
    "Number",
    "Order",
    "Side",
    "setup",
]
