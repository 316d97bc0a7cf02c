"""The commands, and the boundary where errors become a line on stderr and an exit code."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from flashmm_orchestration.cli import boards, demo, doctor, query, status, up
from flashmm_orchestration.cli._help import Command, Group, examples
from flashmm_orchestration.cli._options import say

app = typer.Typer(
    name="flashmm",
    cls=Group,
    epilog=examples(
        "flashmm up --demo      all of it, with a demo: http://127.0.0.1:8080/",
        "flashmm query --help   a command's options and examples",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(version("flashmm-observability"))
        raise typer.Exit


@app.callback()
def flashmm(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Observability for market makers: P&L, spreads and order latency, live and exact."""


app.command("up", cls=Command, epilog=up.EXAMPLES)(up.up)
app.command("demo", context_settings=demo.CONTEXT)(demo.demo)
app.command("status", cls=Command, epilog=status.EXAMPLES)(status.status)
app.command("query", cls=Command, epilog=query.EXAMPLES)(query.query)
app.add_typer(boards.app)
app.command("doctor", cls=Command, epilog=doctor.EXAMPLES)(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line; expected errors end with code 2 and a message that names the fix.

    arguments: this process's where none are given.
    """
    try:
        app(args=arguments)
    except SystemExit:
        raise
    except _expected() as error:
        sys.stderr.write("".join(f"flashmm: {line}\n" for line in str(error).splitlines()))
        sys.exit(2)


def _expected() -> tuple[type[Exception], ...]:
    """What commands raise for people to read. Asked for once something was raised: their modules are heavy."""
    from flashmm_backends.ports import BackendError
    from flashmm_dashboards.boards.grafana import GrafanaRefused
    from flashmm_orchestration._sources import BadSettings
    from flashmm_orchestration.cli._reach import NoAnswer
    from flashmm_orchestration.supervisor import CannotStart

    return (BadSettings, CannotStart, NoAnswer, BackendError, GrafanaRefused)
