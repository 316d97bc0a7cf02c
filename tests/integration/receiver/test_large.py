"""Large requests, which are decoded on a thread, beside small ones, which are not."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc.aio
import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.bench.stall import fills
from tests.unit.receiver.otlp import gauge, metrics_request, number
from tests.waiting import until

from flashmm_backends.batch import Batch
from flashmm_backends.testing import MemoryStore
from flashmm_receiver import Receiver, ReceiverSettings

LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
LARGE = fills(3_000)
COUNT = len(LARGE.resource_logs[0].scope_logs[0].log_records)


@pytest.fixture
def seen() -> list[int]:
    """The numbers of the events that a live tap was shown."""
    return []


@pytest.fixture
async def receiver(
    store: MemoryStore, registry: CollectorRegistry, settings: ReceiverSettings, seen: list[int]
) -> AsyncIterator[Receiver]:
    def tap(batch: Batch) -> None:
        seen.extend(event.seq for event in batch.events)

    async with Receiver(settings, store, [tap], clock=time.time_ns, registry=registry) as running:
        yield running


def small(*numbers: int) -> bytes:
    """Events of the large request's stream."""
    request = fills(1)
    first = request.resource_logs[0].scope_logs[0].log_records.pop()
    for seq in numbers:
        first.attributes[0].value.int_value = seq
        request.resource_logs[0].scope_logs[0].log_records.append(first)
    return request.SerializeToString()


async def post(client: httpx.AsyncClient, receiver: Receiver, body: bytes, signal: str = "logs") -> int:
    url = f"http://127.0.0.1:{receiver.http_port}/v1/{signal}"
    answer = await client.post(url, content=body, headers={"content-type": "application/x-protobuf"}, timeout=60)
    return answer.status_code


def stored(store: MemoryStore) -> list[int]:
    return [event.seq for batch in store.batches for event in batch.events]


async def test_large_and_small_requests_that_overlap(receiver: Receiver, store: MemoryStore, seen: list[int]) -> None:
    """Each event is stored and shown once, in the order of its request, however often and beside what it came."""
    body = LARGE.SerializeToString()
    async with httpx.AsyncClient() as client:
        sent = [body, small(1, 2), body, small(COUNT + 1), small(COUNT + 1, COUNT + 2), body, small(COUNT)]
        assert await asyncio.gather(*(post(client, receiver, each) for each in sent)) == [200] * len(sent)
        assert (
            await post(client, receiver, metrics_request(gauge("g", number(1.0))).SerializeToString(), "metrics")
            == 200
        )
    everything = list(range(1, COUNT + 3))
    assert sorted(stored(store)) == everything
    assert sorted(seen) == everything
    large = [seq for seq in seen if 2 < seq < COUNT]
    assert large == sorted(large)


async def test_a_sender_that_hangs_up_on_a_large_request(
    receiver: Receiver, store: MemoryStore, registry: CollectorRegistry
) -> None:
    """What was begun is ended and stays accounted till then; delivered again, nothing is lost or doubled."""
    body = LARGE.SerializeToString()

    def in_flight() -> float:
        return registry.get_sample_value("flashmm_receiver_in_flight_bytes") or 0.0

    async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
        for _ in range(3):
            call = channel.unary_unary(LOGS)(body, timeout=60)
            await until(lambda: in_flight() > 0)
            call.cancel()
        await channel.unary_unary(LOGS)(body, timeout=60)
    await until(lambda: in_flight() == 0)
    assert sorted(stored(store)) == list(range(1, COUNT + 1))
