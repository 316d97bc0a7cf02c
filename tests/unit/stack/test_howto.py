"""docs/how-to/stack.md against what it describes."""

import re

from tests.boards import boards
from tests.parts._catalogue import REPOSITORY

_TEXT = (REPOSITORY / "docs/how-to/stack.md").read_text()


def test_every_overlay_is_described() -> None:
    """The table of overlays is the folder's content, but for the build manifest."""
    named = set(re.findall(r"`([a-z-]+)`", _TEXT.split("| overlay | for |")[1].split("##")[0]))
    assert named == {path.stem for path in (REPOSITORY / "collector-config").glob("*.yaml")} - {"builder"}


def test_every_variable_is_read_somewhere() -> None:
    """A variable in the text is one that compose or a configuration reads."""
    files = ["docker-compose.yml", "otel-collector.yaml"]
    files += [f"collector-config/{path.name}" for path in (REPOSITORY / "collector-config").glob("*.yaml")]
    read = "\n".join((REPOSITORY / name).read_text() for name in files)
    for variable in re.findall(r"\b(?:COLLECTOR|OTLP|PUBLISH)_[A-Z_]+", _TEXT):
        assert variable in read, variable


def test_every_secret_is_made() -> None:
    """`secrets show` is told names that the first start makes."""
    made = (REPOSITORY / "deploy/flashmm/first_start.py").read_text()
    for name in re.findall(r"secrets show ([a-z-]+)", _TEXT):
        assert f'"{name}"' in made, name


def test_the_way_to_an_orders_trace_is_there() -> None:
    """Folder, board, panels and links that the text names are those of the files."""
    steps = _TEXT.split("## From a curve to one order's trace")[1].split("##")[0]
    named = set(re.findall(r"\*([^*\n]+)\*", steps)) - {"Dashboards", "Admin", "The stack", "Logs for this span"}
    every_board = dict(boards())
    board = every_board["trader/trading"]
    provisioning = REPOSITORY / "deploy/grafana/provisioning"
    there = {each["title"] for each in every_board.values()} | {panel["title"] for panel in board["panels"]}
    there |= set(re.findall(r"folder: (.+)", (provisioning / "dashboards/boards.yaml").read_text()))
    there |= set(
        re.findall(r"(?:urlDisplayLabel|- name): (.+)", (provisioning / "datasources/stores.yaml").read_text())
    )
    there |= {
        link["title"] for panel in board["panels"] for link in panel["fieldConfig"]["defaults"].get("links", [])
    }
    assert named <= there, named - there
    curve = next(panel for panel in board["panels"] if panel["title"] == "Latency by stage, p99")
    assert all(target["exemplar"] is True for target in curve["targets"])
