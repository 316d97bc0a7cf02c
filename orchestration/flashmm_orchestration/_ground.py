"""What starting needs of this machine, looked at before anything is built: folders and files."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flashmm_orchestration._sources import BadSettings, reason
from flashmm_orchestration.settings import Settings

_FILES: Final = ("tls_certificate", "tls_key", "tls_client_ca")


def check_ground(settings: Settings) -> None:
    """Make the data folder where there is none and one is needed.

    Raises BadSettings for what cannot be read or written.
    """
    problems = [*(() if settings.ledgers.urls else _data_dir(settings)), *_unreadable(settings)]
    if problems:
        raise BadSettings(problems)


def _data_dir(settings: Settings) -> Iterator[str]:
    told, folder = settings.told("data_dir"), settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        yield f"{told}: it is a file; name a folder"
        return
    except (OSError, ValueError) as error:
        yield f"{told}: the folder cannot be made ({reason(error)}); name one that this user may write"
        return
    if not os.access(folder, os.W_OK | os.X_OK | os.R_OK):
        yield f"{told}: this user may not write there; change its owner or mode, or name another folder"


def _unreadable(settings: Settings) -> Iterator[str]:
    files = [(f"receiver.{name}", getattr(settings.receiver, name)) for name in _FILES]
    for section, told in (("metrics", settings.metrics), ("traces", settings.traces)):
        if told.kind != "embedded" and told.ca_file:
            files.append((f"{section}.ca_file", Path(told.ca_file)))
    if settings.ledgers.ca_file:
        files.append(("ledgers.ca_file", Path(settings.ledgers.ca_file)))
    for name, path in files:
        if path is not None and (problem := _problem(path)):
            yield f"{settings.told(name)}: {problem}; name a readable PEM file"


def _problem(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except (OSError, ValueError) as error:
        return f"it cannot be read ({reason(error)})"
