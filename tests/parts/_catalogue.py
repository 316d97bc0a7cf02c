"""Which servers there are, at which version, and where `make parts` keeps them."""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

REPOSITORY = Path(__file__).resolve().parents[2]
_CATALOGUE = Path(__file__).with_name("parts.toml")


@dataclass(frozen=True, slots=True)
class Part:
    """One server as parts.toml describes it.

    `module` is copied and its `commands` are built from `cmd/`; or `builder` turns `manifest` into the one command;
    or `manifest` is a program of ours around `module`.
    """

    name: str
    version: str
    commands: tuple[str, ...]
    minutes: int
    module: str = ""
    tags: tuple[str, ...] = ()
    drop_replaces: tuple[str, ...] = ()
    empty_files: tuple[str, ...] = ()
    manifest: str = ""
    builder: str = ""

    @property
    def folder(self) -> Path:
        """Where the finished programs lie."""
        return cache_root() / f"{self.name}-{self.version}"

    @property
    def fingerprint(self) -> str:
        """Changes whenever something that decides how the part is built does."""
        manifest = (REPOSITORY / self.manifest).read_text() if self.manifest else ""
        return hashlib.sha256(f"{self!r}{manifest}".encode()).hexdigest()

    @property
    def is_built(self) -> bool:
        """Whether the cache holds this very recipe's programs."""
        stamp = self.folder / "fingerprint"
        return stamp.is_file() and stamp.read_text() == self.fingerprint


def cache_root() -> Path:
    """The folder of all parts: `FLASHMM_PARTS`, or the user's cache."""
    return Path(os.environ.get("FLASHMM_PARTS") or Path.home() / ".cache" / "flashmm" / "parts").resolve()


def catalogue() -> dict[str, Part]:
    """Every part by name, in the order in which they are built."""
    tables = tomllib.loads(_CATALOGUE.read_text())
    return {name: _part(name, table) for name, table in tables.items()}


def _part(name: str, table: dict[str, Any]) -> Part:
    fields = {key: _frozen(value) for key, value in table.items()}
    return Part(name=name, **fields)


def _frozen(value: Any) -> Any:
    return tuple(cast("list[str]", value)) if isinstance(value, list) else value
