"""Panels of what may be lost: inventory, exposure, value at risk, drawdown."""

from typing import Final

from flashmm_dashboards.boards import _panels as panels
from flashmm_dashboards.boards._links import logs_link, traces_link
from flashmm_dashboards.boards._names import CURRENCY, Scope
from flashmm_dashboards.boards._panels import About, Panel, Query
from flashmm_dashboards.boards._trading import total_pnl
from flashmm_instrumentation.semconv import metrics

_PEAK_WINDOW: Final = "[6h:15s]"
_DRAWDOWN: Final = (
    "P&L minus its highest value of the last six hours, every 15 s. A restart, which begins P&L at zero, is no fall."
)


def position(scope: Scope) -> Panel:
    """Signed inventory over time."""
    about = About("Inventory", "Signed position in the base currency or in contracts.", panels.NUMBER)
    held = scope.grouped("sum", scope.last(metrics.INVENTORY_POSITION))
    return panels.curves(about, Query(held, scope.legend())).data_links([traces_link(), logs_link()])


def utilization(scope: Scope) -> Panel:
    """Inventory as a share of its limit."""
    about = About(
        "Inventory against its limit", "Absolute position divided by its limit.", panels.SHARE, panels.SHARE_OF_LIMIT
    )
    return panels.dial(about, Query(scope.grouped("max", scope.last(metrics.INVENTORY_UTILIZATION)), scope.legend()))


def exposure_of_limit(scope: Scope) -> Panel:
    """Exposure as a share of its limit."""
    money = scope.without_symbol()
    about = About(
        "Exposure against its limit",
        "Notional of all positions divided by its limit.",
        panels.SHARE,
        panels.SHARE_OF_LIMIT,
    )
    shares = (
        money.grouped("sum", money.last(metric), CURRENCY)
        for metric in (metrics.RISK_EXPOSURE, metrics.RISK_EXPOSURE_LIMIT)
    )
    return panels.dial(about, Query(" / ".join(shares), money.legend(CURRENCY)))


def exposure(scope: Scope) -> Panel:
    """Exposure beside its limit."""
    money = scope.without_symbol()
    about = About("Exposure and its limit", "Absolute notional of the open positions.", panels.NUMBER)
    queries = [
        Query(money.grouped("sum", money.last(metric), CURRENCY), f"{name} {money.legend(CURRENCY)}")
        for name, metric in (("exposure", metrics.RISK_EXPOSURE), ("limit", metrics.RISK_EXPOSURE_LIMIT))
    ]
    return panels.curves(about, *queries).data_links([traces_link(), logs_link()])


def limits(scope: Scope) -> Panel:
    """Every limit in force."""
    money = scope.without_symbol()
    about = About("Limits in force", "The limit on each bot's exposure, in its currency.", panels.NUMBER)
    return panels.rows(about, Query(money.grouped("max", money.last(metrics.RISK_EXPOSURE_LIMIT), CURRENCY)))


def positions(scope: Scope) -> Panel:
    """Every position as it is."""
    about = About("Positions", "Signed position of each symbol, in the base currency or in contracts.", panels.NUMBER)
    return panels.rows(about, Query(scope.grouped("sum", scope.last(metrics.INVENTORY_POSITION))))


def value_at_risk(scope: Scope) -> Panel:
    """Value at risk over time."""
    money = scope.without_symbol()
    about = About("Value at risk", "As the bot computes it: a loss, counted positive.", panels.NUMBER)
    risk = money.grouped("sum", money.last(metrics.RISK_VAR), CURRENCY)
    return panels.curves(about, Query(risk, money.legend(CURRENCY))).data_links([traces_link(), logs_link()])


def var_now(scope: Scope) -> Panel:
    """Value at risk as a figure."""
    money = scope.without_symbol()
    about = About("Value at risk", "As the bot computes it: a loss, counted positive.", panels.NUMBER, decimals=2)
    risk = money.grouped("sum", money.last(metrics.RISK_VAR), CURRENCY)
    return panels.figure(about, Query(risk, money.legend(CURRENCY)))


def drawdown(scope: Scope) -> Panel:
    """The fall from the peak over time."""
    about = About("Drawdown", _DRAWDOWN, panels.NUMBER, decimals=2)
    return panels.curves(about, Query(_fall(scope), scope.without_symbol().legend(CURRENCY)))


def drawdown_now(scope: Scope) -> Panel:
    """The fall from the peak as a figure."""
    about = About("Drawdown", _DRAWDOWN, panels.NUMBER, ((0.0, "green"),), base="orange", decimals=2)
    return panels.figure(about, Query(_fall(scope), scope.without_symbol().legend(CURRENCY)))


def _fall(scope: Scope) -> str:
    # Never above zero: what is higher than every sample of the window is the highest itself.
    pnl = total_pnl(scope.of_runs())
    fall = f"clamp_max({pnl} - max_over_time({pnl}{_PEAK_WINDOW}), 0)"
    return scope.without_symbol().grouped("sum", fall, CURRENCY)
