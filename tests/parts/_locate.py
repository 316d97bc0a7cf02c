"""Where a built server is, and what a test does when it isn't."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

from tests.parts._catalogue import catalogue


def find(command: str) -> Path | None:
    """The program that `make parts` built, or for one it can't build (tempo) the one on PATH; None if absent."""
    for part in catalogue().values():
        if command in part.commands:
            return part.folder / command if part.is_built else None
    found = shutil.which(command)
    return Path(found) if found else None


def require(command: str) -> Path:
    """The program, or the running test is skipped.

    With FLASHMM_REQUIRE_REAL=1 it fails instead, if it is one that `make parts` builds.
    """
    return find(command) or _do_without(command)


def _do_without(command: str) -> NoReturn:
    import pytest  # parts are built before there is a virtual environment to import it from

    if not any(command in part.commands for part in catalogue().values()):
        pytest.skip(f"no {command}: put a release's `{command}` on PATH")
    complaint = f"no {command}: run `make parts`"
    if os.environ.get("FLASHMM_REQUIRE_REAL") == "1":
        pytest.fail(complaint)
    pytest.skip(complaint)
