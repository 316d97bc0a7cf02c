"""Bad input over raw sockets: a correct answer each, the process stays up, memory is bounded, all is counted."""

import asyncio
import contextlib
import gzip
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import grpc.aio
import psutil
import pytest
from google.rpc.status_pb2 import Status
from prometheus_client import CollectorRegistry
from tests.integration.receiver.raw_http import GOOD, PROTOBUF, connected, exchange, request
from tests.unit.receiver.otlp import NOW_NS, counter, gauge, metrics_request, number
from tests.unit.receiver.strategies import soaked
from tests.waiting import until

from flashmm_backends.testing import MemoryStore
from flashmm_receiver import Receiver, ReceiverSettings

ERRORS = "flashmm_receiver_connection_errors_total"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""HTTP/2's opening: its first line and empty settings."""
OWN = [("grpc.use_local_subchannel_pool", 1)]
"""A connection of its own."""
METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


SMALL = ReceiverSettings(
    grpc_bind="127.0.0.1:0",
    http_bind="127.0.0.1:0",
    request_bytes_max=100_000,
    decompressed_bytes_max=200_000,
    json_bytes_max=1_000,
    connections_max=4,
    grpc_connections_max=4,
)
HASTY = replace(SMALL, receive_timeout_s=0.3, idle_timeout_s=0.3)
"""For tests in which a time has to pass, and in none where something must happen within it."""


@pytest.fixture
def settings() -> ReceiverSettings:
    return SMALL


def total(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(), 200),
        (request(gzip.compress(GOOD), content_encoding="gzip"), 200),
        (request(gzip.compress(GOOD) + gzip.compress(b""), content_encoding="gzip"), 200),
        (request(b'{"resourceMetrics": []}', kind="application/json; charset=utf-8"), 200),
        (request(b""), 200),
        (request(b"\xff\xff\xff"), 400),
        (request(GOOD[:-3]), 400),
        (request(GOOD, content_encoding="gzip"), 400),
        (request(gzip.compress(GOOD)[:-9], content_encoding="gzip"), 400),
        (request(gzip.compress(GOOD) + b"x", content_encoding="gzip"), 400),
        (request(b"{", kind="application/json"), 400),
        (request(b"[]", kind="application/json"), 400),
        (request(b'{"resourceMetrics": 5}', kind="application/json"), 400),
        (request(b'{"a": "\xff"}', kind="application/json"), 400),
        (request(b'{"traceId": "xyz"}', kind="application/json"), 400),
        (request(b'{"a":' * 150 + b"1" + b"}" * 150, kind="application/json"), 200),
        (request(b"[" * 400 + b"]" * 400, kind="application/json"), 400),
        (request(path="/v1/profiles"), 404),
        (request(method="GET"), 405),
        (request(method="OPTIONS"), 405),
        (request(kind="text/plain"), 415),
        (request(kind="application/grpc"), 415),
        (request(content_encoding="br"), 415),
        (request(host="evil.example"), 421),
        (request(host="localhost:80.evil.example"), 421),
        (request(host=""), 421),
        (request(host="127.0.0.1\r\nhost: localhost"), 421),
        (request(host="[::1]:4318"), 200),
        (request(origin="http://evil.example"), 403),
        (request(origin="null"), 403),
        (request(origin="http://127.0.0.1:8080"), 403),
        (request(origin="http://127.0.0.1"), 200),
        (request(b"x" * 100_001), 413),
        (request(gzip.compress(b"\0" * 10_000_000), content_encoding="gzip"), 413),
        (request(b'{"a": "' + b"x" * 1_000 + b'"}', kind="application/json"), 413),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\x00\x01\x02garbage\r\n\r\n", 400),
        (b"POST /v1/metrics HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 404),
        (b"POST /v1/metrics HTTP/1.1\r\nx: " + b"y" * 70_000, 431),
    ],
)
async def test_every_request_is_answered(sent: bytes, status: int, receiver: Receiver) -> None:
    """With the status that the OTLP specification asks for, and the receiver goes on."""
    answer = await exchange(receiver.http_port, sent)
    assert answer.status == status
    assert (await exchange(receiver.http_port, request())).status == 200


async def test_errors_come_in_the_request_encoding(receiver: Receiver) -> None:
    """A google.rpc.Status in protobuf or JSON, whichever was sent."""
    binary = await exchange(receiver.http_port, request(b"\xff"))
    status = Status.FromString(binary.body)
    assert (binary.headers["content-type"], status.code) == (PROTOBUF, 3)
    assert "ExportMetricsServiceRequest" in status.message
    text = await exchange(receiver.http_port, request(b"{", kind="application/json"))
    assert text.headers["content-type"] == "application/json"
    assert json.loads(text.body)["code"] == 3


async def test_what_is_refused_is_counted(receiver: Receiver, registry: CollectorRegistry) -> None:
    """By signal, transport and code, and by reason."""
    await exchange(receiver.http_port, request(b"\xff"))
    await exchange(receiver.http_port, request())
    labels = {"signal": "metrics", "transport": "http"}
    assert total(registry, "flashmm_receiver_requests_total", **labels, code="400") == 1
    assert total(registry, "flashmm_receiver_requests_total", **labels, code="200") == 1
    assert total(registry, "flashmm_receiver_requests_refused_total", signal="metrics", reason="malformed") == 1
    assert total(registry, "flashmm_receiver_in_flight_bytes") == 0


async def test_a_chunked_body_is_bounded(receiver: Receiver) -> None:
    """A body without a length is refused once it is too long, though it goes on."""
    head = (
        request().partition(b"\r\n\r\n")[0].replace(b"content-length: %d" % len(GOOD), b"transfer-encoding: chunked")
    )
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    answer = await exchange(receiver.http_port, head + b"\r\n\r\n" + chunk * 10 + b"0\r\n\r\n")
    assert answer.status == 413


async def test_a_chunked_body_is_read(receiver: Receiver, store: MemoryStore) -> None:
    """Chunks are put together; 100-continue is answered."""
    head = request(expect="100-continue").partition(b"\r\n\r\n")[0]
    head = head.replace(b"content-length: %d" % len(GOOD), b"transfer-encoding: chunked")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n"
    answer = await exchange(receiver.http_port, head + b"\r\n\r\n" + chunks)
    assert answer.status == 100
    assert b"200 OK" in answer.body
    assert len(store.batches) == 1


@pytest.mark.parametrize("settings", [HASTY])
@pytest.mark.parametrize("part", [b"", b"POST /v1/met", request()[:-5], request(b"x" * 200_000)[:-5]])
async def test_slow_senders_are_cut_off(part: bytes, receiver: Receiver, registry: CollectorRegistry) -> None:
    """Half a head, half a body, nothing at all: after the time-out the connection ends and gives its bytes back."""
    answer = await exchange(receiver.http_port, part)
    assert answer.status == (413 if len(part) > 100_000 else 408 if part else 0)
    assert total(registry, "flashmm_receiver_in_flight_bytes") == 0


async def test_connections_that_hang_up(receiver: Receiver, registry: CollectorRegistry) -> None:
    """A sender that goes away in the middle leaves nothing behind."""
    for cut in (5, 60, len(request()) - 2):
        await exchange(receiver.http_port, request()[:cut], finish=True)
    assert (await exchange(receiver.http_port, request())).status == 200
    assert total(registry, "flashmm_receiver_in_flight_bytes") == 0


async def test_connections_are_limited(receiver: Receiver, registry: CollectorRegistry) -> None:
    """However many wait to be asked something, the next one is answered; who was served before stays longest."""
    kept = request().replace(b"connection: close", b"connection: keep-alive")
    async with contextlib.AsyncExitStack() as crowd:
        reader, writer = await crowd.enter_async_context(connected(receiver.http_port, kept))
        await reader.readuntil(b"\r\n\r\n")
        for part in (b"", b"POST /v1/met", request()[:-5], b"\0garbage\r\n\r\n") * 5:
            await crowd.enter_async_context(connected(receiver.http_port, part))
        assert (await exchange(receiver.http_port, request())).status == 200
        writer.write(kept)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        assert total(registry, "flashmm_receiver_connections", transport="http") <= 4
    assert total(registry, ERRORS, transport="http", reason="displaced") == 18


async def test_one_too_many_is_told_so(receiver: Receiver, registry: CollectorRegistry, store: MemoryStore) -> None:
    """Where all are being answered."""
    store.hold()
    async with contextlib.AsyncExitStack() as crowd:
        held = [await crowd.enter_async_context(connected(receiver.http_port, request())) for _ in range(4)]
        await until(lambda: total(registry, "flashmm_receiver_in_flight_bytes") == 4 * len(GOOD))
        assert (await exchange(receiver.http_port, b"")).status == 503
        store.let_go()
        for reader, _ in held:
            assert b" 200 " in await reader.read()


@pytest.fixture
async def channel(receiver: Receiver) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as opened:
        yield opened


async def call(channel: grpc.aio.Channel, body: bytes, method: str = METHOD, **options) -> grpc.StatusCode:
    """The code that a call ends with."""
    try:
        await channel.unary_unary(method)(body, timeout=60, **options)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_grpc_codes(channel: grpc.aio.Channel, registry: CollectorRegistry) -> None:
    """Malformed, too large and unknown calls get their codes; a bomb is not unpacked whole."""
    codes = grpc.StatusCode
    assert await call(channel, GOOD) == codes.OK
    assert await call(channel, b"") == codes.OK
    assert await call(channel, b"\xff\xff") == codes.INVALID_ARGUMENT
    assert await call(channel, b"x" * 100_001) == codes.RESOURCE_EXHAUSTED
    assert await call(channel, GOOD, METHOD + "2") == codes.UNIMPLEMENTED
    bomb = await call(channel, b"\0" * 50_000_000, compression=grpc.Compression.Gzip)
    assert bomb == codes.RESOURCE_EXHAUSTED
    assert await call(channel, GOOD) == codes.OK
    labels = {"signal": "metrics", "transport": "grpc", "code": "INVALID_ARGUMENT"}
    assert total(registry, "flashmm_receiver_requests_total", **labels) == 1


@pytest.mark.parametrize("settings", [HASTY])
async def test_a_call_whose_message_does_not_come_is_ended(channel: grpc.aio.Channel, receiver: Receiver) -> None:
    """It has its time, as an HTTP request has; and a call that ends without one is refused."""
    never = asyncio.Event()

    async def bodies(*, wait: bool) -> AsyncIterator[bytes]:
        if wait:
            await never.wait()
        for body in ():
            yield body

    codes = grpc.StatusCode
    ends = ((True, "in time", codes.UNAVAILABLE), (False, "request_bytes_max", codes.RESOURCE_EXHAUSTED))
    for wait, told, code in ends:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.stream_unary(METHOD)(bodies(wait=wait), timeout=30)
        assert refused.value.code() == code
        assert told in str(refused.value.details())
    assert receiver.grpc_port


async def test_calls_wait_for_a_place_before_their_bodies_are_read(store: MemoryStore) -> None:
    """One place: what waits longer than its time is told to come back, the others get their turn."""
    settings = ReceiverSettings(
        grpc_bind="127.0.0.1:0", http_bind="127.0.0.1:0", grpc_calls_max=1, receive_timeout_s=0.5
    )
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        await never.wait()
        yield b""

    async with (
        Receiver(settings, store, clock=lambda: NOW_NS, registry=CollectorRegistry()) as receiver,
        grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel,
    ):
        calls = [channel.stream_unary(METHOD)(endless(), timeout=30) for _ in range(4)]
        codes = [await call.code() for call in calls]
        assert set(codes) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_calls_without_a_message_make_room(receiver: Receiver, channel: grpc.aio.Channel) -> None:
    """However many hold a place and send nothing, a bot's call is answered long before their time is over."""
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        await never.wait()
        yield b""

    held = [channel.stream_unary(METHOD)(endless(), timeout=60) for _ in range(16)]
    others = [grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}", OWN) for _ in range(2)]
    held += [other.stream_unary(METHOD)(endless(), timeout=60) for other in others for _ in range(16)]
    await asyncio.gather(*(call.wait_for_connection() for call in held[::16]))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}", OWN) as bot:
        assert await call(bot, GOOD) == grpc.StatusCode.OK
    assert not all(call.done() for call in held)
    for each in held:
        each.cancel()
    await asyncio.gather(*(other.close() for other in others))


async def test_idle_grpc_connections_make_room(
    receiver: Receiver, channel: grpc.aio.Channel, registry: CollectorRegistry
) -> None:
    """Silent ones, and those that stop amid HTTP/2's opening: a bot goes on, a new one gets in, all are counted."""
    assert await call(channel, GOOD) == grpc.StatusCode.OK
    async with contextlib.AsyncExitStack() as crowd:
        for part in (b"", b"PRI * HTTP/2", PREFACE) * 5:
            await crowd.enter_async_context(connected(receiver.grpc_port, part))
        await until(lambda: total(registry, ERRORS, transport="grpc", reason="displaced") == 12)
        assert await call(channel, GOOD) == grpc.StatusCode.OK
        async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}", OWN) as newcomer:
            assert await call(newcomer, GOOD) == grpc.StatusCode.OK
        assert total(registry, "flashmm_receiver_connections", transport="grpc") <= 4
    assert total(registry, ERRORS, transport="grpc", reason="displaced") == 13


@pytest.mark.parametrize("settings", [HASTY])
@pytest.mark.parametrize("part", [b"", b"PRI * HTTP/2", PREFACE[:30]])
async def test_grpc_connections_that_do_not_begin_end(part: bytes, receiver: Receiver) -> None:
    """HTTP/2's opening has its time too."""
    assert (await exchange(receiver.grpc_port, part)).status == 0


async def test_headers_without_end(
    receiver: Receiver, channel: grpc.aio.Channel, registry: CollectorRegistry
) -> None:
    """A header block that goes on and on ends the connection; the others go on."""
    begun, more = b"\0\0\2\1\0\0\0\0\1\x83\x86", b"\0\x3e\x80\x09\0\0\0\0\1" + b"a" * 16_000
    with contextlib.suppress(ConnectionError):
        await exchange(receiver.grpc_port, PREFACE + begun + more * 50)
    await until(lambda: total(registry, ERRORS, transport="grpc", reason="head_size") == 1)
    assert await call(channel, GOOD) == grpc.StatusCode.OK


def h2(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """One frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def began(stream: int) -> bytes:
    """The header block of a call whose headers are missing."""
    return h2(1, b"\x83\x86", 4, stream)


FLOODS = {
    "PING": h2(6, bytes(8)) * 4_000,
    "SETTINGS": h2(4) * 4_000,
    "WINDOW_UPDATE": h2(8, b"\0\0\0\1") * 4_000,
    "PRIORITY": h2(2, bytes(5), 0, 3) * 4_000,
    "unknown": h2(0xEE) * 4_000,
    "rapid reset": b"".join(began(n) + h2(3, bytes(4), 0, n) for n in range(1, 2_001, 2)),
    "empty DATA": began(1) + h2(0, b"", 0, 1) * 4_000,
    "headers": b"".join(h2(1, b"\x83" * 8_000, 4, n) for n in range(1, 21, 2)),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_frames_that_bring_nothing(
    flood: str, receiver: Receiver, channel: grpc.aio.Channel, registry: CollectorRegistry
) -> None:
    """Too many of them end their connection, which is counted; the others go on."""
    with contextlib.suppress(ConnectionError):
        await exchange(receiver.grpc_port, PREFACE + FLOODS[flood])
    await until(lambda: total(registry, ERRORS, transport="grpc", reason="frame_flood") == 1)
    assert await call(channel, GOOD) == grpc.StatusCode.OK


async def test_many_frames_are_read_at_a_rate(receiver: Receiver, registry: CollectorRegistry) -> None:
    """A sender in a hurry waits; it is not turned away."""
    async with connected(receiver.grpc_port, PREFACE + h2(4) * 800) as (reader, _):
        acknowledged = 0
        while acknowledged <= 800:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3]))
            acknowledged += head[3:5] == b"\4\1"
    assert total(registry, "flashmm_receiver_slowed_total") >= 1
    assert total(registry, ERRORS, transport="grpc", reason="frame_flood") == 0


async def test_http_on_the_grpc_port(
    receiver: Receiver, channel: grpc.aio.Channel, registry: CollectorRegistry
) -> None:
    """It is told so in HTTP/2; whatever else comes, the connection ends, and the others go on."""
    async with connected(receiver.grpc_port, request()) as (reader, _):
        settings, goaway = await reader.readexactly(9), await reader.read()
    assert (settings[3], goaway[3], goaway[16]) == (4, 7, 1)
    assert b"this port speaks OTLP over gRPC" in goaway
    for garbage in (b"\x16\x03\x01", b"\0" * 100, b"PRI * HTTP/2.1"):
        await exchange(receiver.grpc_port, garbage, finish=True)
    assert total(registry, ERRORS, transport="grpc", reason="not_http2") == 4
    assert await call(channel, GOOD) == grpc.StatusCode.OK


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_fuzzed_bodies(receiver: Receiver, channel: grpc.aio.Channel, registry: CollectorRegistry) -> None:
    """Mutated requests, gzip and JSON of all signals: always one of OTLP's answers, and each is counted."""
    chance = random.Random(7)
    whole = metrics_request(gauge("g", number(1.0), number(2, a="b")), counter("c", number(3, at=NOW_NS + 1)))
    bodies = [whole.SerializeToString(), gzip.compress(GOOD), b'{"resourceMetrics":[{"scopeMetrics":[{}]}]}', b""]
    count = soaked(20_000)
    for _ in range(count):
        body = _mutated(chance.choice(bodies), chance)
        path = f"/v1/{chance.choice(['metrics', 'traces', 'logs'])}"
        kind = chance.choice([PROTOBUF, "application/json"])
        headers = {"content_encoding": "gzip"} if chance.random() < 0.3 else {}
        answer = await exchange(receiver.http_port, request(body, path=path, kind=kind, **headers))
        assert answer.status in (200, 400, 413)
        assert await call(channel, body) in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)
    counted = sum(
        sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "flashmm_receiver_requests_total"
    )
    assert counted == 2 * count


def _mutated(body: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.randint(0, 4)):
        damaged[chance.randrange(len(damaged) + 1) : chance.randrange(len(damaged) + 1)] = chance.randbytes(3)
    return bytes(damaged)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_fuzzed_heads(receiver: Receiver) -> None:
    """Mutated HTTP heads: an HTTP answer or a closed connection, and the next request is served."""
    chance = random.Random(8)
    for _ in range(soaked(5_000)):
        await exchange(receiver.http_port, _mutated(request(), chance), finish=True)
    assert (await exchange(receiver.http_port, request())).status == 200


async def test_bombs_take_no_memory(receiver: Receiver) -> None:
    """A hundred bodies that would unpack to 20 MB each leave the process no larger than a few requests do."""
    bomb = request(gzip.compress(b"\0" * 20_000_000), content_encoding="gzip")
    await exchange(receiver.http_port, bomb)
    before = psutil.Process().memory_info().rss
    for _ in range(100):
        assert (await exchange(receiver.http_port, bomb)).status == 413
    assert psutil.Process().memory_info().rss - before < 16 << 20
