"""The Public board: quality of the quotes, late, without bot, account, money, inventory, limits or servers."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from flashmm_dashboards.boards import _trading as trading
from flashmm_dashboards.boards._frame import shared_board
from flashmm_dashboards.boards._names import SYMBOL, Scope
from flashmm_dashboards.boards.folders import PUBLIC

DELAY_M: Final = 1
"""Minutes, in each expression itself, so that no reader of the board can ask for less."""


def public() -> Dashboard:
    """Spread against the market's, time in the market, fills and volume, by symbol."""
    late = Scope(by_variables=False, by=(SYMBOL,), delay_m=DELAY_M)
    return shared_board(
        PUBLIC,
        "flashmm-public",
        "Market quality",
        "Our quotes beside the market's, a minute after the fact, over all bots.",
        (
            trading.spread_advantage(late),
            trading.uptime(late),
            trading.fills_counted(late),
            trading.volume(late),
        ),
        (trading.spreads(late, wide=True),),
    )
