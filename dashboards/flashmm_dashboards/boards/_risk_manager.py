"""The Risk Manager's board: what may be lost, and how near the limits are."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from flashmm_dashboards.boards import _risk as risk
from flashmm_dashboards.boards import _trading as trading
from flashmm_dashboards.boards._frame import board
from flashmm_dashboards.boards._names import Scope
from flashmm_dashboards.boards.folders import RISK_MANAGER


def risk_manager() -> Dashboard:
    """Inventory, value at risk, exposure against limits, drawdown."""
    live = Scope()
    return board(
        RISK_MANAGER,
        "flashmm-risk",
        "Risk",
        "Inventory, value at risk, exposure against its limits and drawdown of the chosen bots.",
        (trading.pnl_now(live), risk.drawdown_now(live), risk.var_now(live), trading.refused_share(live)),
        (risk.exposure_of_limit(live), risk.utilization(live)),
        (risk.exposure(live), risk.position(live)),
        (risk.value_at_risk(live), risk.drawdown(live)),
        (trading.pnl_course(live), trading.pnl_parts(live)),
        (risk.limits(live), risk.positions(live)),
    )
