"""The Trader's board: what the bot earns, quotes, places and fills, and how fast."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from flashmm_dashboards.boards import _risk as risk
from flashmm_dashboards.boards import _trading as trading
from flashmm_dashboards.boards._frame import board
from flashmm_dashboards.boards._names import Scope
from flashmm_dashboards.boards.folders import TRADER


def trader() -> Dashboard:
    """P&L, spread, orders, fills, latency by stage down to the single order."""
    live = Scope()
    return board(
        TRADER,
        "flashmm-trader",
        "Trading",
        "Orders, fills, spreads, P&L and latency of the chosen bots; a dot on a latency curve opens an order.",
        (
            trading.pnl_now(live),
            trading.spread_advantage(live),
            trading.uptime(live),
            trading.latency_now(live),
        ),
        (trading.pnl_course(live), trading.spreads(live)),
        (trading.orders_by_outcome(live), trading.fills(live)),
        (trading.latency(live), trading.latency_by_stage(live)),
        (trading.latency_density(live),),
        (trading.fills_counted(live), trading.volume(live), trading.refused_share(live), risk.var_now(live)),
        (trading.pnl_parts(live), risk.position(live)),
        (trading.lifetime(live), trading.accuracy(live)),
        (trading.inference(live), risk.exposure(live)),
        (trading.log_lines(),),
    )
