"""A bot and our own receiver: what is emitted is what is stored."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

from prometheus_client import CollectorRegistry

from flashmm_backends.batch import Batch, Event
from flashmm_instrumentation import BUY, MAKER, setup
from flashmm_receiver import Receiver, ReceiverSettings


class Kept:
    """A store in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def append(self, batch: Batch) -> None:
        self.batches.append(batch)

    async def stream_seqs(self) -> Mapping[tuple[str, str], Sequence[tuple[int, int]]]:
        return {}

    def events(self, kind: str) -> list[Event]:
        return [event for batch in self.batches for event in batch.events if event.kind == kind]


def run_bot(endpoint: str) -> None:
    """One bot's life."""
    extras = {"logging_level": None, "instrument_asyncio": False, "system_metrics": False, "set_global": False}
    with setup("maker-1", "main", endpoint=endpoint, **extras) as bot:
        market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT", depth_notional=1)
        market.book("64000.1", 2, "64000.3", 2, bot.now_ns())
        market.quoting("64000.1", 1, "64000.3", 1)
        order = market.order(BUY, "64000.1", 1, "o-1")
        order.decided()
        order.acked(bot.now_ns())
        order.filled("f-1", "64000.1", 1, "-0.01", "USDT", MAKER)
        bot.pnl("USDT", 1, 2, 3, 4)


async def test_the_receiver_takes_everything() -> None:
    """Every event arrives typed, none is refused, spans and exponential histograms with them."""
    store = Kept()
    settings = ReceiverSettings("127.0.0.1:0", "127.0.0.1:0")
    async with Receiver(settings, store, clock=time.time_ns, registry=CollectorRegistry()) as receiver:
        await asyncio.to_thread(run_bot, f"http://127.0.0.1:{receiver.grpc_port}")
    for kind, expected in (("flashmm.order", 3), ("flashmm.fill", 1), ("flashmm.instrument", 1)):
        assert [event.seq for event in store.events(kind)] == list(range(1, expected + 1))
    assert store.events("flashmm.fill")[0].fields["mid"] == Decimal("64000.2")
    closing = [event.fields for event in store.events("flashmm.stream") if event.fields["mark"] == "close"]
    for fields in closing:
        assert len(store.events(str(fields["kind"]))) == fields["high_water"]
    sample = store.events("flashmm.spread.sample")[0].fields
    assert sample["total_spread_integral_valid"] == Decimal("0.2") * sample["valid_ns"]
    assert {span.name for batch in store.batches for span in batch.spans} >= {"order", "decide", "ack", "fill"}
    names = {dict(meta.labels)["__name__"] for batch in store.batches for meta in batch.series}
    assert {"flashmm_order_duration_seconds", "flashmm_pnl_realized", "flashmm_orders_total"} <= names
