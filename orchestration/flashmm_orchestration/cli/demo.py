"""`flashmm demo`: the demo market maker by itself."""

from typing import Any

import typer

CONTEXT: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def demo(context: typer.Context) -> None:
    """Run the demo market maker alone, sending to a server or a Collector."""
    from flashmm_demo.__main__ import run

    raise typer.Exit(run(context.args))
