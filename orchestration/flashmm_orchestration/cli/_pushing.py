"""What `flashmm boards push` does and says, step by step."""

from collections.abc import Sequence
from typing import Final

import typer

from flashmm_dashboards.boards.grafana import Grafana
from flashmm_dashboards.boards.push import DATA_SOURCES, Kind, Step, Wanted, steps
from flashmm_orchestration.cli._options import say, say_json

_SIGNS: Final = {Kind.SAME: "=", Kind.CREATE: "+", Kind.UPDATE: "~", Kind.MISSING: "!"}


def push_boards(there: Grafana, wanted: Wanted, *, apply: bool, json: bool) -> None:
    """Tell each step, and take it where `apply`. Raises GrafanaRefused."""
    seen: list[Step] = []
    version = there.version()
    if not json:
        say(f"Grafana {version} at {there.url}")
    for step in steps(there, wanted):
        if apply:
            step.apply()
        seen.append(step)
        if not json:
            say(_line(step))
    if json:
        found = [{"kind": each.kind.value, "subject": each.subject, "detail": each.detail} for each in seen]
        say_json({"applied": apply, "steps": found})
    else:
        say(_sum(seen, applied=apply))


def sources(told: Sequence[str]) -> dict[str, str]:
    """Data sources as `--datasource` names them. Raises BadParameter."""
    named = {name: uid for name, _, uid in (each.partition("=") for each in told)}
    if any(name not in DATA_SOURCES or not uid for name, uid in named.items()):
        names = ", ".join(DATA_SOURCES)
        raise typer.BadParameter(f"give NAME=UID, where NAME is one of {names}", param_hint="--datasource")
    return named


def _line(step: Step) -> str:
    return f"  {_SIGNS[step.kind]} {step.subject}" + (f": {step.detail}" if step.detail else "")


def _sum(seen: Sequence[Step], *, applied: bool) -> str:
    changed = sum(step.changes for step in seen)
    if not changed:
        return "Nothing to change."
    return f"{changed} changed." if applied else f"{changed} would change. Nothing was: give --yes to apply."
