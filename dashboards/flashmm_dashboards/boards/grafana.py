"""A Grafana's HTTP API, as far as putting boards into it needs. Made for Grafana 11 to 13.

GrafanaRefused is the one error: what was asked of whom, what came back, what to do.
Source: https://grafana.com/docs/grafana/latest/developers/http_api/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, cast

import httpx

_Json = Any
"""What a parsed answer is: narrowed where a method of Grafana takes its fields."""

_TIMEOUT_S: Final = 15.0
_VIEW: Final = 1
_FIXES: Final = {
    401: "Give a service account's token with --token or FLASHMM_GRAFANA_TOKEN; it is missing, wrong or expired.",
    403: "The token may not do this: its service account needs the role Admin in the organisation.",
    404: "Is this the address under which people open Grafana, with its sub-path?",
    412: "Somebody else changed it meanwhile: run it again.",
}


@dataclass
class GrafanaRefused(Exception):
    """Grafana did not answer, or not as asked. status: HTTP's, 0 where there was no answer."""

    asked: str
    why: str
    fix: str
    status: int = 0

    def __str__(self) -> str:
        return f"{self.asked}: {self.why}. {self.fix}"


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may do what in a folder: one of team, role, user. level: 1 view, 2 edit, 4 administer."""

    team: int = 0
    role: str = ""
    user: int = 0
    level: int = _VIEW

    def wire(self) -> dict[str, object]:
        """As Grafana takes it."""
        who = {"teamId": self.team, "role": self.role, "userId": self.user}
        return {**{name: value for name, value in who.items() if value}, "permission": self.level}


@dataclass(frozen=True, slots=True)
class Sharing:
    """A board's life without login. uid: of the sharing itself. token: the last part of its public address."""

    uid: str
    enabled: bool
    token: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A board as Grafana keeps it. provisioned: it comes from a file and can't be written."""

    content: Mapping[str, Any]
    folder_uid: str
    provisioned: bool


class Grafana:
    """One Grafana. Every method raises GrafanaRefused. A context manager: closes its connections."""

    def __init__(self, url: str, token: str = "") -> None:
        try:
            address = httpx.URL(url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise GrafanaRefused(url, str(error), "Give an address such as http://127.0.0.1:3000.") from None
        if address.scheme not in {"http", "https"} or not address.host:
            raise GrafanaRefused(url, "that is not a valid address", "Give one such as http://127.0.0.1:3000.")
        self.url = str(address.copy_with(userinfo=b""))
        """Without the name and password that it may have been given with."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def version(self) -> str:
        """Its version; the proof that a Grafana answers there."""
        found = self._ask("GET", "/api/health")
        fields = cast("dict[str, object]", found) if isinstance(found, dict) else {}
        if "database" not in fields:
            raise self._refused("GET", "/api/health", "the answer is not a Grafana's", _FIXES[404])
        return str(fields.get("version", "of unknown version"))

    def has_data_source(self, uid: str) -> bool:
        """Whether there is a data source with that uid."""
        return self._find(f"/api/datasources/uid/{uid}") is not None

    def folder_title(self, uid: str) -> str | None:
        """A folder's title; None where there is no such folder."""
        found = self._find(f"/api/folders/{uid}")
        return None if found is None else str(found["title"])

    def add_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._ask("POST", "/api/folders", {"uid": uid, "title": title})

    def rename_folder(self, uid: str, title: str) -> None:
        """Give a folder another title."""
        self._ask("PUT", f"/api/folders/{uid}", {"title": title, "overwrite": True})

    def board(self, uid: str) -> Kept | None:
        """A board as it is; None where there is none."""
        found = self._find(f"/api/dashboards/uid/{uid}")
        if found is None:
            return None
        meta = found["meta"]
        return Kept(found["dashboard"], str(meta.get("folderUid", "")), bool(meta.get("provisioned")))

    def save_board(self, content: Mapping[str, Any], folder_uid: str) -> None:
        """Put a board into a folder, over what is there."""
        body = {
            "dashboard": {**content, "id": None},
            "folderUid": folder_uid,
            "message": "flashmm boards push",
            "overwrite": True,
        }
        self._ask("POST", "/api/dashboards/db", body)

    def team(self, name: str) -> int | None:
        """A team's number; None where there is no team of that very name."""
        found = self._ask("GET", "/api/teams/search", parameters={"name": name})
        return next((int(each["id"]) for each in found["teams"] if each["name"] == name), None)

    def add_team(self, name: str) -> int:
        """Make a team without members; its number."""
        return int(self._ask("POST", "/api/teams", {"name": name})["teamId"])

    def permissions(self, folder_uid: str) -> frozenset[Permission]:
        """Who was let into a folder itself; nobody where there is no such folder."""
        found = self._find(f"/api/folders/{folder_uid}/permissions")
        return frozenset(_permission(each) for each in found or () if not each.get("inherited"))

    def set_permissions(self, folder_uid: str, wanted: frozenset[Permission]) -> None:
        """Let these into a folder, and nobody else but Grafana's own admins."""
        items = sorted((each.wire() for each in wanted), key=str)
        self._ask("POST", f"/api/folders/{folder_uid}/permissions", {"items": items})

    def sharing(self, board_uid: str) -> Sharing | None:
        """How a board is shared without login; None where it never was."""
        found = self._find(f"/api/dashboards/uid/{board_uid}/public-dashboards")
        if not found or not found.get("uid"):
            return None
        return Sharing(str(found["uid"]), bool(found["isEnabled"]), str(found["accessToken"]))

    def share(self, board_uid: str) -> None:
        """Share a board without login, whether it was shared before or not."""
        path = f"/api/dashboards/uid/{board_uid}/public-dashboards"
        body = {"isEnabled": True, "share": "public", "timeSelectionEnabled": True, "annotationsEnabled": False}
        before = self.sharing(board_uid)
        if before is None:
            self._ask("POST", path, body)
        else:
            self._ask("PATCH", f"{path}/{before.uid}", body)

    def _find(self, path: str) -> _Json:
        try:
            return self._ask("GET", path)
        except GrafanaRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    def _ask(
        self, method: str, path: str, body: object = None, *, parameters: Mapping[str, str] | None = None
    ) -> _Json:
        try:
            answer = self._http.request(method, path, json=body, params=parameters)
        except httpx.TimeoutException:
            raise self._refused(method, path, f"no answer within {_TIMEOUT_S:.0f} s", "Is it overloaded?") from None
        except httpx.HTTPError as error:
            fix = "Is Grafana up, and reachable from here at that address?"
            raise self._refused(method, path, str(error) or type(error).__name__, fix) from None
        return self._value(method, path, answer)

    def _value(self, method: str, path: str, answer: httpx.Response) -> _Json:
        status = answer.status_code
        if answer.is_redirect:
            where = answer.headers.get("location", "elsewhere")
            raise self._refused(method, path, f"it points to {where}", "Give the address that it points to.", status)
        if answer.is_error:
            fix = _FIXES.get(status, "See Grafana's log for the reason.")
            raise self._refused(method, path, f"{status}: {_message(answer)}", fix, status)
        try:
            return answer.json()
        except ValueError:
            raise self._refused(method, path, "the answer is not JSON", _FIXES[404]) from None

    def _refused(self, method: str, path: str, why: str, fix: str, status: int = 0) -> GrafanaRefused:
        return GrafanaRefused(f"{method} {self.url}{path}", why, fix, status)


def _permission(item: Mapping[str, Any]) -> Permission:
    return Permission(
        team=int(item.get("teamId") or 0),
        role=str(item.get("role") or ""),
        user=int(item.get("userId") or 0),
        level=int(item["permission"]),
    )


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text.strip()[:200] or answer.reason_phrase


def view_of(teams: Sequence[int], *, everybody: bool) -> frozenset[Permission]:
    """The right to look, for teams or for everybody who is logged in."""
    viewers = (
        frozenset({Permission(role="Viewer"), Permission(role="Editor")}) if everybody else frozenset[Permission]()
    )
    return viewers | {Permission(team=team) for team in teams}
