"""The few endpoints of Grafana's HTTP API that a push of boards uses, over a real socket, with its rules.

There is no Grafana to test against here. What this peer does is written down from Grafana's HTTP API reference: which
status for what, uids that must be free, versions, provisioned boards that can't be saved, permissions replaced whole.
"""

import json
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glsa_the-token-of-the-test"
ADMIN = "admin:hush"
_LETS_IN = {f"Bearer {TOKEN}", f"Basic {b64encode(ADMIN.encode()).decode()}"}

Reply = tuple[int, Any]


@dataclass
class Peer:
    """What the peer keeps. role: the token's. written: each write that it took, as method and path.

    asked: how many requests it answered.
    """

    url: str = ""
    role: str = "Admin"
    asked: int = 0
    sources: set[str] = field(default_factory=lambda: {"prometheus", "tempo", "loki"})
    folders: dict[str, str] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    board_folders: dict[str, str] = field(default_factory=dict)
    provisioned: set[str] = field(default_factory=set)
    teams: dict[str, int] = field(default_factory=dict)
    permissions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    shared: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Reply:
        """Grafana's reply to one request that carries the token."""
        self.asked += 1
        if method != "GET" and self.role != "Admin":
            return 403, {"message": "You'll need additional permissions to perform this action."}
        for verb, pattern, handle in _ROUTES:
            if verb == method and (found := re.fullmatch(pattern, path)):
                status, reply = handle(self, *found.groups(), query=query, body=body)
                if method != "GET" and status < 300:
                    self.written.append(f"{method} {path}")
                return status, reply
        return 404, {"message": "Not found"}

    def read_files(self, folders: dict[str, str], boards: dict[str, dict[str, Any]], of: dict[str, str]) -> None:
        """Folders and boards come by provisioning. of: the folder of each board."""
        self.permissions = {uid: [{"role": "Viewer", "permission": 1}] for uid in folders}
        self.provisioned, self.folders, self.board_folders, self.boards = set(boards), folders, of, boards

    def get_source(self, uid: str, **_: Any) -> Reply:
        return (200, {"uid": uid}) if uid in self.sources else (404, {"message": "Data source not found"})

    def get_folder(self, uid: str, **_: Any) -> Reply:
        if uid not in self.folders:
            return 404, {"message": "folder not found", "status": "not-found"}
        return 200, {"uid": uid, "title": self.folders[uid]}

    def post_folder(self, *, body: Any, **_: Any) -> Reply:
        if body["uid"] in self.folders:
            return 409, {"message": "a folder with the same UID already exists"}
        self.folders[body["uid"]] = body["title"]
        own = [{"role": "Viewer", "permission": 1}, {"role": "Editor", "permission": 2}]
        self.permissions[body["uid"]] = [*own, {"userId": 1, "permission": 4}]
        return 200, {"uid": body["uid"], "title": body["title"]}

    def put_folder(self, uid: str, *, body: Any, **_: Any) -> Reply:
        if not body.get("overwrite"):
            return 412, {"message": "the folder has been changed by someone else", "status": "version-mismatch"}
        self.folders[uid] = body["title"]
        return 200, {"uid": uid, "title": body["title"]}

    def get_board(self, uid: str, **_: Any) -> Reply:
        if uid not in self.boards:
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        meta = {"folderUid": self.board_folders[uid], "provisioned": uid in self.provisioned}
        return 200, {"dashboard": self.boards[uid], "meta": meta}

    def post_board(self, *, body: Any, **_: Any) -> Reply:
        board, uid = body["dashboard"], body["dashboard"]["uid"]
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found", "status": "not-found"}
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        kept = self.boards.get(uid)
        if kept is not None and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        version = kept["version"] + 1 if kept else 1
        self.boards[uid] = {**board, "id": len(self.boards) + 1, "version": version, "schemaVersion": 42}
        self.board_folders[uid] = body["folderUid"]
        return 200, {"status": "success", "uid": uid, "version": version}

    def find_teams(self, *, query: dict[str, list[str]], **_: Any) -> Reply:
        (name,) = query["name"]
        return 200, {"teams": [{"id": number, "name": each} for each, number in self.teams.items() if each == name]}

    def post_team(self, *, body: Any, **_: Any) -> Reply:
        if body["name"] in self.teams:
            return 409, {"message": "Team name taken"}
        self.teams[body["name"]] = len(self.teams) + 1
        return 200, {"message": "Team created", "teamId": self.teams[body["name"]]}

    def get_permissions(self, uid: str, **_: Any) -> Reply:
        if uid not in self.folders:
            return 404, {"message": "folder not found"}
        return 200, [{"folderUid": uid, "inherited": False, "teamId": 0, **each} for each in self.permissions[uid]]

    def post_permissions(self, uid: str, *, body: Any, **_: Any) -> Reply:
        if any(each.get("teamId", 1) not in {1, *self.teams.values()} for each in body["items"]):
            return 400, {"message": "team not found"}
        self.permissions[uid] = body["items"]
        return 200, {"message": "Folder permissions updated"}

    def get_sharing(self, uid: str, **_: Any) -> Reply:
        return (200, self.shared[uid]) if uid in self.shared else (404, {"message": "Public dashboard not found"})

    def post_sharing(self, uid: str, *, body: Any, **_: Any) -> Reply:
        if uid in self.shared:
            return 400, {"message": "Dashboard already has public dashboard"}
        self.shared[uid] = {**body, "uid": f"shared-{uid}", "accessToken": secrets.token_hex(16)}
        return 200, self.shared[uid]

    def patch_sharing(self, uid: str, sharing: str, *, body: Any, **_: Any) -> Reply:
        if self.shared.get(uid, {}).get("uid") != sharing:
            return 404, {"message": "Public dashboard not found"}
        self.shared[uid] |= body
        return 200, self.shared[uid]


_ROUTES: list[tuple[str, str, Callable[..., Reply]]] = [
    ("GET", r"/api/datasources/uid/([^/]+)", Peer.get_source),
    ("GET", r"/api/folders/([^/]+)", Peer.get_folder),
    ("POST", r"/api/folders", Peer.post_folder),
    ("PUT", r"/api/folders/([^/]+)", Peer.put_folder),
    ("GET", r"/api/folders/([^/]+)/permissions", Peer.get_permissions),
    ("POST", r"/api/folders/([^/]+)/permissions", Peer.post_permissions),
    ("GET", r"/api/dashboards/uid/([^/]+)", Peer.get_board),
    ("POST", r"/api/dashboards/db", Peer.post_board),
    ("GET", r"/api/dashboards/uid/([^/]+)/public-dashboards", Peer.get_sharing),
    ("POST", r"/api/dashboards/uid/([^/]+)/public-dashboards", Peer.post_sharing),
    ("PATCH", r"/api/dashboards/uid/([^/]+)/public-dashboards/([^/]+)", Peer.patch_sharing),
    ("GET", r"/api/teams/search", Peer.find_teams),
    ("POST", r"/api/teams", Peer.post_team),
]


@contextmanager
def running_grafana_peer(prefix: str = "") -> Iterator[Peer]:
    """A peer on a free port. prefix: the sub-path under which alone it answers; elsewhere it redirects there."""
    peer = Peer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(peer, prefix))
    peer.url = f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(peer: Peer, prefix: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            address = urlsplit(self.path)
            if not address.path.startswith(prefix):
                self._send(301, {}, location=prefix + self.path)
                return
            path = address.path.removeprefix(prefix)
            if path == "/api/health":
                self._send(200, {"database": "ok", "version": "13.0.1"})
            elif self.headers.get("authorization") not in _LETS_IN:
                self._send(401, {"message": "Invalid API key"})
            else:
                self._send(*peer.answer(self.command, path, parse_qs(address.query), json.loads(body or "null")))

        do_GET = do_POST = do_PUT = do_PATCH = _reply  # noqa: N815 - the base class looks for these names

        def _send(self, status: int, reply: Any, **headers: str) -> None:
            content = json.dumps(reply).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            """Tests read what the peer keeps, not its log."""

    return Handler
