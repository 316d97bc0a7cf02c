"""`flashmm up` with stores of other people's: Prometheus answers PromQL, Tempo the orders."""

import json
import secrets
import time
from collections.abc import Generator
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

from flashmm_instrumentation.semconv import attributes as names

pytestmark = pytest.mark.real


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
