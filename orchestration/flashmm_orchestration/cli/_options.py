"""Options that several commands share, and how they print."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="FLASHMM_URL", help="The server's page; default: where its settings say.", metavar="URL"
    ),
]
TokenOption = Annotated[
    str | None, typer.Option("--token", help="Its token; every user of this machine can see it: rather --token-file.")
]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", help="File with its token; default: the settings' http.token.")
]


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """A value as one line of JSON on standard output."""
    say(orjson.dumps(value).decode())


def table(rows: list[list[str]]) -> str:
    """Rows in columns; where the terminal is too narrow, a row's cells below one another."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if sys.stdout.isatty() and sum(widths) + 2 * len(widths) > shutil.get_terminal_size().columns:
        return "\n".join("\n    ".join(cell for cell in row if cell) for row in rows[1:])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
