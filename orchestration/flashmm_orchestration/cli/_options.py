"""Options that several commands share, and how they print."""

import sys
from typing import Annotated

import orjson
import typer

from flashmm_orchestration.cli._client import DEFAULT_URL

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
UrlOption = Annotated[str, typer.Option("--url", envvar="FLASHMM_URL", help=f"The server, such as {DEFAULT_URL}.")]
TokenOption = Annotated[str, typer.Option("--token", envvar="FLASHMM_HTTP__TOKEN", help="Its token.")]


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """A value as one line of JSON on standard output."""
    say(orjson.dumps(value).decode())


def table(rows: list[list[str]]) -> str:
    """Rows in columns, the first row underlined by spacing alone."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
