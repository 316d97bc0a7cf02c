"""Options that several commands share, and how they print."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from flashmm_orchestration.cli._help import SERVER

_WIDTH: Final = 100

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="FLASHMM_URL",
        help="The server's page; default: where its settings say.",
        metavar="URL",
        rich_help_panel=SERVER,
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="Its token; every user of this machine can see it: rather --token-file.",
        metavar="TOKEN",
        rich_help_panel=SERVER,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File with its token; default: the settings' http.token.",
        metavar="FILE",
        rich_help_panel=SERVER,
    ),
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
    text = columns(rows)
    if sys.stdout.isatty() and widest(text) > width():
        return "\n".join("\n    ".join(cell for cell in row if cell) for row in rows[1:])
    return text


def width() -> int:
    """Of the terminal; where there is none, what can be read."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH


def columns(rows: list[list[str]]) -> str:
    """Rows in columns, however wide."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def widest(text: str) -> int:
    """Characters of a text's longest line."""
    return max(map(len, text.split("\n")))
