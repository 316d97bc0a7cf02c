"""Following other processes' streams: what their hubs publish is published again by ours, gaps included.

So stream servers can stand apart from ledgers, as many as clients need: each ledger projects what arrives once, and
sends it once to each of them.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Never, cast

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from flashmm_streaming._requests import RECENT_MAX
from flashmm_streaming.hub import Body, Hub
from flashmm_streaming.streams import STREAMS

_FRAME_BYTES_MAX: Final = 16_000_000
_FIRST_WAIT_S: Final = 0.5
_WAIT_S_MAX: Final = 30.0
_STRANGE: Final = (ValueError, KeyError, TypeError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Whose streams: the address of its page, what each request carries, how its certificate is judged."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    trust: ssl.SSLContext | None = None

    @property
    def stream(self) -> str:
        """The address of the WebSocket."""
        return "ws" + self.url.removeprefix("http").rstrip("/") + "/stream"


class FollowerMetrics:
    """What following tells of itself, by source."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.following = Gauge(
            "flashmm_follower_connected", "1 while the source's streams come in.", ["source"], registry=registry
        )
        self.losses = Counter(
            "flashmm_follower_losses", "Connections lost or refused.", ["source"], registry=registry
        )
        self.items = Counter("flashmm_follower_items", "Items taken over.", ["source"], registry=registry)


class Opening:
    """Items on their way to the hub. Held back until all sources have told what they know, then sorted by time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._held: dict[str, list[Body]] | None = {}

    def publish(self, stream: str, items: Sequence[Body]) -> None:
        """Hand them on, now or later."""
        if self._held is None:
            self._hub.publish(stream, items)
        else:
            self._held.setdefault(stream, []).extend(items)

    def lose(self, stream: str, missed: int | None, reason: str) -> None:
        """Some will not come."""
        self._hub.lose(stream, missed, reason)

    def release(self) -> None:
        """Hand on what was held back, and from now on everything at once."""
        held, self._held = self._held or {}, None
        for stream, items in held.items():
            self._hub.publish(stream, sorted(items, key=_time_ns))


def _time_ns(item: Body) -> int:
    exact = item.get("time_ns")
    return int(exact) if isinstance(exact, str) else int(cast("int", item.get("time_ms") or 0)) * 1_000_000


class Follower:
    """One source. It is connected to again after a loss, from where it stopped; what was missed is announced.

    pause: waits so many seconds.
    """

    def __init__(
        self,
        source: Source,
        opening: Opening,
        metrics: FollowerMetrics,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.source = source
        self.detail = "not asked yet"
        """Why it is not followed; empty while it is."""
        self.settled = asyncio.Event()
        """Set once it has told what it knows, or could not be reached."""
        self._opening = opening
        self._metrics = metrics
        self._pause = pause
        self._resume: dict[str, dict[str, object]] = {}
        self._failures = 0
        metrics.following.labels(source.url).set(0)

    async def follow(self) -> Never:
        """Until cancelled."""
        while True:
            why = await self._once()
            self._lost(why)
            await self._pause(min(_WAIT_S_MAX, _FIRST_WAIT_S * 2.0 ** min(self._failures, 10)))
            self._failures += 1

    async def _once(self) -> str:
        """One connection to its end; returns why it ended."""
        source = self.source
        try:
            async with connect(
                source.stream,
                additional_headers=dict(source.headers),
                ssl=source.trust,
                max_size=_FRAME_BYTES_MAX,
                compression=None,
            ) as socket:
                await self._subscribe(socket)
                async for frame in socket:
                    self._take(cast("dict[str, Any]", orjson.loads(frame)))
        except InvalidStatus as error:
            return f"HTTP {error.response.status_code}: it refuses the WebSocket"
        except ConnectionClosed as error:
            return f"the connection was lost ({error})"
        except (OSError, WebSocketException) as error:
            return str(error) or type(error).__name__
        except _STRANGE as error:
            return f"it answers otherwise than a stream does: is it another version? ({error!r})"
        return "it ended the connection"

    async def _subscribe(self, socket: ClientConnection) -> None:
        """One message a stream, so that one that the source does not know costs no other; pong follows them all."""
        for stream in STREAMS:
            point = self._resume.get(stream)
            begin = {"resume": {stream: point}} if point else {"recent": RECENT_MAX}
            await socket.send(orjson.dumps({"type": "subscribe", "streams": [stream], **begin}).decode())
        await socket.send('{"type":"ping"}')

    def _take(self, frame: Mapping[str, Any]) -> None:
        match frame["type"]:
            case "data":
                self._opening.publish(frame["stream"], frame["items"])
                self._metrics.items.labels(self.source.url).inc(len(frame["items"]))
                self._stand(frame)
            case "gap":
                self._opening.lose(frame["stream"], frame["missed"], frame["reason"])
                self._stand(frame)
            case "subscribed" if not frame["recovered"]:
                self._stand(frame)
            case "pong":
                self._found()
            case "error":
                _log.warning("%s: %s", self.source.url, frame["message"])
            case _:
                pass

    def _stand(self, frame: Mapping[str, Any]) -> None:
        self._resume[frame["stream"]] = {"epoch": frame["epoch"], "offset": frame["offset"]}

    def _found(self) -> None:
        _log.info("following %s", self.source.url)
        self.detail, self._failures = "", 0
        self._metrics.following.labels(self.source.url).set(1)
        self.settled.set()

    def _lost(self, why: str) -> None:
        if self.detail != why:
            _log.warning("%s is not followed: %s", self.source.url, why)
        self.detail = why
        self._metrics.following.labels(self.source.url).set(0)
        self._metrics.losses.labels(self.source.url).inc()
        self.settled.set()
