"""A small HTTP peer on a real socket that answers what it is told to, and remembers what it was asked."""

import json
import ssl
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from flashmm_backends.lgtm import Time


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. fields: of the address and of the form."""

    method: str
    path: str
    fields: Mapping[str, list[str]]
    headers: Mapping[str, str]

    def one(self, name: str) -> str:
        """The only value of a field."""
        (value,) = self.fields[name]
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. A body that isn't bytes becomes JSON."""

    body: object = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    @property
    def all_headers(self) -> Mapping[str, str]:
        """With the content type that fits."""
        kind = "text/html" if isinstance(self.body, bytes) else "application/json"
        return {"content-type": kind, "content-length": str(len(self.content)), **self.headers}


@dataclass(slots=True)
class Store:
    """The peer. answers: given in turn, the last for ever; or what a function makes of each request."""

    answers: list[Answer] | Callable[[Asked], Answer]
    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])

    def answer(self, asked: Asked) -> Answer:
        """The next answer."""
        self.asked.append(asked)
        if not isinstance(self.answers, list):
            return self.answers(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def running_store(
    *answers: Answer, by: Callable[[Asked], Answer] | None = None, tls: Path | None = None
) -> Generator[Store]:
    """A store that serves until the end. tls: a folder with cert.pem and key.pem for localhost."""
    store = Store(by or list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            form = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            fields = parse_qs("&".join(filter(None, (parts.query, form))))
            answer = store.answer(Asked(self.command, parts.path, fields, self.headers))
            self.send_response(answer.status)
            for name, value in answer.all_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that refuses the certificate is what some tests want."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        store.url = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{server.server_port}"
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield store
        server.shutdown()


@dataclass(slots=True)
class Passing:
    """Time that passes when it is slept, and only then. wall_s: where the wall clock begins."""

    wall_s: float = 1_800_000_000.0
    now_s: float = 0.0
    slept: list[float] = field(default_factory=list[float])

    async def sleep(self, seconds: float) -> None:
        """Pass the time."""
        self.slept.append(seconds)
        self.now_s += seconds

    @property
    def time(self) -> Time:
        """As the adapters take it."""
        return Time(lambda: self.now_s, lambda: self.wall_s + self.now_s, self.sleep, Random(7))
