"""Following other hubs over real sockets: what they publish is published again, gaps included."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import orjson
from prometheus_client import CollectorRegistry
from starlette.websockets import WebSocket
from tests.acceptance.page.site import serving
from tests.waiting import until

from flashmm_streaming import Follower, FollowerMetrics, Hub, Opening, Session, Source, StreamEndpoint


class Ours:
    """A hub that follows, with one subscriber. Waits between attempts are let go of by `again`."""

    def __init__(self, *urls: str) -> None:
        self.registry = CollectorRegistry()
        self.hub = Hub("ours", self.registry)
        self.opening = Opening(self.hub)
        metrics = FollowerMetrics(self.registry)
        self.followers = [Follower(Source(url), self.opening, metrics, self._pause) for url in urls]
        self.waits: list[float] = []
        self.again = asyncio.Semaphore(0)
        self.session = self.hub.join(lambda: None)
        for stream in ("trades", "pnl"):
            self.hub.receive(self.session, orjson.dumps({"type": "subscribe", "streams": [stream]}))
        drained(self.session)

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self.again.acquire()

    async def settled(self) -> None:
        for each in self.followers:
            await each.settled.wait()

    async def heard(self, enough: Callable[[list[dict]], bool]) -> list[dict]:
        """Frames, until they are enough."""
        frames: list[dict] = []

        def look() -> bool:
            frames.extend(drained(self.session))
            return enough(frames)

        await until(look)
        return frames


def drained(session: Session) -> list[dict]:
    frames = []
    while (frame := session.take()) is not None:
        frames.append(orjson.loads(frame))
    return frames


def numbers(frames: list[dict]) -> list[int]:
    return [item["n"] for frame in frames if frame["type"] == "data" for item in frame["items"]]


def fill(number: int) -> dict[str, object]:
    return {"symbol": "BTCUSDT", "n": number, "time_ns": str(number)}


@asynccontextmanager
async def following(*urls: str) -> AsyncGenerator[Ours]:
    """All of them followed while the block lasts."""
    ours = Ours(*urls)
    tasks = [asyncio.create_task(each.follow()) for each in ours.followers]
    try:
        yield ours
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


async def test_two_sources_begin_as_one():
    """What both know is held back until both have told it, and comes by time; then each item as it comes, once."""
    a, b = Hub("a", CollectorRegistry()), Hub("b", CollectorRegistry())
    a.publish("trades", [fill(1), fill(4)])
    b.publish("trades", [fill(2), fill(3)])
    async with (
        serving(StreamEndpoint(a)) as at,
        serving(StreamEndpoint(b)) as bt,
        following(url(at), url(bt)) as ours,
    ):
        await ours.settled()
        assert numbers(drained(ours.session)) == []
        ours.opening.release()
        assert numbers(await ours.heard(lambda frames: len(numbers(frames)) >= 4)) == [1, 2, 3, 4]
        b.publish("trades", [fill(5)])
        a.publish("trades", [fill(6)])
        assert sorted(numbers(await ours.heard(lambda frames: len(numbers(frames)) >= 2))) == [5, 6]
        assert [each.detail for each in ours.followers] == ["", ""]


async def test_a_lost_connection_is_taken_up_where_it_stopped():
    """What was published meanwhile comes after it, without a gap."""
    theirs = Hub("a", CollectorRegistry())
    async with serving(StreamEndpoint(theirs)) as port, following(url(port)) as ours:
        await ours.settled()
        ours.opening.release()
        theirs.publish("trades", [fill(1)])
        assert numbers(await ours.heard(lambda frames: bool(numbers(frames)))) == [1]
        theirs.shutdown()
        await until(lambda: bool(ours.waits))
        assert "ended" in ours.followers[0].detail or "lost" in ours.followers[0].detail
        theirs.publish("trades", [fill(2), fill(3)])
        ours.again.release()
        frames = await ours.heard(lambda frames: len(numbers(frames)) >= 2)
        assert (numbers(frames), [frame["type"] for frame in frames]) == ([2, 3], ["data"])
        assert ours.followers[0].detail == ""


async def test_a_source_that_was_started_again_leaves_a_gap():
    """Nobody can tell what the old one still had: subscribers are told so, and get the new one's state."""
    hubs = [Hub("first", CollectorRegistry()), Hub("second", CollectorRegistry())]
    current = [hubs[0]]

    async def endpoint(scope, receive, send):
        await StreamEndpoint(current[0])(scope, receive, send)

    async with serving(endpoint) as port, following(url(port)) as ours:
        hubs[0].publish("pnl", [{"bot": "m", "account": "a", "currency": "USDT", "n": 1}])
        hubs[1].publish("pnl", [{"bot": "m", "account": "a", "currency": "USDT", "n": 9}])
        await ours.settled()
        ours.opening.release()
        await ours.heard(lambda frames: numbers(frames) == [1])
        before = ours.hub.position("pnl")
        current[0] = hubs[1]
        hubs[0].shutdown()
        await until(lambda: bool(ours.waits))
        ours.again.release()
        frames = await ours.heard(lambda frames: 9 in numbers(frames))
        gaps = [frame for frame in frames if frame["type"] == "gap" and frame["stream"] == "pnl"]
        assert [(gap["reason"], gap["missed"]) for gap in gaps] == [("epoch", None)]
        told = resumed(ours.hub, before.offset)
        assert [frame["type"] for frame in told] == ["subscribed", "gap", "data"]
        assert told[0]["recovered"] is False


def resumed(hub: Hub, offset: int) -> list[dict]:
    """What a client is told that comes back to `pnl` from there."""
    session = hub.join(lambda: None)
    resume = {"pnl": {"epoch": "ours", "offset": offset}}
    hub.receive(session, orjson.dumps({"type": "subscribe", "streams": ["pnl"], "resume": resume}))
    return drained(session)


async def test_a_source_away_stops_no_other():
    """One that nobody answers for, and one that is something else: each says why, and waits longer each time."""

    async def stranger(scope, receive, send):
        peer = WebSocket(scope, receive, send)
        await peer.accept()
        await peer.send_text('{"type":"data"}')
        await peer.receive()

    theirs = Hub("a", CollectorRegistry())
    async with (
        serving(StreamEndpoint(theirs)) as port,
        serving(stranger) as strange,
        following(url(free_port()), url(strange), url(port)) as ours,
    ):
        await ours.settled()
        ours.opening.release()
        theirs.publish("trades", [fill(1)])
        assert numbers(await ours.heard(lambda frames: bool(numbers(frames)))) == [1]
        nobody, other, _ = ours.followers
        assert "111" in nobody.detail or "refused" in nobody.detail.lower()
        assert "another version" in other.detail
        ours.again.release()
        ours.again.release()
        await until(lambda: len(ours.waits) >= 4)
        assert sorted(ours.waits) == [0.5, 0.5, 1.0, 1.0]
    value = ours.registry.get_sample_value("flashmm_follower_connected", {"source": url(port)})
    assert value == 1.0


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]
