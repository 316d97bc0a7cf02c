"""The live page's files, read once, and an ASGI application that serves them."""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import orjson

from flashmm_dashboards.boards import stored_boards

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    "": "text/plain; charset=utf-8",
}
_VENDOR: Final = "/static/vendor/"
_REVALIDATE: Final = "no-cache"
_FOREVER: Final = "public, max-age=31536000, immutable"

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it goes out. gzipped is empty where compression gains nothing; etag is quoted, of the content."""

    body: bytes
    gzipped: bytes
    content_type: str
    etag: str
    cache_control: str


def page_files() -> Mapping[str, PageFile]:
    """The live page and the boards: URL path (`/`, `/static/…`, `/boards`, `/boards/<uid>`) → file.

    Vendored files have their version in the path.
    """
    root = files("flashmm_dashboards") / "web"
    found = {f"/static/{name}": _page_file(f"/static/{name}", content) for name, content in _walk(root, "")}
    return {"/": found["/static/index.html"], **found, **_board_pages(found)}


def _board_pages(found: Mapping[str, PageFile]) -> Mapping[str, PageFile]:
    boards = stored_boards()
    listed = [
        {"uid": each.uid, "title": each.title, "folder": each.folder.title, "description": each.description}
        for each in boards
    ]
    contents = {f"/boards/{each.uid}.json": orjson.dumps(each.content) for each in boards}
    contents["/boards/index.json"] = orjson.dumps(listed)
    pages = {path: _page_file(path, content) for path, content in contents.items()}
    view, index = found["/static/boards/index.html"], found["/static/boards/list.html"]
    return {**pages, **{f"/boards/{each.uid}": view for each in boards}, "/boards": index, "/boards/": index}


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for child in sorted(folder.iterdir(), key=lambda each: each.name):
        if child.is_dir():
            found += _walk(child, f"{prefix}{child.name}/")
        else:
            found.append((prefix + child.name, child.read_bytes()))
    return found


def _page_file(path: str, body: bytes) -> PageFile:
    suffix = path[path.rindex(".") :] if "." in path.rpartition("/")[2] else ""
    packed = b"" if suffix == ".woff2" else gzip.compress(body, mtime=0)
    return PageFile(
        body=body,
        gzipped=packed if len(packed) < len(body) else b"",
        content_type=_TYPES[suffix],
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        cache_control=_FOREVER if path.startswith(_VENDOR) else _REVALIDATE,
    )


class LivePage:
    """ASGI application for the page: GET and HEAD, revalidation by ETag, gzip, and a strict content policy.

    Mount it last, at the root: it answers 404 for what it doesn't have; for a board, with those there are.
    """

    def __init__(self, pages: Mapping[str, PageFile] | None = None) -> None:
        self._files = page_files() if pages is None else pages

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] != "http":
            return await _refuse_websocket(receive, send)
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            return await _respond(send, 405, [(b"allow", b"GET, HEAD")], b"")
        if path in self._files:
            return await _serve(self._files[path], scope, send)
        if path.startswith("/boards/") and not path.endswith(".json") and "/boards" in self._files:
            return await _serve(self._files["/boards"], scope, send, status=404)
        return await _respond(send, 404, _SAFE, _NO_SUCH_PAGE)


_NO_SUCH_PAGE: Final = (
    b"There is no such page. The live page is at /, the boards at /boards, the API's description at /docs.\n"
)
_SAFE: Final = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


async def _serve(page: PageFile, scope: Message, send: Send, status: int = 200) -> None:
    asked = dict(scope["headers"])
    cached = [
        (b"etag", page.etag.encode()),
        (b"cache-control", page.cache_control.encode()),
        (b"vary", b"accept-encoding"),
    ]
    if status == 200 and page.etag.encode() in asked.get(b"if-none-match", b""):
        return await _respond(send, 304, _SAFE + cached, b"")
    packed = bool(page.gzipped) and b"gzip" in asked.get(b"accept-encoding", b"")
    body = page.gzipped if packed else page.body
    headers = [(b"content-type", page.content_type.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(b"content-encoding", b"gzip")] if packed else []
    return await _respond(send, status, _SAFE + cached + headers, b"" if scope["method"] == "HEAD" else body)


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse_websocket(receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "the stream is at /stream"})
