"""What would have to change in a Grafana for it to have the boards, their folders, teams, permissions and sharing."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from flashmm_dashboards.boards._stored import StoredBoard
from flashmm_dashboards.boards.folders import ADMIN, Folder
from flashmm_dashboards.boards.grafana import Grafana, Permission, view_of

DATA_SOURCES: Final = ("prometheus", "tempo", "loki")
"""The uids that the boards read from; a Grafana with others is told with `DataSources`."""

DataSources = Mapping[str, str]
"""Uid in the boards → uid in that Grafana."""


class Kind(StrEnum):
    """What a step found."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    MISSING = "missing"
    """Not ours to make: the user has to."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that should be there. apply: makes it so; does nothing where nothing is to be done."""

    kind: Kind
    subject: str
    detail: str
    apply: Callable[[], object]

    @property
    def changes(self) -> bool:
        """Whether applying it changes something."""
        return self.kind in {Kind.CREATE, Kind.UPDATE}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to have there. share: whether the shared folders' boards are to be readable without a login."""

    boards: Sequence[StoredBoard]
    sources: DataSources
    share: bool = True


def steps(grafana: Grafana, wanted: Wanted) -> Iterator[Step]:
    """Every step, in an order in which each finds what it builds upon.

    Apply one before asking for the next, or none at all: then what builds upon something missing is to be created.
    Raises GrafanaRefused.
    """
    yield from (_source(grafana, wanted.sources.get(uid, uid)) for uid in DATA_SOURCES)
    folders = list(dict.fromkeys(board.folder for board in wanted.boards))
    yield from (_team(grafana, folder.team) for folder in folders if folder.team)
    for folder in folders:
        yield _folder(grafana, folder)
        yield _permissions(grafana, folder)
    for board in wanted.boards:
        yield _board(grafana, board, wanted.sources)
        if board.folder.shared and wanted.share:
            yield _sharing(grafana, board)


def _source(grafana: Grafana, uid: str) -> Step:
    if grafana.has_data_source(uid):
        return _same(f"data source {uid}")
    fix = f"add it, or name another with --datasource {uid}=UID; its panels stay empty"
    return Step(Kind.MISSING, f"data source {uid}", fix, _nothing)


def _team(grafana: Grafana, name: str) -> Step:
    if grafana.team(name) is not None:
        return _same(f"team {name}")
    return Step(Kind.CREATE, f"team {name}", "without members", lambda: grafana.add_team(name))


def _folder(grafana: Grafana, folder: Folder) -> Step:
    subject, title = f"folder {folder.title}", grafana.folder_title(folder.uid)
    if title is None:
        return Step(Kind.CREATE, subject, folder.uid, lambda: grafana.add_folder(folder.uid, folder.title))
    if title != folder.title:
        rename = lambda: grafana.rename_folder(folder.uid, folder.title)  # noqa: E731 - bound to this folder
        return Step(Kind.UPDATE, subject, f"is called {title}", rename)
    return _same(subject)


def _permissions(grafana: Grafana, folder: Folder) -> Step:
    subject, readers = f"permissions of {folder.title}", _readers(folder)
    who = ", ".join(readers) or "everybody who is logged in"
    numbers = [grafana.team(name) for name in readers]
    now = grafana.permissions(folder.uid)
    if None not in numbers and _of_groups(now) == _allowed(grafana, readers):
        return _same(subject)

    def let_in() -> None:
        people = grafana.permissions(folder.uid) - _of_groups(grafana.permissions(folder.uid))
        grafana.set_permissions(folder.uid, _allowed(grafana, readers) | people)

    return Step(Kind.UPDATE, subject, f"{who} may view", let_in)


def _readers(folder: Folder) -> list[str]:
    return list(dict.fromkeys((folder.team, ADMIN.team))) if folder.team else []


def _allowed(grafana: Grafana, readers: Sequence[str]) -> frozenset[Permission]:
    numbers = [number for name in readers if (number := grafana.team(name)) is not None]
    return view_of(numbers, everybody=not readers)


def _of_groups(permissions: frozenset[Permission]) -> frozenset[Permission]:
    """Those of teams and roles. Single people were let in by somebody who knows why, and stay."""
    return frozenset(each for each in permissions if not each.user and each.role != "Admin")


def _board(grafana: Grafana, board: StoredBoard, sources: DataSources) -> Step:
    subject, content = f"board {board.title}", redirected(board.content, sources)
    kept = grafana.board(board.uid)
    if kept is None:
        return Step(Kind.CREATE, subject, board.uid, lambda: grafana.save_board(content, board.folder.uid))
    if contains(kept.content, content) and kept.folder_uid == board.folder.uid:
        return _same(subject)
    if kept.provisioned:
        return Step(Kind.MISSING, subject, "it comes from a file on Grafana's side: update that file", _nothing)
    return Step(Kind.UPDATE, subject, "it differs", lambda: grafana.save_board(content, board.folder.uid))


def _sharing(grafana: Grafana, board: StoredBoard) -> Step:
    subject, sharing = f"sharing of {board.title}", grafana.sharing(board.uid)
    if sharing is not None and sharing.enabled:
        return Step(Kind.SAME, subject, f"{grafana.url}/public-dashboards/{sharing.token}", _nothing)
    kind = Kind.CREATE if sharing is None else Kind.UPDATE
    return Step(kind, subject, "anybody who has the link may read it", lambda: grafana.share(board.uid))


def _same(subject: str) -> Step:
    return Step(Kind.SAME, subject, "", _nothing)


def _nothing() -> None:
    return None


def contains(kept: object, ours: object) -> bool:
    """Whether all that we wrote is there. Grafana adds fields of its own, and its own version of the schema."""
    if isinstance(ours, dict):
        fields = cast("dict[str, object]", ours)
        found = cast("dict[str, object]", kept) if isinstance(kept, dict) else None
        return found is not None and all(
            name == "schemaVersion" or (name in found and contains(found[name], value))
            for name, value in fields.items()
        )
    if isinstance(ours, list):
        items = cast("list[object]", ours)
        there = cast("list[object]", kept) if isinstance(kept, list) else []
        return len(there) == len(items) and all(map(contains, there, items))
    return kept == ours


def redirected(content: Mapping[str, Any], sources: DataSources) -> dict[str, Any]:
    """A board that reads from other data sources, also where its links lead to."""
    return {name: _redirect(value, sources) for name, value in content.items()}


def _redirect(value: object, sources: DataSources) -> object:
    if isinstance(value, list):
        return [_redirect(each, sources) for each in cast("list[object]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            name: _source_uid(each, sources) if name == "datasource" else _redirect(each, sources)
            for name, each in fields.items()
        }
    if isinstance(value, str) and value.startswith("/explore?"):
        return _IN_LINK.sub(lambda found: found[1] + sources.get(found[2], found[2]) + "%22", value)
    return value


_IN_LINK: Final = re.compile(r"(%22(?:datasource|uid)%22:%22)([^%]+)%22")


def _source_uid(reference: object, sources: DataSources) -> object:
    if not isinstance(reference, dict):
        return reference
    fields = cast("dict[str, object]", reference)
    uid = str(fields.get("uid", ""))
    return {**fields, "uid": sources.get(uid, uid)}
