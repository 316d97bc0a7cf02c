"""The demo market maker as a service: a process of its own, started before there is anything to talk to."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from flashmm_orchestration.supervisor import CannotStart

_GRACE_S: Final = 5.0
_REFUSED: Final = 2
"""The demo's exit code where its options are wrong."""


@dataclass
class DemoCommand:
    """The demo's command line. environment: added to this process's own.

    Entering the context starts a process ahead of time: it imports what it needs while this one does the same, and
    waits to be told an address. Leaving the context ends one that nobody took.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    _ahead: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        self._ahead = await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._ahead = self._ahead, None
        if process:
            await asyncio.shield(_end(process))

    async def process(self) -> asyncio.subprocess.Process:
        """The process that waits, or a new one."""
        process, self._ahead = self._ahead, None
        return process or await self._start()

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "flashmm_demo",
            *self.arguments,
            "--endpoint",
            "-",
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "true", **self.environment},
            start_new_session=True,
        )


@dataclass
class DemoService:
    """The demo, told OTLP's address, and nothing else of this program. endpoint: returns once something listens."""

    command: DemoCommand
    endpoint: Callable[[], Awaitable[str]]
    name: str = "demo"

    async def run(self, started: Callable[[], None]) -> None:
        """Run the process until cancelled, then let it end its streams. Returns when it exits by itself.

        Raises CannotStart where its options are why.
        """
        process = await self.command.process()
        try:
            await _tell(process, await self.endpoint())
            started()
            if await process.wait() == _REFUSED:
                raise CannotStart("demo", "it refuses its options, as it says above")
        finally:
            await asyncio.shield(_end(process))


async def _tell(process: asyncio.subprocess.Process, endpoint: str) -> None:
    """One that has ended already is told nothing: that it has ended is seen where it is waited for."""
    assert process.stdin
    if process.stdin.is_closing():
        return
    with suppress(ConnectionError):
        process.stdin.write(f"{endpoint}\n".encode())
        await process.stdin.drain()


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin
    process.stdin.close()
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _GRACE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
