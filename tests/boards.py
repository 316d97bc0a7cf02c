"""The committed boards as tests see them: each panel, each expression as Grafana would send it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser

ROOT = Path(__file__).parents[1]
GRAFANA = ROOT / "deploy" / "grafana"
_FILLED_IN = {"$bot": ".+", "$symbol": ".+", "${bot:pipe}": ".+"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One expression of a panel. store: the uid of its data source."""

    board: str
    panel: str
    store: str
    expr: str

    @property
    def filled_in(self) -> str:
        """The expression with *All* chosen for every variable."""
        return self.over("1m")

    def over(self, window: str) -> str:
        """The same, with rates over this window."""
        text = self.expr.replace("$__rate_interval", window)
        for variable, value in _FILLED_IN.items():
            text = text.replace(variable, value)
        assert "$" not in text, text
        return text

    @property
    def delay_s(self) -> float:
        """How late the public board is: until then there is nothing for it to show."""
        return 60.0 if " offset 1m" in self.expr else 0.0

    @property
    def names(self) -> frozenset[str]:
        """The metrics that it reads."""
        return frozenset(_names(promql_parser.parse(self.filled_in)))

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}"


def boards() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each board's name, and what is in its file."""
    for path in sorted((GRAFANA / "boards").glob("*/*.json")):
        yield f"{path.parent.name}/{path.stem}", json.loads(path.read_text())


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each panel, under its board's name."""
    for name, board in boards():
        for panel in board["panels"]:
            yield name, panel


def links(panel: dict[str, Any]) -> list[str]:
    """Where a panel's values lead."""
    return [link["url"] for link in panel["fieldConfig"]["defaults"].get("links", [])]


def asked(store: str) -> list[Asked]:
    """Every expression for a store."""
    return [
        Asked(board, panel["title"], target["datasource"]["uid"], target["expr"])
        for board, panel in panels()
        for target in panel["targets"]
        if target["datasource"]["uid"] == store
    ]


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        named = [matcher.value for matcher in node.matchers.matchers if matcher.name == "__name__"]
        yield from [node.name] if node.name else named[0].split("|")
    for attribute in ("vector_selector", "expr", "lhs", "rhs", "param"):
        if (child := getattr(node, attribute, None)) is not None:
            yield from _names(child)
    for argument in getattr(node, "args", None) or ():
        yield from _names(argument)
