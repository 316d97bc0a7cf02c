"""What is known of the archive on the local disk: a small file for each object, so that a crash forgets nothing.

A mark is made empty before its upload begins, which tells that there may be an object, and gets the object's size
once the storage has it, after which the local copy may go. A mark of a file that the ledger forgot tells that its
object is to be deleted; the mark goes last.
"""

import os
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Final

from flashmm_backends.ledger._journal import sync_folder

_OWNER: Final = "owner"
_SUFFIX: Final = ".parquet"


def object_name(path: str) -> str:
    """The object of a sealed file: flat, so that no storage keeps empty folders."""
    return path.removeprefix("sealed/").replace("/", ".")


class Marks:
    """The marks of one ledger. Read once; safe for one writing thread and readers beside it."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / "archived"
        self._sizes: dict[str, int | None] = {path.name: _size(path) for path in self._folder.glob(f"*{_SUFFIX}")}

    def holds(self, path: str, size: int) -> bool:
        """Whether the archive surely has the sealed file, whole."""
        return self._sizes.get(object_name(path)) == size

    def begin(self, path: str) -> None:
        """There may be an object from now on."""
        self._write(object_name(path), "")

    def end(self, path: str, size: int) -> None:
        """The object is whole."""
        self._write(object_name(path), str(size))

    def forget(self, name: str) -> None:
        """The object is gone."""
        (self._folder / name).unlink(missing_ok=True)
        self._sizes.pop(name, None)

    def strays(self, known: Collection[str]) -> list[str]:
        """Objects of files other than the known paths."""
        names = {object_name(path) for path in known}
        return [name for name in self._sizes if name not in names]

    def distrust(self, known: Collection[str]) -> None:
        """Strays are not whole any more: after a restart a new file may get an old one's path."""
        for name in self.strays(known):
            self._write(name, "")

    def owner(self) -> str:
        """This ledger's name in the bucket, the same for ever."""
        path = self._folder / _OWNER
        if not path.exists():
            self._write(_OWNER, str(uuid.uuid4()))
            self._sizes.pop(_OWNER)
        return path.read_text()

    def _write(self, name: str, text: str) -> None:
        self._folder.mkdir(exist_ok=True)
        aside = self._folder / f"{name}.tmp"
        with aside.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._folder / name)
        sync_folder(self._folder)
        self._sizes[name] = int(text) if text.isdigit() else None


def _size(path: Path) -> int | None:
    text = path.read_text()
    return int(text) if text.isdigit() else None
