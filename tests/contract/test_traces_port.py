"""One suite for whatever holds the orders: the ledger, several ledgers read as one, and a real Tempo; the same OTLP.

Tempo's searches end 30 s before now, so what is asked by attributes is asked until it is there. A `tempo` on PATH is
needed for its half; without one that half is skipped and says so.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TypeVar

import grpc
import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry
from tests.integration.stack.telemetry import Sender, key_values, traces
from tests.parts import Server, running_tempo
from tests.waiting import until

from flashmm_backends.batch import Batch
from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.lgtm import EndpointSettings, tempo_traces
from flashmm_backends.ports import NotFound, OrderSummary, TraceReader, Window
from flashmm_backends.shards import ShardedTraces
from flashmm_instrumentation.semconv import attributes as names
from flashmm_orchestration.api import _errors
from flashmm_orchestration.api._gate import Gate, GateLimits
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api.orders import orders_router
from flashmm_orchestration.api.telemetry import HttpTelemetry
from flashmm_orchestration.api.traces import traces_router
from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoder import Decoder, Signal

pytestmark = pytest.mark.real

_VISIBLE_S = 90.0
"""Tempo's cut-off and its blocks, on a busy machine."""
_S = 10**9
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Peer:
    """A store of traces: `send` returns once it has taken the request."""

    reader: TraceReader
    send: Callable[[ExportTraceServiceRequest], Awaitable[None]]


@pytest.fixture(scope="module")
def tempo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real Tempo with the deployed file; skipped where none is on PATH."""
    with running_tempo(tmp_path_factory.mktemp("traces")) as server:
        yield server


@pytest.fixture
async def ledger_peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """The receiver's decoder and an empty ledger."""
    decoder = Decoder(ReceiverSettings(), {})
    async with _opened(tmp_path / "ledger") as ledger:

        async def send(request: ExportTraceServiceRequest) -> None:
            decoded = decoder.decode(Signal.TRACES, request.SerializeToString(), time.time_ns())
            if decoded.batch:
                await ledger.append(decoded.batch)

        yield Peer(ledger, send)


@pytest.fixture
async def ledgers_peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """Two ledgers behind their APIs: of each order a part in either, and some spans in both."""
    decoder, sent = Decoder(ReceiverSettings(), {}), count()
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(_opened(tmp_path / name)) for name in "ab"]
        clients = [await stack.enter_async_context(_client(ledger)) for ledger in ledgers]

        async def send(request: ExportTraceServiceRequest) -> None:
            decoded = decoder.decode(Signal.TRACES, request.SerializeToString(), time.time_ns())
            batch = decoded.batch or Batch(0)
            for span in batch.spans:
                number = next(sent)
                for ledger in ledgers if number % 3 == 0 else [ledgers[number % 2]]:
                    await ledger.append(Batch(0, spans=[span], resources=batch.resources))

        yield Peer(ShardedTraces(clients), send)


def _opened(folder: Path) -> AbstractAsyncContextManager[Ledger]:
    return Ledger.open(folder, LedgerSettings(), time.time_ns, CollectorRegistry())


def _client(ledger: Ledger) -> httpx.AsyncClient:
    """Of a process with the two routes."""
    app, telemetry = FastAPI(), HttpTelemetry(CollectorRegistry())
    _errors.install(app, telemetry)
    gate = Gate("rows", GateLimits(8, 64, 30.0), telemetry)
    app.include_router(orders_router(ledger, time.time_ns, gate, PageSize(2, 1_000)))
    app.include_router(traces_router(ledger, gate))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger")


@pytest.fixture
async def tempo_peer(tempo: Server) -> AsyncIterator[Peer]:
    """The adapter over Tempo's API, without any event to help it."""
    with grpc.insecure_channel(f"127.0.0.1:{tempo.ports['otlp']}") as channel:

        async def send(request: ExportTraceServiceRequest) -> None:
            await asyncio.to_thread(Sender(channel).send, request)

        async with tempo_traces(EndpointSettings(url=tempo.base_url)) as reader:
            yield Peer(reader, send)


@pytest.fixture(params=["ledger", "ledgers", "tempo"])
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each implementation in turn."""
    return request.getfixturevalue(f"{request.param}_peer")


@dataclass(frozen=True, slots=True)
class Order:
    """An order as a bot sends it. Its symbol and id are its own: a store may hold others."""

    order_id: str
    symbol: str
    trace_id: bytes
    start_ns: int
    side: str = "buy"
    price: str = "100.5"

    def placement(self) -> list[Span]:
        """The root, and the last stage, which has no id of the order."""
        told = {names.SYMBOL: self.symbol, names.SIDE: self.side, names.ORDER_OUTCOME: "acked"}
        terms = {names.ORDER_QUANTITY: "0.25"} | ({names.ORDER_PRICE: self.price} if self.price else {})
        root = _span("order", self.trace_id, self.start_ns, {names.ORDER_ID: self.order_id, **told, **terms})
        ack = _span("ack", self.trace_id, self.start_ns + 1000, {})
        ack.parent_span_id = root.span_id
        return [root, ack]

    def later(self, name: str, after_ns: int) -> Span:
        """What happens to it afterwards: a trace of its own, linked by the order's id."""
        return _span(name, secrets.token_bytes(16), self.start_ns + after_ns, {names.ORDER_ID: self.order_id})


def _span(name: str, trace_id: bytes, start_ns: int, attributes: dict[str, str]) -> Span:
    each = Span(trace_id=trace_id, span_id=secrets.token_bytes(8), name=name)
    each.start_time_unix_nano, each.end_time_unix_nano = start_ns, start_ns + 5000
    each.attributes.extend(key_values(dict(attributes)))
    return each


def _order(*, before_s: float = 1.0, symbol: str = "", side: str = "buy") -> Order:
    """An order of the last seconds. Its trace's id begins with zeros, which stores may drop."""
    trace_id = b"\x00\x00" + secrets.token_bytes(14)
    start_ns = time.time_ns() - int(before_s * _S)
    return Order(secrets.token_hex(8), symbol or secrets.token_hex(4), trace_id, start_ns, side)


async def _until(ask: Callable[[], Awaitable[Found]], enough: Callable[[Found], bool]) -> Found:
    """What is found once it is enough; what isn't found yet is asked for again."""
    found: list[Found] = []

    async def asked() -> bool:
        with suppress(NotFound):
            found.append(await ask())
        return bool(found) and enough(found[-1])

    await until(asked, _VISIBLE_S)
    return found[-1]


def _ids(orders: Sequence[OrderSummary]) -> list[str]:
    return [each.order_id for each in orders]


async def test_a_trace_comes_back_by_its_id(peer: Peer) -> None:
    """Names, parents, times to the nanosecond and attributes, by start; delivered twice it is there once."""
    order = _order()
    root, ack = order.placement()
    await peer.send(traces(ack, root))
    await peer.send(traces(root, ack))
    found = await _until(lambda: peer.reader.trace(order.trace_id), lambda spans: len(spans) >= 2)
    assert [(each.name, each.span_id, each.parent_span_id) for each in found] == [
        ("order", root.span_id, b""),
        ("ack", ack.span_id, root.span_id),
    ]
    assert [(each.start_ns, each.end_ns) for each in found] == [
        (each.start_time_unix_nano, each.end_time_unix_nano) for each in (root, ack)
    ]
    assert found[0].trace_id == order.trace_id
    assert found[0].attributes[names.ORDER_ID] == order.order_id
    assert {each.service for each in found} == {"maker-1"}


async def test_a_trace_that_is_still_arriving(peer: Peer) -> None:
    """Asked for before its root has come, it is what there is, no error; then it is whole."""
    order = _order()
    root, ack = order.placement()
    await peer.send(traces(ack))
    early = await _until(lambda: peer.reader.trace(order.trace_id), bool)
    assert [each.name for each in early] == ["ack"]
    await peer.send(traces(root))
    whole = await _until(lambda: peer.reader.trace(order.trace_id), lambda spans: len(spans) == 2)
    assert [each.name for each in whole] == ["order", "ack"]


async def test_an_order_is_its_placement_and_its_later_life(peer: Peer) -> None:
    """The traces of one order are joined by its id, in order of time, and another order's are not among them."""
    order, other = _order(before_s=3), _order(before_s=3)
    await peer.send(traces(*order.placement(), *other.placement(), other.later("fill", _S)))
    await peer.send(traces(order.later("cancel", 2 * _S), order.later("amend", _S)))
    found = await _until(
        lambda: peer.reader.order(order.order_id), lambda found: len(found.placement) + len(found.later) >= 4
    )
    assert found.order_id == order.order_id
    assert [each.name for each in found.placement] == ["order", "ack"]
    assert [each.name for each in found.later] == ["amend", "cancel"]
    assert {each.trace_id for each in found.placement} == {order.trace_id}


async def test_what_nobody_sent_is_not_found(peer: Peer) -> None:
    """Unknown ids, and ids that a query language could take for its own."""
    with pytest.raises(NotFound):
        await peer.reader.trace(secrets.token_bytes(16))
    for order_id in (secrets.token_hex(8), 'o-"1', "o-\\", "` || true"):
        with pytest.raises(NotFound):
            await peer.reader.order(order_id)


async def test_orders_of_a_window(peer: Peer) -> None:
    """The latest first, by window, attribute and limit."""
    symbol = secrets.token_hex(4)
    sent = [_order(before_s=9 - i, symbol=symbol, side="buy" if i % 2 else "sell") for i in range(4)]
    for order in sent:
        await peer.send(traces(*order.placement()))
    latest_first = [order.order_id for order in reversed(sent)]
    window, ours = Window(sent[0].start_ns, time.time_ns()), {"symbol": symbol}
    found = await _until(lambda: peer.reader.orders(window, ours), lambda orders: len(orders) >= 4)
    assert _ids(found) == latest_first
    assert [(each.symbol, each.side, each.outcome) for each in found[:1]] == [(symbol, "buy", "acked")]
    assert (found[0].trace_id, found[0].start_ns) == (sent[-1].trace_id, sent[-1].start_ns)
    assert _ids(await peer.reader.orders(window, ours, limit=2)) == latest_first[:2]
    assert _ids(await peer.reader.orders(window, {**ours, "side": "sell"})) == latest_first[1::2]
    after_first = Window(sent[0].start_ns + 1, sent[3].start_ns)
    assert _ids(await peer.reader.orders(after_first, ours)) == latest_first[1:3]


async def test_orders_of_a_bot_and_of_an_account(peer: Peer) -> None:
    """Each line says who sent it, on what terms; orders are chosen by the bot and by its account, and by both."""
    symbol, odd = secrets.token_hex(4), 'two "words"'
    sent = {bot: _order(before_s=5 - i, symbol=symbol) for i, bot in enumerate(("maker-1", odd, "maker-3"))}
    sent["maker-3"] = replace(sent["maker-3"], price="")  # at market
    for bot, order in sent.items():
        await peer.send(traces(*order.placement(), bot=bot))
    window, ours = Window(sent["maker-1"].start_ns, time.time_ns()), {"symbol": symbol}
    found = await _until(lambda: peer.reader.orders(window, ours), lambda orders: len(orders) >= 3)
    assert [(each.bot, each.account, each.price, each.quantity) for each in found] == [
        ("maker-3", "main", "", "0.25"),
        (odd, "main", "100.5", "0.25"),
        ("maker-1", "main", "100.5", "0.25"),
    ]
    assert _ids(await peer.reader.orders(window, {**ours, "bot": odd})) == [sent[odd].order_id]
    assert _ids(await peer.reader.orders(window, {**ours, "account": "main"})) == _ids(found)
    assert await peer.reader.orders(window, {**ours, "account": "main", "bot": "nobody"}) == []
    assert await peer.reader.orders(window, {**ours, "account": "other"}) == []


async def test_a_window_of_now_is_no_error(peer: Peer) -> None:
    """A store that doesn't search the last seconds yet has none of them; it doesn't refuse the question."""
    now = time.time_ns()
    for seconds in (1, 10, 29, 31):
        window = Window(now - seconds * _S, now + _S)
        assert await peer.reader.orders(window, {"symbol": secrets.token_hex(4)}) == []
