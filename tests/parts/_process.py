"""One real server under a test's control: started until ready, killed, started again on the same address."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

_START_SECONDS_MAX = 120.0
_STOP_SECONDS_MAX = 15.0
_POLL_SECONDS = 0.02
_PORTS = range(10_000, 32_000)
"""Below those that the system gives to clients."""


class NotReady(Exception):
    """A server ended or stayed silent instead of becoming ready; the text ends with what it printed."""


@dataclass(slots=True)
class Server:
    """A server process with its address. A context manager: starts on entry, is gone after exit.

    base_url: where its HTTP API answers. ready_url: answers 200 once it takes requests.
    log: what it printed, over all its starts. ports: by purpose, for those that have several.
    restarts: how often it is started again where it ends while it starts, as by `restart` in docker-compose.yml.
    """

    name: str
    command: Sequence[str | Path]
    base_url: str
    ready_url: str
    log: Path
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return once it is ready. Raises NotReady."""
        assert self._process is None, f"{self.name} runs already"
        self._launch()
        deadline, restarts = time.monotonic() + _START_SECONDS_MAX, self.restarts
        while not answers(self.ready_url):
            ended = self._process is None or self._process.poll() is not None
            if time.monotonic() > deadline or (ended and not restarts):
                self.kill()
                raise NotReady(f"{self.name} did not become ready at {self.ready_url}:\n{self._tail()}")
            if ended:
                self._launch()
                restarts -= 1
            time.sleep(_POLL_SECONDS)

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in self.command],
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, nothing flushed. Does nothing when it isn't running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in good order, by force when that takes too long. Does nothing when it isn't running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    @property
    def pid(self) -> int:
        """The process's id, while it runs."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def answers(url: str) -> bool:
    """Whether a GET of the address is answered with success."""
    try:
        with urlopen(url, timeout=10) as response:
            return response.status == 200
    except (URLError, OSError):
        return False


def free_ports(*purposes: str) -> dict[str, int]:
    """A free loopback port for each purpose, all different.

    No client gets one before its server starts, or while that is down: not even one that knocks there.
    """
    with ExitStack() as held:
        return {purpose: _bound(held) for purpose in purposes}


def _bound(held: ExitStack) -> int:
    for _ in range(100):
        each = held.enter_context(socket.socket())
        with suppress(OSError):
            each.bind(("127.0.0.1", secrets.choice(_PORTS)))
            return each.getsockname()[1]
    raise OSError("no free port in a hundred")
