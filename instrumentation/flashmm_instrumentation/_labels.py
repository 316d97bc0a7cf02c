"""A market's attribute sets, built once when it is bound."""

from dataclasses import dataclass
from typing import Final

from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv.attributes import Liquidity, Outcome, Side, Stage

Attributes = dict[str, str]


@dataclass(frozen=True, slots=True)
class MarketLabels:
    """Attribute sets of one market, by what varies."""

    market: Attributes
    side: dict[Side, Attributes]
    stage: dict[Stage, Attributes]
    outcome: dict[tuple[Side, Outcome], Attributes]
    fill: dict[tuple[Side, Liquidity], Attributes]
    notional: dict[tuple[Side, Liquidity], Attributes]


def market_labels(venue: str, symbol: str, quote: str) -> MarketLabels:
    """The sets for one market, whose notionals are in the quote currency."""
    market: Final = {attr.VENUE: venue, attr.SYMBOL: symbol}
    fills = {
        (side, liquidity): {**market, attr.SIDE: side.value, attr.LIQUIDITY: liquidity.value}
        for side in Side
        for liquidity in Liquidity
    }
    return MarketLabels(
        market=market,
        side={side: {**market, attr.SIDE: side.value} for side in Side},
        stage={stage: {**market, attr.ORDER_STAGE: stage.value} for stage in Stage},
        outcome={
            (side, outcome): {**market, attr.SIDE: side.value, attr.ORDER_OUTCOME: outcome.value}
            for side in Side
            for outcome in Outcome
        },
        fill=fills,
        notional={key: {**labels, attr.CURRENCY: quote} for key, labels in fills.items()},
    )
