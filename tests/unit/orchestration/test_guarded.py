"""The HTTP port among clumsy and hostile clients: real sockets, small limits."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import pytest
from prometheus_client import CollectorRegistry
from tests.waiting import until

from flashmm_backends.promql import Engine, PrometheusApi, PromqlMetrics
from flashmm_backends.promql.testing import MemorySource
from flashmm_orchestration.access import Receive, Scope, Send
from flashmm_orchestration.api import Parts, build_app
from flashmm_orchestration.api._gate import Gate, GateLimits
from flashmm_orchestration.api.prometheus import prometheus_router
from flashmm_orchestration.api.telemetry import HttpTelemetry
from flashmm_orchestration.guarded import Guard
from flashmm_orchestration.services import HttpService
from flashmm_streaming import EndpointLimits, Hub, StreamEndpoint

HEAD = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
ANSWER_BYTES = 32_000_000
UPGRADE = (
    b"GET /stream HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Door:
    """A served application with what it counts."""

    def __init__(self, port: int, registry: CollectorRegistry) -> None:
        self.port = port
        self._registry = registry

    def ended(self, reason: str) -> float:
        found = self._registry.get_sample_value("flashmm_http_connections_ended_total", {"reason": reason})
        return found or 0.0

    async def counted(self, reason: str, times: int = 1) -> None:
        """Return once it was counted so often."""
        await until(lambda: self.ended(reason) >= times)

    async def trickled(self, reason: str, writer: asyncio.StreamWriter, drop: bytes) -> None:
        """Send a drop again and again until it was counted."""

        def done() -> bool:
            writer.write(drop)
            return self.ended(reason) > 0

        await until(done)

    @asynccontextmanager
    async def connected(self, sent: bytes = b"") -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
        try:
            writer.write(sent)
            yield reader, writer
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def exchange(self, sent: bytes) -> bytes:
        """All that comes back until the connection ends."""
        async with asyncio.timeout(30), self.connected(sent) as (reader, _):
            try:
                return await reader.read(-1)
            except ConnectionResetError:
                return b""


@contextmanager
def heard(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """uvicorn's log, once a server has set it up: it does not reach the root."""
    logger = logging.getLogger("uvicorn")
    logger.addHandler(caplog.handler)
    try:
        yield
    finally:
        logger.removeHandler(caplog.handler)


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers more than the kernel's buffers hold at /much, else nothing."""
    del receive
    body = b"x" * (ANSWER_BYTES if scope["path"] == "/much" else 0)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def door(connections: int = 16, request_s: float = 0.2, send_s: float = 0.2) -> AsyncGenerator[Door]:
    registry = CollectorRegistry()
    source = MemorySource()
    metrics = PromqlMetrics(Engine(source))
    api = PrometheusApi(metrics, source)
    telemetry, hub = HttpTelemetry(registry), Hub("epoch", registry)
    routers = (prometheus_router(api, Gate("promql", GateLimits(1, 1, 1.0), telemetry)),)
    parts = Parts(routers=routers, socket=StreamEndpoint(hub), page=page)
    app = build_app(parts, version="1", hosts=[], token="", telemetry=telemetry)
    guard = Guard(connections, request_s, send_s, telemetry.connections_ended)
    bound = socket.create_server(("127.0.0.1", 0))
    started = asyncio.Event()
    with bound:
        running = asyncio.create_task(HttpService(bound, app, hub, EndpointLimits(), guard).run(started.set))
        try:
            await started.wait()
            yield Door(bound.getsockname()[1], registry)
        finally:
            running.cancel()
            await asyncio.wait([running])
            metrics.close()


@pytest.mark.parametrize(
    "part",
    [
        b"",
        HEAD,
        HEAD[:7],
        b"POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nquery",
        HEAD + b"\r\n" + HEAD[:9],
    ],
    ids=["nothing", "head", "line", "body", "second"],
)
async def test_a_request_that_does_not_arrive_ends_the_connection(part: bytes) -> None:
    """Slowly sent heads and bodies, also after an answer, have their time; then the connection ends."""
    async with door() as open_door:
        await open_door.exchange(part)
        if part.count(b"GET") < 2:
            assert open_door.ended("request_timeout") == 1
        assert (await open_door.exchange(HEAD + b"connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_bytes_that_trickle_are_no_progress() -> None:
    """The time runs from the first byte, not from the last."""
    async with door() as open_door, open_door.connected(HEAD) as (_, writer):
        await open_door.trickled("request_timeout", writer, b"a: b\r\n")


async def test_a_body_without_end_after_the_answer_is_cut_off() -> None:
    """What is refused early need not be read for ever."""
    sent = b"POST / HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 99999999\r\n\r\n"
    async with door() as open_door, open_door.connected(sent) as (_, writer):
        await open_door.trickled("request_timeout", writer, b"x")


async def test_a_body_of_two_lengths_is_refused() -> None:
    """A proxy may take for the next request what we take for this one's body: the connection ends with it."""
    both = (
        b"POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    async with door(request_s=30) as open_door:
        answer = await open_door.exchange(both + b"0\r\n\r\n" + HEAD + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """However much it asked for."""
    sent = b"GET /much HTTP/1.1\r\nhost: localhost\r\n\r\n"
    async with door(request_s=30) as open_door, open_door.connected(sent):
        await open_door.counted("send_timeout")


async def test_who_keeps_us_waiting_makes_room() -> None:
    """However many connections say nothing or half a request, a new one is answered; each displaced is counted."""
    async with door(connections=4, request_s=30) as open_door, contextlib.AsyncExitStack() as crowd:
        for _ in range(10):
            await crowd.enter_async_context(open_door.connected(HEAD))
            await crowd.enter_async_context(open_door.connected())
        for _ in range(3):
            answer = await open_door.exchange(HEAD + b"connection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
        assert open_door.ended("displaced") >= 16


async def test_who_was_answered_outlasts_strangers() -> None:
    """A page's kept connection is there still after a crowd that asked for nothing."""
    async with door(connections=4, request_s=30) as open_door, contextlib.AsyncExitStack() as crowd:
        reader, writer = await crowd.enter_async_context(open_door.connected(HEAD + b"\r\n"))
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(20):
            await crowd.enter_async_context(open_door.connected())
        await open_door.counted("displaced", 17)
        writer.write(HEAD + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_connections_are_bounded() -> None:
    """Where all wait for us, one too many is told to come back; when others leave there is room again."""
    async with door(connections=2, request_s=30) as open_door:
        async with open_door.connected(UPGRADE) as first, open_door.connected(UPGRADE) as second:
            for reader, _ in (first, second):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            assert (await open_door.exchange(b"")).startswith(b"HTTP/1.1 503")
            assert open_door.ended("too_many") == 1

        async def answered() -> bool:
            return (await open_door.exchange(HEAD + b"connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")

        await until(answered)


async def test_a_client_that_leaves_amid_its_request_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """No traceback in the log."""
    sent = b"POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nquery"
    async with door(request_s=30) as open_door, open_door.connected(sent) as (_, writer):
        with heard(caplog):
            await writer.drain()
            writer.close()
            await open_door.counted("disconnect")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("reason", "first", "then"),
    [
        ("not_http", HEAD + b"\r\n", b"\x00\xff\r\n\r\n"),
        ("upgrade", HEAD + b"\r\n", HEAD + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n"),
        ("not_utf8", UPGRADE, b"\x81\x82\x00\x00\x00\x00\xff\xff"),
    ],
)
async def test_a_mistake_is_logged_once_and_counted_always(
    reason: str, first: bytes, then: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody fills the log; and no traceback for what a client did."""
    async with door(request_s=30) as open_door:
        with heard(caplog):
            for times in range(1, 6):
                async with open_door.connected(first) as (reader, writer):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(then)
                    await open_door.counted(reason, times)
    assert len([record for record in caplog.records if record.name.startswith("uvicorn.error")]) == 1
    assert "Traceback" not in caplog.text


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """One frame of a client, under a mask that changes nothing."""
    return bytes([opcode | (0x80 if fin else 0), 0x80 | len(payload)]) + bytes(4) + payload


TEXT, CONTINUED, PING, PONG = 1, 0, 9, 10
PARTS = EndpointLimits().fragments
FLOODS = {
    "pings": (masked(PING, b"x") * 5_000, 1008, "frame_flood"),
    "pongs": (masked(PONG) * 5_000, 1008, "frame_flood"),
    "fragments": (masked(TEXT, fin=False) + masked(CONTINUED, fin=False) * PARTS, 1009, "message_too_big"),
    "pings between fragments": (
        masked(TEXT, fin=False) + (masked(PING) + masked(CONTINUED, fin=False)) * PARTS,
        1009,
        "message_too_big",
    ),
    "messages": (masked(TEXT, b"{}") * 5_000, 1008, "frame_flood"),
    "too big": (masked(TEXT, b"x" * 100, fin=False) + b"\x80\xff" + (2**40).to_bytes(8), 1009, "message_too_big"),
    "no opcode": (masked(3), 1002, "bad_frame"),
    "no mask": (b"\x81\x02{}", 1002, "bad_frame"),
}


@pytest.mark.parametrize(("flood", "code", "reason"), FLOODS.values(), ids=FLOODS)
async def test_a_flood_of_frames_ends_its_connection(flood: bytes, code: int, reason: str) -> None:
    """It is closed with the code that says why, counted once, costs little, and others are served."""
    async with door(request_s=30) as open_door, open_door.connected(UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        before_s = time.process_time()
        writer.write(flood)
        answers = await reader.read(-1)
        await open_door.counted(reason)
        assert time.process_time() - before_s < 1.0
        assert b"\x88" + bytes([len(closing(answers)) - 2]) + code.to_bytes(2) in answers
        assert open_door.ended(reason) == 1
        assert answers.count(b"\x8a") <= EndpointLimits().frames_burst + EndpointLimits().frames_per_s
        assert (await open_door.exchange(HEAD + b"connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")


def closing(answers: bytes) -> bytes:
    """The close frame, which is the last."""
    return answers[answers.rindex(b"\x88") :]


async def test_as_many_frames_as_allowed_are_answered() -> None:
    """A message in the most parts, with pings between them, is read like any other."""
    parts = [masked(CONTINUED, fin=False) for _ in range(PARTS - 2)]
    said = masked(TEXT, b'{"type":', fin=False) + masked(PING).join(parts) + masked(CONTINUED, b'"ping"}')
    async with door(request_s=30) as open_door, open_door.connected(UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        assert b'"pong"' in await reader.readuntil(b"}")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ((b"upgrade\r\n", b"upgrade\r\norigin: http://evil.example\r\n"), b"403"),
        ((b"localhost", b"evil.example"), b"421"),
    ],
)
async def test_a_refused_websocket_fills_no_log(
    changed: tuple[bytes, bytes], status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A page of another site may try as often as it likes."""
    async with door() as open_door:
        with heard(caplog):
            for _ in range(3):
                assert (await open_door.exchange(UPGRADE.replace(*changed))).startswith(b"HTTP/1.1 " + status)
    assert not caplog.records


async def test_no_answer_is_sniffed() -> None:
    """Every answer says that its type is what it names, errors too."""
    async with door() as open_door:
        for path in (b"/", b"/api/v1/x", b"/docs", b"/nowhere"):
            answer = await open_door.exchange(b"GET " + path + b" HTTP/1.0\r\nhost: localhost\r\n\r\n")
            assert b"x-content-type-options: nosniff" in answer
        assert b"nosniff" in await open_door.exchange(b"GET / HTTP/1.0\r\nhost: evil.example\r\n\r\n")
