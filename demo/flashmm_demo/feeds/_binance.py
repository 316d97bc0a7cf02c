"""The live public feed of Binance USD-M futures: the combined stream, snapshots by REST, reconnects with back-off.

Source: Binance USD-M futures, "Websocket Market Streams" and "Order Book".
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from flashmm_demo._messages import Depth, Message, Reset, Snapshot
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo._wire import MalformedMessage, decode
from flashmm_demo.feeds._depth_chain import DepthChain
from flashmm_demo.feeds._malformed import Malformed

_log = logging.getLogger(__name__)
_QUEUE_MAX: Final = 20_000
_SILENCE_S: Final = 20.0
"""A connection that says nothing for so long is taken for dead."""
_REST_TIMEOUT_S: Final = 10.0
_MESSAGE_MAX_BYTES: Final = 4 * 2**20
_SNAPSHOT_LEVELS: Final = 1000
_CHECK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class BackOff:
    """Waits between attempts: doubling from `first_s` to `longest_s`, each cut by up to a half at random."""

    first_s: float = 0.5
    longest_s: float = 30.0
    random: Random = field(default_factory=Random)

    def wait_s(self, attempt: int) -> float:
        """Before attempt 1, 2, 3 … after a failure."""
        longest = min(self.longest_s, self.first_s * 2 ** min(attempt - 1, 16))
        return longest * (0.5 + self.random.random() / 2)


class BinanceFeed:
    """Live messages of some symbols. What doesn't parse is left out, and told of.

    A Reset comes for each symbol when a connection is lost, or when the bot was too slow and messages were dropped.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        stream_url: str,
        rest_url: str,
        clock: Callable[[], int],
        back_off: BackOff | None = None,
        *,
        queue_max: int = _QUEUE_MAX,
    ) -> None:
        self._symbols = symbols
        self._stream_url = f"{stream_url}?streams={'/'.join(_streams(symbols))}"
        self._rest_url = rest_url
        self._clock = clock
        self._back_off = back_off or BackOff()
        self._queue: asyncio.Queue[Message] = asyncio.Queue(queue_max)
        self._chains: dict[str, DepthChain] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._last_ns = 0
        self._malformed = Malformed("market data")
        self.connections = 0
        """Connections made so far."""

    async def next(self, until_ns: int) -> Message | None:
        """The next message, or None once `until_ns` has come without one. Raises what ended the reading."""
        while self._queue.empty():
            self._raise_if_ended()
            wait_s = (until_ns - self._clock()) / SECOND_NS
            if wait_s <= 0:
                return None
            try:
                async with asyncio.timeout(min(wait_s, _CHECK_EVERY_S)):
                    return await self._queue.get()
            except TimeoutError:
                continue
        return self._queue.get_nowait()

    async def __aenter__(self) -> Self:
        """Begin to connect."""
        self._reading = asyncio.create_task(self._read_for_ever(), name="binance-feed")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        tasks = [*self._fetching.values(), *([self._reading] if self._reading else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._malformed.tell()

    def _raise_if_ended(self) -> None:
        if self._reading is not None and self._reading.done():
            self._reading.result()

    # The connection.

    async def _read_for_ever(self) -> None:
        failures = 0
        while True:
            heard_ns = self._last_ns
            reason = await self._read_once()
            failures = 1 if self._last_ns > heard_ns else failures + 1
            self._lose(reason)
            wait_s = self._back_off.wait_s(failures)
            _log.warning("market data connection lost (%s), again in %.1f s", reason, wait_s)
            await asyncio.sleep(wait_s)

    async def _read_once(self) -> str:
        """Read one connection to its end; why it ended."""
        try:
            async with connect(self._stream_url, max_size=_MESSAGE_MAX_BYTES) as connection:
                self.connections += 1
                _log.info("market data connected: %s", self._stream_url)
                self._begin_chains()
                await self._read(connection)
        except (OSError, WebSocketException) as error:  # TimeoutError is an OSError
            return f"{type(error).__name__}: {error}"
        return "closed"

    async def _read(self, connection: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(_SILENCE_S):
                text = await connection.recv()
            self._take(text)

    def _take(self, text: str | bytes) -> None:
        message = self._decoded(text if isinstance(text, str) else text.decode("utf-8", "replace"), "")
        if message is None or message.symbol not in self._symbols:
            return
        if isinstance(message, Depth) and self._chains[message.symbol].breaks_at(message):
            _log.warning("%s: a depth update is missing", message.symbol)
            self._fetch_soon(message.symbol)
        self._offer(message)

    def _decoded(self, text: str, symbol: str) -> Message | None:
        self._last_ns = max(self._last_ns, self._clock())
        try:
            return decode(text, self._last_ns, symbol)
        except MalformedMessage as error:
            self._malformed.found(error)
            return None

    def _offer(self, message: Message) -> None:
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            self._lose("the bot fell behind")
            self._begin_chains()
        else:
            self._queue.put_nowait(message)

    def _lose(self, reason: str) -> None:
        now_ns = max(self._last_ns, self._clock())
        for fetching in self._fetching.values():
            fetching.cancel()
        for symbol in self._symbols:
            if not self._queue.full():
                self._queue.put_nowait(Reset(symbol, now_ns, reason))

    # Snapshots.

    def _begin_chains(self) -> None:
        for symbol in self._symbols:
            self._chains[symbol] = DepthChain()
            self._fetch_soon(symbol)

    def _fetch_soon(self, symbol: str) -> None:
        running = self._fetching.get(symbol)
        if running is not None:
            running.cancel()
        self._fetching[symbol] = asyncio.create_task(self._fetch(symbol), name=f"binance-snapshot-{symbol}")

    async def _fetch(self, symbol: str) -> None:
        url = f"{self._rest_url}/fapi/v1/depth?symbol={symbol}&limit={_SNAPSHOT_LEVELS}"
        attempt = 0
        while not self._accept(symbol, await self._got(url)):
            attempt += 1
            await asyncio.sleep(self._back_off.wait_s(attempt))

    async def _got(self, url: str) -> str | None:
        import httpx  # late: half a second of start-up, which the other feeds have no use for

        try:
            return await _get(url)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            _log.warning("depth snapshot: %s: %s", type(error).__name__, error)
            return None

    def _accept(self, symbol: str, text: str | None) -> bool:
        snapshot = None if text is None else self._decoded(text, symbol)
        if not isinstance(snapshot, Snapshot) or self._chains[symbol].outdates(snapshot):
            return False
        self._offer(snapshot)
        return True


def _streams(symbols: tuple[str, ...]) -> list[str]:
    kinds = ("bookTicker", "depth@100ms", "trade")
    return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds]


async def _get(url: str) -> str:
    import httpx

    async with httpx.AsyncClient(timeout=_REST_TIMEOUT_S) as client, client.stream("GET", url) as answer:
        answer.raise_for_status()
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > _MESSAGE_MAX_BYTES:
                raise ValueError(f"more than {_MESSAGE_MAX_BYTES} bytes")
    return body.decode("utf-8", "replace")
