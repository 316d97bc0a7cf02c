"""`flashmm demo`: the demo market maker by itself."""

import os
import sys
from typing import Any

import typer

CONTEXT: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def demo(context: typer.Context) -> None:
    """Run the demo market maker alone; its options: `flashmm demo --help`."""
    arguments = [sys.executable, "-m", "flashmm_demo", *context.args]
    os.execv(sys.executable, arguments)  # noqa: S606 - our own module, no shell
