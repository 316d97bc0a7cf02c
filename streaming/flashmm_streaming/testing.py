"""A small client for the stream, for tests: it keeps its place, and checks that offsets only grow."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson
from websockets.asyncio.client import ClientConnection, connect

Frame = Mapping[str, Any]


class StreamClient:
    """One connection. `resume` is what a later subscribe continues from; `items` collects what came, by stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.resume: dict[str, Mapping[str, object]] = {}
        self.items: dict[str, list[Frame]] = {}
        self.frames: list[Frame] = []

    async def say(self, message: Mapping[str, object] | str | bytes) -> None:
        """Send a message: an object as JSON text, text and bytes as they are."""
        await self.socket.send(message if isinstance(message, (str, bytes)) else orjson.dumps(message).decode())

    async def subscribe(self, streams: Sequence[str], **more: object) -> None:
        """Subscribe, with `symbols`, `resume`, `recent` as given."""
        await self.say({"type": "subscribe", "streams": list(streams), **more})

    async def hear(self) -> Frame:
        """The next frame. Raises websockets' ConnectionClosed at the end."""
        frame = cast("Frame", orjson.loads(await self.socket.recv()))
        self.frames.append(frame)
        self._note(frame)
        return frame

    async def hear_until(self, kind: str) -> Frame:
        """Read on to the next frame of a type."""
        while (frame := await self.hear())["type"] != kind:
            pass
        return frame

    async def hear_items(self, stream: str, count: int) -> Sequence[Frame]:
        """Read on until that many items of a stream have come in all."""
        while len(self.items.get(stream, ())) < count:
            await self.hear()
        return self.items[stream]

    def _note(self, frame: Frame) -> None:
        if frame["type"] not in ("data", "gap"):
            return
        stream, offset = str(frame["stream"]), int(frame["offset"])
        before = self.resume.get(stream, {})
        if before.get("epoch") == frame["epoch"] and not frame.get("snapshot"):
            assert offset >= cast("int", before["offset"]), f"{stream} went back from {before['offset']} to {offset}"
        self.resume[stream] = {"epoch": frame["epoch"], "offset": offset}
        self.items.setdefault(stream, []).extend(frame.get("items", ()))


@asynccontextmanager
async def connected(port: int, path: str = "/stream", **options: Any) -> AsyncGenerator[StreamClient]:  # noqa: ANN401 - websockets' own options
    """A client connected to the loopback."""
    async with connect(f"ws://127.0.0.1:{port}{path}", **options) as socket:
        yield StreamClient(socket)
