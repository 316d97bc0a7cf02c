"""Thin OpenTelemetry instrumentation for market-making bots. Start with setup()."""

from os import environ
from typing import TYPE_CHECKING

from flashmm_instrumentation.late import late
from flashmm_instrumentation.semconv.attributes import Liquidity, Side

if TYPE_CHECKING:
    from flashmm_instrumentation._bot import Bot
    from flashmm_instrumentation._boundary import Misuse
    from flashmm_instrumentation._market import Market
    from flashmm_instrumentation._model import Model
    from flashmm_instrumentation._numbers import NotADecimal, Number
    from flashmm_instrumentation._order import Order
    from flashmm_instrumentation._setup import setup
else:
    __getattr__ = late(
        __name__,
        {
            "Bot": "_bot",
            "Misuse": "_boundary",
            "Market": "_market",
            "Model": "_model",
            "NotADecimal": "_numbers",
            "Number": "_numbers",
            "Order": "_order",
            "setup": "_setup",
        },
    )

# Read when gRPC is imported: else each try of a failed handshake is a line on standard error, beside the bot's log.
environ.setdefault("GRPC_VERBOSITY", "ERROR")

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
