"""Peers of the demo: an OTLP collector that keeps what it is sent, and an exchange that replays a recording."""

import asyncio
import http
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.otlp_peer import GrpcPeer, grpc_peer
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from flashmm_demo.feeds import read_lines

RECORDING = Path(__file__).with_name("data") / "simulated-btcusdt-7.jsonl.gz"
"""Made by: python -m flashmm_demo --record-only --speed max --original-times --duration 300 --seed 7 --record PATH"""


@pytest.fixture
def collector() -> Iterator[GrpcPeer]:
    """A running OTLP peer on a free port."""
    with grpc_peer() as peer:
        yield peer


# The exchange.


@dataclass
class Exchange:
    """A public exchange that sends a recording's messages, as many as it is told to and then what it is told to."""

    lines: list[str]
    snapshot: str
    port: int = 0
    connections: int = 0
    snapshots: int = 0
    paths: list[str] = field(default_factory=list)
    scripts: list[list[str | None]] = field(default_factory=list)
    """What each connection sends; None ends it rudely. Without a script, all lines; then it stays open."""
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    """A client has read nearly all of what a connection sent: it answered a ping after it."""
    failing_snapshots: int = 0
    """Answer so many snapshot requests with an error first."""

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def send(self, connection: ServerConnection) -> None:
        self.connections += 1
        script = self.scripts.pop(0) if self.scripts else self.lines
        for text in script:
            if text is None:
                connection.transport.abort()
                return
            await connection.send(text)
        await (await connection.ping())
        self.drained.set()
        await connection.wait_closed()

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        if not request.path.startswith("/fapi/v1/depth"):
            return None
        self.snapshots += 1
        if self.failing_snapshots:
            self.failing_snapshots -= 1
            return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
        body = self.snapshot.encode()
        return Response(200, "OK", Headers({"Content-Length": str(len(body)), "Connection": "close"}), body)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """A running exchange with the recording's first minute."""
    texts = [line.text for line, _ in zip(read_lines(RECORDING), range(1_000), strict=False)]
    kept = Exchange(lines=[text for text in texts if "stream" in json.loads(text)], snapshot=texts[0])
    server: Server
    async with serve(kept.send, "127.0.0.1", 0, process_request=kept.answer) as server:
        kept.port = next(iter(server.sockets)).getsockname()[1]
        yield kept
