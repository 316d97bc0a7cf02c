"""The boards are what the code says, read what exists, and explain themselves."""

import re
import tempfile
from pathlib import Path

import pytest
import yaml
from tests.boards import GRAFANA, asked, boards, links, panels

from flashmm_backends.naming import metric_name
from flashmm_dashboards.boards import FOLDERS, stored_boards
from flashmm_dashboards.boards.__main__ import write
from flashmm_dashboards.boards._catalogue import grafana_files
from flashmm_dashboards.boards._foreign import FOREIGN
from flashmm_instrumentation.semconv import METRICS

_ROOM = {"stat": 6, "gauge": 12, "timeseries": 12, "table": 12, "heatmap": 24, "state-timeline": 24, "logs": 24}
_NOT_FOR_THE_PUBLIC = ("account", "flashmm_bot", "pnl", "inventory", "risk", "limit", "flashmm_receiver", "up{")


def test_the_committed_boards_are_fresh() -> None:
    """Generating again, anywhere, gives the committed files and no others."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        made = {str(path.relative_to(folder)): path.read_text() for path in Path(folder).rglob("*.*")}
    committed = {str(path.relative_to(GRAFANA)) for path in GRAFANA.glob("boards/*/*")}
    assert committed == {name for name in made if name.startswith("boards/")}
    assert {name: (GRAFANA / name).read_text() for name in made} == made == dict(grafana_files())


@pytest.mark.parametrize("each", asked("prometheus"), ids=str)
def test_every_metric_of_a_board_is_known(each) -> None:
    """An expression parses, and reads metrics of the registry or of the named foreign programs."""
    assert each.names
    assert each.names <= {metric_name(metric) for metric in METRICS} | FOREIGN


def test_no_foreign_metric_is_named_in_vain() -> None:
    """Each named foreign metric is on a board."""
    assert frozenset().union(*(each.names for each in asked("prometheus"))) >= FOREIGN


def test_every_panel_explains_itself() -> None:
    """It has a description, a unit, thresholds, and a width that a phone can show."""
    for board, panel in panels():
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["description"].endswith("."), (board, panel["title"])
        assert defaults["unit"]
        assert defaults["thresholds"]["steps"][0]["value"] is None
        assert panel["gridPos"]["w"] >= _ROOM[panel["type"]], (board, panel["title"])


def test_a_board_fills_its_grid() -> None:
    """Panels neither overlap nor leave holes, ids are unique, it refreshes each 5 s and is not edited in Grafana."""
    for name, board in boards():
        taken = [cell for panel in board["panels"] for cell in _cells(panel["gridPos"])]
        assert len(set(taken)) == len(taken), name
        assert len(taken) == 24 * (1 + max(y for _, y in taken)), name
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert (board["refresh"], board["editable"]) == ("5s", False)


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    left, top = place.get("x", 0), place.get("y", 0)
    return [(x, y) for x in range(left, left + place["w"]) for y in range(top, top + place["h"])]


def test_variables_choose_bots_and_symbols() -> None:
    """Every board but the public one asks for bot and symbol; Grafana shares no board that has variables."""
    for name, board in boards():
        chosen = [each["name"] for each in board.get("templating", {}).get("list", [])]
        assert chosen == ([] if name.startswith("public/") else ["bot", "symbol"])


def test_the_public_board_tells_no_secrets() -> None:
    """No account, bot, money, inventory, limit or server; and every expression is late by itself."""
    for each in asked("prometheus"):
        if each.board.startswith("public/"):
            assert not [word for word in _NOT_FOR_THE_PUBLIC if word in each.expr.lower()]
            assert len(re.findall(r"offset \d+m", each.expr)) == each.expr.count("flashmm_") - each.expr.count(
                "flashmm_symbol"
            ) - (each.expr.count("flashmm_currency"))


def test_latency_leads_to_traces_and_logs() -> None:
    """Latency panels of the Trader ask for exemplars, and link to Tempo and Loki."""
    latency = [panel for board, panel in panels() if board.startswith("trader/") and "atency" in panel["title"]]
    curves = [panel for panel in latency if panel["type"] != "stat"]
    assert len(curves) == 3
    for panel in curves:
        assert any(target.get("exemplar") for target in panel["targets"])
        traces, lines = links(panel)
        assert "tempo" in traces
        assert "loki" in lines


def test_uids_never_change() -> None:
    """Links and pushes find a board by its uid: to change one is to break both."""
    assert [(board.folder.uid, board.uid) for board in stored_boards()] == [
        ("flashmm-admin", "flashmm-admin"),
        ("flashmm-trader", "flashmm-trader"),
        ("flashmm-risk-manager", "flashmm-risk"),
        ("flashmm-viewer", "flashmm-viewer"),
        ("flashmm-public", "flashmm-public"),
    ]


def test_each_folder_is_provisioned_for_its_role() -> None:
    """Every folder's provider reads the directory of that role, under the uid that a push would use."""
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/boards.yaml").read_text())["providers"]
    assert [(each["folderUid"], each["folder"], each["options"]["path"]) for each in providers] == [
        (folder.uid, folder.title, f"/etc/grafana/boards/{folder.name}") for folder in FOLDERS
    ]
