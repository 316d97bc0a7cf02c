"""`flashmm status`."""

import time
from typing import Final

import typer

from flashmm_orchestration.cli._help import examples
from flashmm_orchestration.cli._options import (
    JsonOption,
    TokenFileOption,
    TokenOption,
    UrlOption,
    say,
    say_json,
    table,
)

EXAMPLES: Final = examples(
    "flashmm status                              of this machine's server",
    "flashmm status --url http://10.0.0.5:8080   of another",
)


def status(
    url: UrlOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    json: JsonOption = False,
) -> None:
    """Show the state of a running server; exit code 1 when something is not up."""
    from flashmm_orchestration.cli._connection import connect

    health = connect(url, token, token_file).health()
    if json:
        say_json(health)
    else:
        say(table([["component", "state", "for", "restarts", "detail"], *map(_row, health["components"])]))
        if ledgers := health.get("ledgers"):
            say("\n" + table([["ledger", "live values", "detail"], *map(_ledger, ledgers)]))
    if not health["ready"]:
        raise typer.Exit(1)


def _row(component: dict[str, str]) -> list[str]:
    seconds = max(0, time.time_ns() - int(component["since_ns"])) // 10**9
    return [
        component["name"],
        component["status"],
        f"{seconds} s" if seconds < 120 else f"{seconds // 60} min",
        str(component["restarts"]),
        component["detail"],
    ]


def _ledger(told: dict[str, str]) -> list[str]:
    return [told["url"], "come in" if told["followed"] else "are missing", told["detail"]]
