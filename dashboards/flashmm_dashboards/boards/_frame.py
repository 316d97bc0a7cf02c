"""What every board has: a stable uid, refresh each 5 s, variables, the menu of the other boards."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableOption, VariableRefresh, VariableSort

from flashmm_backends.naming import metric_name
from flashmm_dashboards.boards._links import PROMETHEUS, boards_link
from flashmm_dashboards.boards._names import BOT, EVERYTHING, SYMBOL
from flashmm_dashboards.boards._panels import Panel
from flashmm_dashboards.boards.folders import Folder
from flashmm_instrumentation.semconv import metrics


def board(folder: Folder, uid: str, title: str, description: str, *rows: tuple[Panel, ...]) -> dashboard.Dashboard:
    """A board of rows of panels; each row fills the grid's 24 columns. It has `$bot` and `$symbol`."""
    made = _bare(folder, uid, title, description).time("now-15m", "now").link(boards_link())
    made.with_variable(_variable("bot", "Bot", f"label_values({metric_name(metrics.PNL_REALIZED)}, {BOT})"))
    of_bots = f'{metric_name(metrics.QUOTE_UPTIME)}{{{BOT}=~"$bot"}}'
    made.with_variable(_variable("symbol", "Symbol", f"label_values({of_bots}, {SYMBOL})"))
    return _filled(made, rows)


def shared_board(
    folder: Folder, uid: str, title: str, description: str, *rows: tuple[Panel, ...]
) -> dashboard.Dashboard:
    """A board that needs no login. Grafana shares none that has variables."""
    return _filled(_bare(folder, uid, title, description).time("now-6h", "now"), rows)


def _bare(folder: Folder, uid: str, title: str, description: str) -> dashboard.Dashboard:
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["flashmm", folder.name])
        .readonly()
        .refresh("5s")
        .timezone("utc")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .timepicker(dashboard.TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m"]))
    )


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query({"query": query, "refId": name, "qryType": 5})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(EVERYTHING)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _filled(made: dashboard.Dashboard, rows: tuple[tuple[Panel, ...], ...]) -> dashboard.Dashboard:
    for row in rows:
        for panel in row:
            made.with_panel(panel)
    return made
