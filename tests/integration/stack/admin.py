"""What the committed Admin board shows, asked of whichever store answers its expressions."""

from itertools import pairwise
from typing import Any

from tests.boards import asked
from tests.integration.stack.queries import get

_WINDOW = "20s"
"""What Grafana takes for $__rate_interval over a quarter of an hour that is scraped each 5 s."""


def expressions(panel: str) -> list[str]:
    """A panel's expressions as they are sent."""
    found = [each.over(_WINDOW) for each in asked("prometheus") if (each.board, each.panel) == ("admin/stack", panel)]
    assert found, panel
    return found


def shown(store: str, panel: str, **labels: str) -> list[float]:
    """The values on a panel now, of those series that have these labels. store: where /api/v1 is."""
    rows = [row for each in expressions(panel) for row in _result(store, "query", query=each)]
    return [float(row["value"][1]) for row in rows if labels.items() <= row["metric"].items()]


def queue(store: str, exporter: str) -> float:
    """How full the queue to a store is on the board; 0 while it shows none."""
    return max(shown(store, "Queues to the stores", exporter=exporter), default=0.0)


def holes_s(store: str, panel: str, start: float, end: float, **labels: str) -> list[float]:
    """How long a panel's one row with these labels has nothing, each time, between two moments."""
    (each,) = expressions(panel)
    rows = _result(store, "query_range", query=each, start=start, end=end, step=1)
    (row,) = [row for row in rows if labels.items() <= row["metric"].items()]
    times = [at for at, _ in row["values"]]
    return [later - earlier - 1 for earlier, later in pairwise(times) if later - earlier > 1]


def _result(store: str, path: str, **parameters: str | float) -> list[Any]:
    return get(f"{store}/api/v1/{path}", **parameters)["data"]["result"]
