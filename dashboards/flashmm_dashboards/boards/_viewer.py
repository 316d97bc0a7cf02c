"""The Viewer's board: the few numbers that everybody in the team may know."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from flashmm_dashboards.boards import _trading as trading
from flashmm_dashboards.boards._frame import board
from flashmm_dashboards.boards._names import Scope
from flashmm_dashboards.boards.folders import VIEWER


def viewer() -> Dashboard:
    """P&L, spread, uptime, fills and latency, without limits or inventory."""
    live = Scope()
    return board(
        VIEWER,
        "flashmm-viewer",
        "At a glance",
        "How the bots are doing: P&L, spread against the market's, time in the market, fills, latency.",
        (trading.pnl_now(live), trading.spread_advantage(live), trading.uptime(live), trading.latency_now(live)),
        (trading.pnl_course(live), trading.spreads(live)),
        (trading.fills(live), trading.orders_by_outcome(live)),
        (trading.fills_counted(live), trading.volume(live), trading.refused_share(live), trading.trades_rate(live)),
    )
