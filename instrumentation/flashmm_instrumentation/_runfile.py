"""The id of a bot's previous run, kept in a small file between processes."""

import os
from pathlib import Path
from urllib.parse import quote


def exchange_run(directory: Path, account: str, bot: str, run: str) -> str | None:
    """Leave run for the next process and return what the last one left; None where there is nothing.

    Raises OSError if the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{quote(account, safe='')}@{quote(bot, safe='')}.run"
    previous = path.read_text().strip() if path.exists() else ""
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(run)
    beside.replace(path)
    return previous or None
