"""The services that the supervisor keeps running: thin shells around what the packages provide."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final

import uvicorn

from flashmm_orchestration.access import App
from flashmm_orchestration.guarded import Guard
from flashmm_orchestration.settings import Settings
from flashmm_orchestration.supervisor import CannotStart
from flashmm_receiver import CannotListen, NotConfigured, Receiver
from flashmm_receiver.hosts import is_loopback
from flashmm_streaming import EndpointLimits, Hub

_HEAD_BYTES_MAX: Final = 65_536


@dataclass
class ReceiverService:
    """OTLP in."""

    receiver: Receiver
    told: Callable[[str], str] = str
    """A setting by name, as messages tell it."""
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "receiver"

    async def run(self, started: Callable[[], None]) -> None:
        """Listen until cancelled. Raises CannotStart when a port is taken, or open to others without protection."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.receiver)
            except (CannotListen, NotConfigured) as error:
                names = (f"receiver.{name}" for name in error.setting.split(", "))
                raise CannotStart("receiver", f"{error} [{', '.join(map(self.told, names))}]") from error
            self.listening.set()
            started()
            await asyncio.Event().wait()


@dataclass
class HttpService:
    """The page, the API and the WebSocket on one port. bound: as `bind` gives it, not closed here."""

    bound: socket.socket
    app: App
    hub: Hub
    stream: EndpointLimits
    guard: Guard
    name: str = "http"

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self.bound.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until cancelled, then tell the clients of the stream that they should come back."""
        with self.guard.counting():
            await self._serve(started)

    async def _serve(self, started: Callable[[], None]) -> None:
        server = _Server(self._config(), started)
        serving = asyncio.create_task(server.serve(sockets=[self.bound.dup()]), name="uvicorn")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.hub.shutdown()
            server.should_exit = True
            await serving
            raise

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self.app,
            loop="none",
            http=self.guard.http(),  # over h11: httptools has no limit on the size of a request's head
            h11_max_incomplete_event_size=_HEAD_BYTES_MAX,
            ws=self.guard.websocket(self.stream),
            ws_max_size=self.stream.message_bytes,
            ws_per_message_deflate=False,
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )


class _Server(uvicorn.Server):
    """uvicorn, told to leave signals alone and to say when it serves."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals belong to the command line."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, then say so."""
        await super().startup(sockets)
        self._tell()


def bind(settings: Settings) -> socket.socket:
    """The port, taken and not yet listened on.

    Raises CannotStart for an open address without a token, and for a port in use.
    """
    host, port = settings.http.host, settings.http.port
    if not is_loopback(host) and not settings.http.token:
        raise CannotStart(
            "http",
            f"{settings.told('http.host')} is reachable from other machines and no token is set: "
            "set http.token (FLASHMM_HTTP__TOKEN), or listen on 127.0.0.1",
        )
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, UnicodeError) as error:
        bound.close()
        raise CannotStart("http", _cannot_listen(settings, error)) from error
    return bound


def _cannot_listen(settings: Settings, error: OSError | UnicodeError) -> str:
    http, why = settings.http, error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        told, remedy = "http.port", "stop what holds the port, or choose another with --port (FLASHMM_HTTP__PORT)"
    elif isinstance(error, OSError) and error.errno == errno.EACCES:
        told, remedy = "http.port", "ports below 1024 are the system's: choose another with --port"
    else:
        told, remedy = "http.host", "give an address of this machine"
    return f"cannot listen on {http.host}:{http.port}: {why}; {settings.told(told)}: {remedy}"
