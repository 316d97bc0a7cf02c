"""The committed boards, as this program ships them: from the wheel, or from the tree that it is developed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import orjson

from flashmm_dashboards.boards.folders import FOLDERS, Folder

_IN_TREE: Final = Path(__file__).parents[3] / "deploy/grafana/boards"


@dataclass(frozen=True, slots=True)
class StoredBoard:
    """A board in its folder. content: Grafana's JSON of a dashboard."""

    folder: Folder
    content: dict[str, Any]

    @property
    def uid(self) -> str:
        """Grafana's identity of the board, the same everywhere."""
        return str(self.content["uid"])

    @property
    def title(self) -> str:
        """What people read."""
        return str(self.content["title"])

    @property
    def description(self) -> str:
        """What it is for, in a sentence."""
        return str(self.content["description"])


def stored_boards() -> Sequence[StoredBoard]:
    """Every board, folder by folder."""
    root = _root()
    return [
        StoredBoard(folder, orjson.loads(path.read_bytes()))
        for folder in FOLDERS
        for path in sorted((root / folder.name).iterdir(), key=lambda each: each.name)
    ]


def _root() -> Traversable:
    return _IN_TREE if _IN_TREE.is_dir() else files("flashmm_dashboards") / "boards" / "json"
