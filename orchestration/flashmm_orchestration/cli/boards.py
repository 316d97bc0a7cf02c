"""`flashmm boards`: the boards of every role, put into a Grafana that exists."""

from pathlib import Path
from typing import Annotated, Final

import typer

from flashmm_orchestration.cli._help import Command, Group, examples
from flashmm_orchestration.cli._options import JsonOption

app = typer.Typer(name="boards", cls=Group, help="Boards for Grafana.", no_args_is_help=True)
EXAMPLES: Final = examples(
    "flashmm boards push --grafana http://127.0.0.1:3000 --token-file FILE",
    "flashmm boards push --grafana http://127.0.0.1:3000 --token-file FILE --yes",
)


@app.callback()
def boards() -> None:
    """Boards for Grafana, one folder a role."""


@app.command("push", cls=Command, epilog=EXAMPLES)
def push(
    grafana: Annotated[
        str, typer.Option("--grafana", envvar="FLASHMM_GRAFANA_URL", metavar="URL", help="Grafana's address.")
    ],
    token: Annotated[
        str,
        typer.Option(envvar="FLASHMM_GRAFANA_TOKEN", metavar="TOKEN", help="A service account's token, role Admin."),
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(envvar="FLASHMM_GRAFANA_TOKEN_FILE", metavar="FILE", help="File with that token."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Apply; without it nothing is changed.")] = False,
    share: Annotated[bool, typer.Option(help="Share the Public board without login.")] = True,
    datasource: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=UID", help="Another uid for a data source: prometheus=UID; may be repeated."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what would change in a Grafana so that it has every role's boards; with --yes, change it."""
    from flashmm_dashboards.boards import stored_boards
    from flashmm_dashboards.boards.grafana import Grafana
    from flashmm_dashboards.boards.push import Wanted
    from flashmm_orchestration.cli._connection import secret
    from flashmm_orchestration.cli._pushing import push_boards, sources

    wanted = Wanted(stored_boards(), sources(datasource or ()), share)
    with Grafana(grafana, secret(token, token_file, "--token") or "") as there:
        push_boards(there, wanted, apply=yes, json=json)
