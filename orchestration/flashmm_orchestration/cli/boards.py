"""`flashmm boards`: the boards of every role, put into a Grafana that exists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from flashmm_dashboards.boards import stored_boards
from flashmm_dashboards.boards.grafana import Grafana
from flashmm_dashboards.boards.push import DATA_SOURCES, Kind, Step, Wanted, steps
from flashmm_orchestration.cli._connection import secret
from flashmm_orchestration.cli._options import JsonOption, say, say_json

app = typer.Typer(name="boards", help="Boards for Grafana.", no_args_is_help=True)

_SIGNS: Final = {Kind.SAME: "=", Kind.CREATE: "+", Kind.UPDATE: "~", Kind.MISSING: "!"}


@app.callback()
def boards() -> None:
    """Boards for Grafana, one folder a role."""


@app.command("push")
def push(
    grafana: Annotated[str, typer.Option("--grafana", envvar="FLASHMM_GRAFANA_URL", help="Grafana's address.")],
    token: Annotated[
        str, typer.Option("--token", envvar="FLASHMM_GRAFANA_TOKEN", help="A service account's token, role Admin.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", envvar="FLASHMM_GRAFANA_TOKEN_FILE", help="File with that token.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Apply; without it nothing is changed.")] = False,
    share: Annotated[bool, typer.Option(help="Share the Public board without login.")] = True,
    datasource: Annotated[
        list[str] | None, typer.Option(help="Another uid for a data source: prometheus=UID; may be repeated.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what would change in a Grafana so that it has every role's boards; with --yes, change it."""
    wanted = Wanted(stored_boards(), _sources(datasource or ()), share)
    seen: list[Step] = []
    with Grafana(grafana, secret(token, token_file, "--token") or "") as there:
        version = there.version()
        if not json:
            say(f"Grafana {version} at {there.url}")
        for step in steps(there, wanted):
            if yes:
                step.apply()
            seen.append(step)
            if not json:
                say(_line(step))
    if json:
        found = [{"kind": each.kind.value, "subject": each.subject, "detail": each.detail} for each in seen]
        say_json({"applied": yes, "steps": found})
    else:
        say(_sum(seen, applied=yes))


def _sources(told: Sequence[str]) -> dict[str, str]:
    sources = {name: uid for name, _, uid in (each.partition("=") for each in told)}
    if any(name not in DATA_SOURCES or not uid for name, uid in sources.items()):
        names = ", ".join(DATA_SOURCES)
        raise typer.BadParameter(f"give NAME=UID, where NAME is one of {names}", param_hint="--datasource")
    return sources


def _line(step: Step) -> str:
    return f"  {_SIGNS[step.kind]} {step.subject}" + (f": {step.detail}" if step.detail else "")


def _sum(seen: Sequence[Step], *, applied: bool) -> str:
    changed = sum(step.changes for step in seen)
    if not changed:
        return "Nothing to change."
    return f"{changed} changed." if applied else f"{changed} would change. Nothing was: give --yes to apply."
