"""Several requests on one HTTP connection: each has its answer, in the order in which they were asked."""

import asyncio
import re
from dataclasses import replace

import psutil
import pytest
from prometheus_client import CollectorRegistry
from tests.integration.receiver.raw_http import GOOD, connected, exchange, request
from tests.waiting import until

from flashmm_backends.testing import MemoryStore
from flashmm_receiver import Receiver, ReceiverSettings

SMALL = ReceiverSettings(grpc_bind="127.0.0.1:0", http_bind="127.0.0.1:0", request_bytes_max=100_000)
HASTY = replace(SMALL, receive_timeout_s=0.3)
KEPT = request(connection="keep-alive")
CHUNKED = KEPT.partition(b"\r\n\r\n")[0].replace(b"content-length: %d" % len(GOOD), b"transfer-encoding: chunked")
BODY = b"\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(GOOD), GOOD)
"""What follows the head of a chunked request, but for its trailers."""


@pytest.fixture
def settings() -> ReceiverSettings:
    return SMALL


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


async def whole(receiver: Receiver, sent: bytes) -> list[int]:
    """The answers on a connection that the receiver closes."""
    async with connected(receiver.http_port, sent) as (reader, _):
        return statuses(await reader.read())


async def held(receiver: Receiver, store: MemoryStore, sent: bytes) -> list[int]:
    """The answers to requests of which the first is let go only once all have arrived."""
    store.hold()
    async with connected(receiver.http_port, sent) as (reader, writer):
        await until(lambda: store.waiting == 1)
        store.let_go()
        writer.write_eof()
        return statuses(await reader.read())


@pytest.mark.parametrize(
    ("then", "status"),
    [
        (request(path="/nowhere"), [404]),
        (request(b"x" * 200_000)[:1_000], [413]),
        (request(host="evil.example") + KEPT, [421]),
        (CHUNKED + b"\r\n\r\n20000\r\n" + b"x" * 0x20000 + b"\r\nno chunk\r\n", [413]),
        (b"\x00garbage\r\n\r\n", [400]),
        (b"POST /v1/metrics HTTP/1.1\r\nx: " + b"y" * 1_000_000, [431]),
        (request(upgrade="h2c", connection="upgrade") + KEPT * 10_000, [400]),
        (request() + KEPT * 10_000, [200]),
        (KEPT * 3 + request(method="GET") + KEPT, [200, 200, 200, 405]),
        (CHUNKED.replace(b"connection: keep-alive", b"expect: 100-continue") + BODY + b"\r\n", [100, 200]),
    ],
)
async def test_whatever_follows_waits_its_turn(
    then: bytes, status: list[int], receiver: Receiver, store: MemoryStore, registry: CollectorRegistry
) -> None:
    """A refusal never comes before the answer to what was asked earlier, and only one ends the connection."""
    assert await held(receiver, store, KEPT + then) == [200, *status]
    assert len(store.batches) == 1
    await until(lambda: registry.get_sample_value("flashmm_receiver_in_flight_bytes") == 0)


async def test_nothing_is_taken_after_the_last_request(
    receiver: Receiver, store: MemoryStore, registry: CollectorRegistry
) -> None:
    """What follows a request that asks to close is neither stored nor answered."""
    assert await whole(receiver, request() + request(path="/nowhere") + KEPT) == [200]
    counted = registry.get_sample_value(
        "flashmm_receiver_requests_total", {"signal": "metrics", "transport": "http", "code": "200"}
    )
    assert (counted, len(store.batches)) == (1, 1)


@pytest.mark.parametrize("settings", [HASTY])
async def test_a_request_has_its_time_while_it_is_read(receiver: Receiver, store: MemoryStore) -> None:
    """A slow store costs the next request on the connection none of it: it is not read meanwhile."""
    store.hold()
    async with connected(receiver.http_port, KEPT + KEPT[:-5]) as (reader, writer):
        await until(lambda: store.waiting == 1)
        assert (await exchange(receiver.http_port, KEPT[:-5])).status == 408
        writer.write(KEPT[-5:] + request(path="/nowhere"))
        store.let_go()
        assert statuses(await reader.read()) == [200, 200, 404]


async def test_trailers_change_nothing(receiver: Receiver, store: MemoryStore) -> None:
    """Headers that follow a body are not the request's."""
    trailers = b"content-encoding: gzip\r\ncontent-type: text/plain\r\nauthorization: x\r\n\r\n"
    assert await whole(receiver, CHUNKED + BODY + trailers + request(path="/nowhere")) == [200, 404]
    assert len(store.batches) == 1


@pytest.mark.parametrize("line", [b"t: %s\r\n" % (b"v" * 2_000), b"v" * 2_000], ids=["many", "one without end"])
async def test_trailers_are_bounded(line: bytes, receiver: Receiver, registry: CollectorRegistry) -> None:
    """However many follow a body, they take no memory, and end the connection."""
    before = psutil.Process().memory_info().rss
    async with connected(receiver.http_port, CHUNKED + BODY + b"t: ") as (reader, writer):
        async with asyncio.timeout(60):
            while not reader.at_eof() and not writer.is_closing():
                writer.write(line * 100)
                await asyncio.gather(writer.drain(), return_exceptions=True)
    assert psutil.Process().memory_info().rss - before < 16 << 20
    labels = {"transport": "http", "reason": "head_size"}
    assert registry.get_sample_value("flashmm_receiver_connection_errors_total", labels) == 1
    assert registry.get_sample_value("flashmm_receiver_in_flight_bytes") == 0
