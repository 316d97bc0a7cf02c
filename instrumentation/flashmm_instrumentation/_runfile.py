"""The id of a bot's previous run, kept in a small file between processes."""

import os
import re
from pathlib import Path
from typing import Final

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


def exchange_run(directory: Path, account: str, bot: str, run: str) -> str | None:
    """Leave run for the next process and return what the last one left; None where there is nothing.

    Raises OSError if the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _UNSAFE.sub("_", f"{account}-{bot}.run")
    previous = path.read_text().strip() if path.exists() else ""
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(run)
    beside.replace(path)
    return previous or None
