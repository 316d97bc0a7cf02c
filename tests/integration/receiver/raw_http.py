"""HTTP/1.1 as bytes on a socket, for what no client would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.unit.receiver.otlp import gauge, metrics_request, number

GOOD = metrics_request(gauge("g", number(1.0))).SerializeToString()
PROTOBUF = "application/x-protobuf"


class Answer:
    """An HTTP response, read whole."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if head.startswith(b"HTTP/1.1 ") else 0
        self.headers = dict(line.split(": ", 1) for line in lines[1:])


def request(
    body: bytes = GOOD, *, path: str = "/v1/metrics", method: str = "POST", kind: str = PROTOBUF, **headers: str
) -> bytes:
    """One request that asks to close."""
    fields = {"host": "127.0.0.1", "content-type": kind, "content-length": str(len(body)), "connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def connected(port: int, data: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An open connection that has sent something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def exchange(port: int, data: bytes, *, finish: bool = False) -> Answer:
    """Send bytes, read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        if finish:
            writer.write_eof()
        return Answer(await reader.read())
    finally:
        writer.close()
