"""Success means durable: what the store does decides the answer, whatever the transport."""

import asyncio
import logging
import time

import grpc
import grpc.aio
import httpx
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from prometheus_client import CollectorRegistry
from tests.unit.receiver.otlp import gauge, metrics_request, number
from tests.waiting import until

from flashmm_backends.batch import Batch
from flashmm_backends.ports import BatchRefused
from flashmm_backends.testing import MemoryStore
from flashmm_receiver import CannotListen, NotConfigured, Receiver, ReceiverSettings

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
FREE = {"grpc_bind": "127.0.0.1:0", "http_bind": "127.0.0.1:0"}


def body(value: float = 1.0) -> bytes:
    return metrics_request(gauge("g", number(value))).SerializeToString()


async def post(receiver: Receiver, content: bytes) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        url = f"http://127.0.0.1:{receiver.http_port}/v1/metrics"
        return await client.post(url, content=content, headers={"content-type": "application/x-protobuf"})


async def export(receiver: Receiver, content: bytes) -> grpc.aio.AioRpcError | bytes:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
        try:
            return await channel.unary_unary(METHOD)(content, timeout=30)
        except grpc.aio.AioRpcError as error:
            return error


async def test_a_full_store_is_retryable(
    receiver: Receiver, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """503 with Retry-After, UNAVAILABLE with RetryInfo; and when it has room again the same request is new.

    The log tells when it begins and when it ends.
    """
    store.full = True
    response = await post(receiver, body())
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert Status.FromString(response.content).code == 14
    error = await export(receiver, body())
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    retry = RetryInfo()
    assert Status.FromString(details).details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 1
    store.full = False
    assert (await post(receiver, body())).status_code == 200
    assert [value for labels, _, value in store.samples if ("__name__", "g") in labels] == [1.0]
    assert len([record for record in caplog.records if record.message.startswith("the store takes")]) == 2


async def test_a_batch_that_can_never_be_stored_is_not_asked_for_again(
    receiver: Receiver, store: MemoryStore
) -> None:
    """400, INVALID_ARGUMENT, with the store's own words; nothing of it is remembered."""
    store.refuses = True
    response = await post(receiver, body())
    assert response.status_code == 400
    assert "told to refuse" in Status.FromString(response.content).message
    error = await export(receiver, body())
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    store.refuses = False
    assert (await post(receiver, body())).status_code == 200
    assert [value for labels, _, value in store.samples if ("__name__", "g") in labels] == [1.0]


def decoded(registry: CollectorRegistry) -> float:
    """How many requests were."""
    return registry.get_sample_value("flashmm_receiver_decode_seconds_count", {"signal": "metrics"}) or 0.0


async def test_a_redelivery_waits_for_the_first(
    receiver: Receiver, store: MemoryStore, registry: CollectorRegistry
) -> None:
    """What is being stored is not acknowledged to its second sender before it is durable."""
    store.hold()
    first = asyncio.create_task(post(receiver, body()))
    await until(lambda: store.waiting == 1)
    second = asyncio.create_task(export(receiver, body()))
    await until(lambda: decoded(registry) == 2)
    assert (await post(receiver, b"")).status_code == 200
    assert not first.done()
    assert not second.done()
    store.let_go()
    assert ((await first).status_code, await second) == (200, b"")
    assert len(store.batches) == 1


@pytest.mark.parametrize(("trouble", "status"), [("full", 503), ("refuses", 400)])
async def test_a_redelivery_fails_with_the_first(
    trouble: str, status: int, receiver: Receiver, store: MemoryStore, registry: CollectorRegistry
) -> None:
    """Where the first could not be stored, whatever it is told, the second is asked to come again: it is new then."""
    store.hold()
    first = asyncio.create_task(post(receiver, body()))
    await until(lambda: store.waiting == 1)
    second, third = asyncio.create_task(post(receiver, body())), asyncio.create_task(export(receiver, body()))
    await until(lambda: decoded(registry) == 3)
    setattr(store, trouble, True)
    store.let_go()
    assert ((await first).status_code, (await second).status_code) == (status, 503)
    error = await third
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    setattr(store, trouble, False)
    assert (await post(receiver, body())).status_code == 200
    assert len(store.batches) == 1


class Choosy(MemoryStore):
    """Refuses what the service `other` sends."""

    async def append(self, batch: Batch) -> None:
        if not any(("job", "other") in meta.labels for meta in batch.series):
            return await super().append(batch)
        if self._gate is not None:
            await self._wait(self._gate)
        raise BatchRefused("told", "it is another's")


async def test_a_redelivery_waits_for_nobody_else() -> None:
    """What is stored already is acknowledged at once, whatever else is on its way and whatever becomes of it."""
    store = Choosy()
    others = metrics_request(gauge("h", number(1.0)), resource={"service.name": "other"}).SerializeToString()
    more = metrics_request(gauge("g", number(1.0), number(2.0, a="b"))).SerializeToString()
    async with Receiver(
        ReceiverSettings(**FREE), store, clock=time.time_ns, registry=CollectorRegistry()
    ) as receiver:
        assert (await post(receiver, body())).status_code == 200
        store.hold()
        other = asyncio.create_task(post(receiver, others))
        await until(lambda: store.waiting == 1)
        assert (await post(receiver, body())).status_code == 200
        mixed = asyncio.create_task(post(receiver, more))
        await until(lambda: store.waiting == 2)
        store.let_go()
        assert ((await other).status_code, (await mixed).status_code) == (400, 200)
    assert [value for _, _, value in store.samples] == [1.0, 2.0]


async def test_a_sender_that_hangs_up(receiver: Receiver, store: MemoryStore) -> None:
    """What was begun is stored, and its redelivery is a duplicate."""
    store.hold()
    sent = asyncio.create_task(export(receiver, body()))
    await until(lambda: store.waiting == 1)
    sent.cancel()
    await asyncio.wait([sent])
    store.let_go()
    await until(lambda: len(store.batches) == 1)
    assert (await post(receiver, body())).status_code == 200
    assert len(store.batches) == 1


async def test_in_flight_bytes_are_limited(store: MemoryStore, registry: CollectorRegistry) -> None:
    """More than the limit is refused for now: 429 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo."""
    settings = ReceiverSettings(**FREE, in_flight_bytes_max=10)
    async with Receiver(settings, store, clock=time.time_ns, registry=registry) as receiver:
        store.hold()
        first = asyncio.create_task(post(receiver, body()))
        await until(lambda: store.waiting == 1)
        response, error = await post(receiver, body(2.0)), await export(receiver, body(2.0))
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "grpc-status-details-bin" in dict(error.trailing_metadata() or ())
        store.let_go()
        assert (await first).status_code == 200
        assert (await post(receiver, body(2.0))).status_code == 200
    assert registry.get_sample_value("flashmm_receiver_in_flight_bytes") == 0


async def test_partial_success(receiver: Receiver, registry: CollectorRegistry) -> None:
    """A request of which some was refused succeeds and says what was not taken."""
    content = metrics_request(gauge("g", number(1.0), number(1.0, at=0, a="b"))).SerializeToString()
    response = await post(receiver, content)
    told = await export(receiver, content)
    assert response.status_code == 200
    assert b"metric 'g': time_unix_nano is 0: set it" in response.content
    assert isinstance(told, bytes)
    assert b"refused 1 (1 time_zero)" in told
    refused = registry.get_sample_value(
        "flashmm_receiver_refused_total", {"signal": "metrics", "reason": "time_zero"}
    )
    assert refused == 2


async def test_taps_come_before_the_store(store: MemoryStore, registry: CollectorRegistry) -> None:
    """A tap sees each batch once, before it is durable."""
    tapped: list[tuple[Batch, int]] = []
    taps = [lambda batch: tapped.append((batch, len(store.batches)))]
    async with Receiver(ReceiverSettings(**FREE), store, taps, clock=time.time_ns, registry=registry) as receiver:
        await post(receiver, body())
        await post(receiver, body())
    assert [(batch is store.batches[0], stored) for batch, stored in tapped] == [(True, 0)]


async def test_a_tap_that_raises_costs_nothing_else(
    store: MemoryStore, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted each time and logged once; other taps and the store get the batch."""
    seen: list[Batch] = []

    def broken(_batch: Batch) -> None:
        raise LookupError("no such view")

    with caplog.at_level(logging.ERROR):
        async with Receiver(
            ReceiverSettings(**FREE), store, [broken, seen.append], clock=time.time_ns, registry=registry
        ) as receiver:
            for value in (1.0, 2.0):
                content = metrics_request(gauge(f"g{value}", number(value))).SerializeToString()
                assert (await post(receiver, content)).status_code == 200
    assert (len(seen), len(store.batches)) == (2, 2)
    assert len([record for record in caplog.records if "live tap" in record.message]) == 1
    name = broken.__qualname__
    assert registry.get_sample_value("flashmm_receiver_tap_errors_total", {"tap": name}) == 2


async def test_leaving_drains(store: MemoryStore, registry: CollectorRegistry) -> None:
    """A request that is being stored when the receiver stops is stored and answered."""
    store.hold()
    async with Receiver(ReceiverSettings(**FREE), store, clock=time.time_ns, registry=registry) as receiver:
        by_http = asyncio.create_task(post(receiver, body()))
        other = metrics_request(gauge("h", number(1.0))).SerializeToString()
        by_grpc = asyncio.create_task(export(receiver, other))
        await until(lambda: store.waiting == 2)
        asyncio.get_running_loop().call_later(0.1, store.let_go)
    assert ((await by_http).status_code, await by_grpc) == (200, b"")
    assert len(store.batches) == 2


@pytest.mark.parametrize("name", ["grpc_bind", "http_bind"])
async def test_a_taken_port_is_named(name: str, receiver: Receiver, store: MemoryStore) -> None:
    """The error says which setting and address, and nothing is left listening."""
    port = receiver.grpc_port if name == "grpc_bind" else receiver.http_port
    settings = ReceiverSettings(**{**FREE, name: f"127.0.0.1:{port}"})
    with pytest.raises(CannotListen, match=f"127.0.0.1:{port} .{name}"):
        async with Receiver(settings, store, clock=time.time_ns, registry=CollectorRegistry()):
            pass


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (ReceiverSettings(grpc_bind="0.0.0.0:0"), "grpc_bind: 0.0.0.0 can be reached from other machines"),
        (ReceiverSettings(http_bind="[::]:0"), "http_bind: :: can be reached .* set token"),
        (ReceiverSettings(http_bind="example.test:1"), "http_bind"),
        (ReceiverSettings(http_bind="4318"), "http_bind: '4318' is not host:port"),
    ],
)
async def test_it_refuses_to_listen_unguarded(settings: ReceiverSettings, told: str, store: MemoryStore) -> None:
    """Beyond loopback only with a token or client certificates."""
    with pytest.raises(NotConfigured, match=told):
        async with Receiver(settings, store, clock=time.time_ns, registry=CollectorRegistry()):
            pass


async def test_a_guarded_port_may_be_open(store: MemoryStore) -> None:
    """With a token it listens anywhere."""
    settings = ReceiverSettings(grpc_bind="0.0.0.0:0", http_bind="[::1]:0", token="secret")
    async with Receiver(settings, store, clock=time.time_ns, registry=CollectorRegistry()) as receiver:
        assert receiver.grpc_port
        assert receiver.http_port


async def test_a_broken_store_is_the_receivers_fault(
    receiver: Receiver, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that no port knows is answered 500, and the records are new when they return."""

    async def broken(_batch: Batch) -> None:
        raise LookupError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(store, "append", broken)
        assert (await post(receiver, body())).status_code == 500
        error = await export(receiver, body())
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() == grpc.StatusCode.INTERNAL
    assert (await post(receiver, body())).status_code == 200
    assert len(store.batches) == 1


async def test_leaving_does_not_wait_for_ever(
    store: MemoryStore, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that hangs holds the receiver up for `drain_s` once, for both ports together, and the log says so."""
    settings = ReceiverSettings(**FREE, drain_s=1.0)
    store.hold()
    async with Receiver(settings, store, clock=time.time_ns, registry=registry) as receiver:
        by_http = asyncio.create_task(post(receiver, body()))
        other = metrics_request(gauge("h", number(1.0))).SerializeToString()
        by_grpc = asyncio.create_task(export(receiver, other))
        await until(lambda: store.waiting == 2)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2 * settings.drain_s
    with pytest.raises(httpx.TransportError):
        await by_http
    assert isinstance(await by_grpc, grpc.aio.AioRpcError)
    assert "drain_s" in caplog.text
    store.let_go()
    await until(lambda: store.waiting == 0)
