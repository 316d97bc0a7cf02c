"""What the live tap and the hub cost: CPU a point, an event, an order, a broadcast and a client."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from prometheus_client import CollectorRegistry
from tests.acceptance.page.batches import MILLISECOND, SECOND, Bot, spread_fields

from flashmm_backends.batch import Batch, Points, SeriesMeta
from flashmm_streaming import Hub, Projection

NOW = 1_800_000_000 * SECOND
POINTS = 1_000
SERIES = 2_000
STAGES_US = {"receive": 8, "decide": 95, "risk_check": 22, "sign": 140, "submit": 60, "ack": 1_900}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what, how many of them a call handles, and CPU microseconds for each."""

    what: str
    each_us: float

    def __str__(self) -> str:
        return f"{self.what:<58} {self.each_us:>9.2f} µs   {1e6 / self.each_us:>12,.0f}/s a core"


def main() -> None:
    """Print the table."""
    for row in (_points(), _events(), _orders(), *_broadcasts()):
        print(row)


def _points() -> Row:
    bot, projection = Bot(), Projection()
    pnl = bot.pnl(NOW, 1.25, 2.5, -0.1, 0.2)
    others = [SeriesMeta(number + 1, (("__name__", f"other_{number}"),), "gauge", "", "") for number in range(SERIES)]
    projection.project(Batch(NOW, series=[*pnl.series, *others]))
    generator = np.random.default_rng(7)
    batches = []
    for number in range(200):
        ids = generator.integers(1, SERIES, POINTS).astype(np.uint64)
        ids[:4] = pnl.points.series_id
        times = np.full(POINTS, NOW // MILLISECOND + number)
        batches.append(Batch(NOW, points=Points(ids, times, generator.random(POINTS))))
    return Row(
        "tap, a metric point (batches of 1,000, one P&L in each)",
        _cpu_us(_each(projection, batches)) / len(batches) / POINTS,
    )


def _events() -> Row:
    bot, projection = Bot(), Projection()
    fields = spread_fields(Decimal("61235.0"), Decimal(5), Decimal(8), Decimal(4))
    batches = [bot.events(NOW, bot.event("flashmm.spread.sample", NOW, **fields)) for _ in range(2_000)]
    return Row("tap, a spread sample", _cpu_us(_each(projection, batches)) / len(batches))


def _orders() -> Row:
    bot, projection = Bot(), Projection()
    batches = [
        bot.spans(NOW + number * 20 * MILLISECOND, bot.placement(f"o{number}", "BTCUSDT", "buy", NOW, STAGES_US))
        for number in range(2_000)
    ]
    return Row("tap, an order's seven spans, with quantiles", _cpu_us(_each(projection, batches)) / len(batches))


def _broadcasts() -> list[Row]:
    return [
        Row(f"hub, a broadcast to {clients:,} and taking it, a client", _broadcast_us(clients))
        for clients in (1, 100, 1_000)
    ]


def _broadcast_us(clients: int) -> float:
    item = {"bot": "b", "account": "a", "venue": "v", "symbol": "BTCUSDT", "price": "61234.5", "text": "x" * 150}
    hub = Hub("e", CollectorRegistry())
    sessions = [hub.join(_nothing) for _ in range(clients)]
    for session in sessions:
        hub.receive(session, '{"type":"subscribe","streams":["trades"]}')
        session.take()
    count = 20_000 // clients

    def work() -> None:
        for _ in range(count):
            hub.publish("trades", [item])
            for session in sessions:
                session.take()

    return _cpu_us(work) / count / clients


def _each(projection: Projection, batches: list[Batch]) -> Callable[[], object]:
    return lambda: [projection.project(batch) for batch in batches]


def _cpu_us(work: Callable[[], object]) -> float:
    begun = time.process_time_ns()
    work()
    return (time.process_time_ns() - begun) / 1_000


def _nothing() -> None:
    """Nobody waits."""


if __name__ == "__main__":
    main()
