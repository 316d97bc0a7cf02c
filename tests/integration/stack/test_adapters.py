"""`flashmm up` with stores of other people's: Prometheus answers PromQL, Tempo the orders."""

import json
import secrets
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.integration.stack.telemetry import Sender, event, gauge, key_values, logs, metrics, span, traces
from tests.parts import Server, running_prometheus, running_tempo
from tests.product import Product, running_product

from flashmm_backends.lgtm import EndpointSettings, tempo_traces
from flashmm_backends.ports import NotFound, OrderSummary, Window
from flashmm_instrumentation.semconv import attributes as names

pytestmark = pytest.mark.real
VISIBLE_S = 45.0
"""Tempo's cut-off and its blocks, with room."""


def get(url: str, **parameters: str) -> dict[str, object]:
    """The JSON at an address, of an error too."""
    try:
        with urlopen(f"{url}?{urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)
    except HTTPError as error:
        return json.load(error)


def send_metric(prometheus: Server, value: float) -> None:
    """One point straight to Prometheus."""
    body = metrics(gauge("adapter.probe", value)).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    urlopen(Request(f"{prometheus.base_url}/api/v1/otlp/v1/metrics", body, headers), timeout=30).close()


@pytest.fixture
def tempo(tmp_path: Path) -> Generator[Server]:
    """A real Tempo; skipped where none is on PATH."""
    with running_tempo(tmp_path) as server:
        yield server


def placement(order_id: str, trace_id: bytes, symbol: str = "BTCUSDT") -> tuple[Span, Span]:
    """A root and its last stage."""
    root, ack = span("order", trace_id), span("ack", trace_id)
    told = {names.ORDER_ID: order_id, names.SYMBOL: symbol, names.SIDE: "buy"}
    root.attributes.extend(key_values(told))
    ack.span_id, ack.parent_span_id = secrets.token_bytes(8), root.span_id
    return root, ack


def later(order_id: str) -> Span:
    """What happened to an order afterwards: a trace of its own."""
    cancel = span("cancel", secrets.token_bytes(16))
    cancel.attributes.extend(key_values({names.ORDER_ID: order_id}))
    return cancel


def send(port: int, *requests: object) -> None:
    """OTLP over gRPC."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for request in requests:
            Sender(channel).send(request)  # type: ignore[arg-type]


def test_prometheus_answers_under_our_address(tmp_path: Path) -> None:
    """Queries, labels and errors are Prometheus's; when it is gone, the answer names its address and the setting."""
    with running_prometheus(tmp_path) as prometheus:
        send_metric(prometheus, 42.0)
        chosen = {
            "FLASHMM_METRICS__KIND": "prometheus",
            "FLASHMM_METRICS__URL": prometheus.base_url,
            "FLASHMM_METRICS__DEADLINE_S": "1",
        }
        with running_product(tmp_path / "data", **chosen) as product:
            api = f"{product.http}/api/v1"
            for path, parameters in (
                ("query", {"query": "adapter_probe_ratio", "time": str(int(time.time()))}),
                ("label/__name__/values", {}),
                ("query", {"query": "sum("}),
            ):
                assert get(f"{api}/{path}", **parameters) == get(f"{prometheus.base_url}/api/v1/{path}", **parameters)
            assert '"42"' in json.dumps(get(f"{api}/query", query="adapter_probe_ratio"))
            prometheus.kill()
            told = json.dumps(get(f"{api}/query", query="up"))
    assert prometheus.base_url in told
    assert "FLASHMM_METRICS__URL" in told


def test_tempo_answers_for_orders(tmp_path: Path, tempo: Server) -> None:
    """An order that Tempo's search doesn't see yet is found at once by its event, with its spans and events."""
    trace_id = b"\x00" + secrets.token_bytes(15)
    chosen = {"FLASHMM_TRACES__KIND": "tempo", "FLASHMM_TRACES__URL": tempo.base_url}
    with running_product(tmp_path / "data", **chosen) as product:
        send(tempo.ports["otlp"], traces(*placement("o-1", trace_id)))
        told = event("flashmm.order", 1, venue="x", symbol="BTCUSDT", order_id="o-1", state="acked", side="buy")
        told.trace_id = trace_id
        send(_port(product), logs(told))
        order = get(f"{product.http}/api/orders/o-1")
        orders = get(f"{product.http}/api/orders")
        absent = get(f"{product.http}/api/orders/o-2")
    assert "ack" in json.dumps(order["placement"])
    assert "acked" in json.dumps(order["events"])
    assert "o-1" in json.dumps(orders)
    assert "o-2 is not in the store" in json.dumps(absent)


def _port(product: Product) -> int:
    return int(product.otlp_grpc.rpartition(":")[2])


def test_settings_that_choose_nothing_are_named(tmp_path: Path) -> None:
    """A store without an address is told before anything listens."""
    chosen = running_product(tmp_path / "data", FLASHMM_METRICS__KIND="prometheus")
    with pytest.raises(RuntimeError, match="ended"), chosen:
        pass


async def test_orders_in_a_real_tempo(tempo: Server) -> None:
    """The port's promises without any event: trace, order joined with its later trace, list by attributes."""
    trace_id = b"\x00\x00" + secrets.token_bytes(14)
    # Told apart by their names: Tempo may have others.
    symbol, first, second = (secrets.token_hex(4) for _ in range(3))
    chosen = {"symbol": symbol}
    begin_ns = time.time_ns() - 10**9
    send(
        tempo.ports["otlp"],
        traces(*placement(first, trace_id, symbol)),
        traces(*placement(second, secrets.token_bytes(16), symbol)),
    )
    send(tempo.ports["otlp"], traces(later(first)))
    async with tempo_traces(EndpointSettings(url=tempo.base_url)) as store:
        assert [each.name for each in await store.trace(trace_id)] == ["order", "ack"]
        with pytest.raises(NotFound):
            await store.trace(secrets.token_bytes(16))
        window = Window(begin_ns, time.time_ns() + 10**9)
        orders = await _until(partial(store.orders, where=chosen), window, lambda found: len(found) == 2)
        assert [each.symbol for each in orders] == [symbol, symbol]
        assert {each.order_id for each in orders} == {first, second}
        assert trace_id in {each.trace_id for each in orders}
        assert await store.orders(window, {**chosen, "side": "sell"}) == []
        assert await store.orders(Window(begin_ns - 10**12, begin_ns), chosen) == []
        order = await store.order(first)
        assert [each.name for each in order.placement] == ["order", "ack"]
        assert [each.name for each in order.later] == ["cancel"]
        with pytest.raises(NotFound):
            await store.order('o-"9')


async def _until(
    ask: Callable[..., object], window: Window, enough: Callable[[list[OrderSummary]], bool]
) -> list[OrderSummary]:
    """The orders of a window, once there are enough. Tempo's search lags by its cut-off."""
    begin = time.monotonic()
    while not enough(found := list(await ask(window))):  # type: ignore[misc]
        assert time.monotonic() - begin < VISIBLE_S, found
    return found
