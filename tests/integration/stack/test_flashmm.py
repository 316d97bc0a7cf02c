"""A bot with our instrumentation, the Collector, flashmm's receiver and the stores: the whole path, end to end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.stack.queries import eventually, loki, prometheus
from tests.parts import SINK_TOKEN, Server, collector_server, running_loki, running_prometheus

from flashmm_backends.testing import MemoryStore
from flashmm_instrumentation import BUY, MAKER, Bot, setup
from flashmm_receiver import Receiver, ReceiverSettings

pytestmark = pytest.mark.real

_ORDERS = 20


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Prometheus and Loki."""
    folder = tmp_path_factory.mktemp("stores")
    with running_prometheus(folder) as proms, running_loki(folder) as lokis:
        yield proms, lokis


@pytest.fixture
def store() -> MemoryStore:
    """What flashmm keeps."""
    return MemoryStore()


@pytest.fixture
async def receiver(store: MemoryStore) -> AsyncIterator[Receiver]:
    """flashmm's receiver, asking for the Collector's token."""
    settings = ReceiverSettings(grpc_bind="127.0.0.1:0", http_bind="127.0.0.1:0", token=SINK_TOKEN)
    async with Receiver(settings, store, clock=time.time_ns, registry=CollectorRegistry()) as running:
        yield running


@pytest.fixture
async def bot(tmp_path: Path, receiver: Receiver, stores: tuple[Server, Server]) -> AsyncIterator[Bot]:
    """A bot that knows the Collector's address and nothing else."""
    proms, lokis = stores
    environment = {
        "FLASHMM_OTLP_URL": f"http://127.0.0.1:{receiver.http_port}",
        "PROMETHEUS_URL": proms.base_url,
        "LOKI_URL": lokis.base_url,
    }
    collector = collector_server(tmp_path, environment=environment)
    await asyncio.to_thread(collector.start)
    endpoint = f"http://127.0.0.1:{collector.ports['grpc']}"
    each = setup("maker-7", "main", endpoint=endpoint, environment="paper", set_global=False)
    yield each
    await asyncio.to_thread(each.close)
    await asyncio.to_thread(collector.stop)


def _trade(bot: Bot) -> None:
    """A few orders with their whole way, one fill each, and the P&L."""
    market = bot.market("binance", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
    market.book("64000.1", "1", "64000.2", "1")
    for number in range(_ORDERS):
        order = market.order(BUY, "64000.1", "0.001", f"o-{number}")
        order.decided()
        order.risk_checked()
        order.signed()
        order.submitted()
        order.acked()
        order.filled(f"f-{number}", "64000.1", "0.001", "-0.0128", "USDT", MAKER)
    bot.pnl("USDT", "12.5", "-0.5")
    bot.flush()


async def _until(condition: Callable[[], object]) -> Any:
    """What the question returns once it is something; asked in a thread, so that the receiver can go on."""
    return await asyncio.to_thread(eventually, condition)


async def test_an_order_reaches_the_ledger_and_every_store(
    bot: Bot, store: MemoryStore, stores: tuple[Server, Server]
) -> None:
    """Fills in the ledger without a gap, the trace with its stages, latency and P&L in Prometheus, fills in Loki."""
    proms, lokis = stores
    await asyncio.to_thread(_trade, bot)
    await _until(lambda: sum(each.kind == "flashmm.fill" for each in store.events) == _ORDERS)
    fills = [each for each in store.events if each.kind == "flashmm.fill"]
    assert [each.seq for each in fills] == list(range(1, _ORDERS + 1))
    assert {each.bot for each in fills} == {"maker-7"}
    await _until(lambda: sum(each.name == "order" for each in store.spans) == _ORDERS)
    asked = f'histogram_count(flashmm_order_duration_seconds{{flashmm_bot="maker-7"}}) == {_ORDERS}'
    await _until(lambda: prometheus(proms, asked))
    (realized,) = await _until(lambda: prometheus(proms, "flashmm_pnl_realized"))
    assert realized["value"][1] == "12.5"
    assert realized["metric"]["deployment_environment_name"] == "paper"
    lines = '{flashmm_bot="maker-7"} | event_name="flashmm.fill"'
    await _until(lambda: len(loki(lokis, lines)) > 0)


async def test_the_live_page_gets_metrics_too(bot: Bot, store: MemoryStore) -> None:
    """flashmm has the points that Prometheus has, by the same names."""
    await asyncio.to_thread(_trade, bot)
    await _until(
        lambda: any(labels["__name__"] == "flashmm_pnl_realized" for labels in map(dict, store.labels.values()))
    )
