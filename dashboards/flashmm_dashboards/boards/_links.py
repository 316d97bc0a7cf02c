"""Ways out of a panel: to the orders' traces, to the bot's log lines, to the other boards."""

import json
from typing import Final
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef

from flashmm_dashboards.boards._names import BOT
from flashmm_instrumentation.semconv import attributes as attr

PROMETHEUS: Final = DataSourceRef("prometheus", "prometheus")
TEMPO: Final = DataSourceRef("tempo", "tempo")
LOKI: Final = DataSourceRef("loki", "loki")

ORDERS_TRACEQL: Final = f'{{ resource.{attr.BOT} =~ "${{bot:pipe}}" && name = "order" }}'
"""The placements of the board's bots."""
LINES_LOGQL: Final = f'{{{BOT}=~"${{bot:pipe}}"}}'
"""What the board's bots logged."""


def traces_link() -> dashboard.DashboardLink:
    """To the orders' traces in the time that the board shows."""
    query = {"queryType": "traceql", "query": ORDERS_TRACEQL, "tableType": "traces"}
    return _link("The orders' traces", _explore(TEMPO, query))


def logs_link() -> dashboard.DashboardLink:
    """To the bots' log lines in the time that the board shows."""
    return _link("The bots' log lines", _explore(LOKI, {"expr": LINES_LOGQL}))


def boards_link() -> dashboard.DashboardLink:
    """A menu of the other boards, which keeps time and variables."""
    return (
        dashboard.DashboardLink("Boards")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["flashmm"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(True)


def _explore(store: DataSourceRef, query: dict[str, str]) -> str:
    pane = {
        "datasource": store.uid,
        "queries": [{"refId": "A", "datasource": store.to_json(), **query}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    # Grafana fills in variables before it decodes the address, so their signs stay as they are.
    panes = quote(json.dumps({"orders": pane}, separators=(",", ":")), safe="${}:")
    return f"/explore?schemaVersion=1&orgId=${{__org.id}}&panes={panes}"
