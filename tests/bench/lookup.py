"""One order or trace out of 30 days: 720 sealed files of spans and as many of orders' events.

Each hour has 2,000 spans of 400 orders; what a lookup costs depends on how many files it opens, so it is timed again
without their lists of ids. `python -m tests.bench.lookup [HOURS]`
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from prometheus_client import CollectorRegistry

from flashmm_backends.batch import Batch, Event, Span
from flashmm_backends.ledger import Ledger, LedgerSettings

HOUR_NS = 3_600_000_000_000
ORDERS, SPANS_AN_ORDER = 400, 5
SETTINGS = LedgerSettings(maintenance_interval_s=3_600.0, row_seal_age_s=3_600.0)


def hour(number: int, start_ns: int) -> Batch:
    """An hour of orders."""
    ids = range(number * ORDERS, (number + 1) * ORDERS)
    spans = [_span(order, k, start_ns) for order in ids for k in range(SPANS_AN_ORDER)]
    return Batch(0, spans=spans, events=[_event(order, start_ns) for order in ids])


def _span(order: int, k: int, start_ns: int) -> Span:
    ids = (order + 1).to_bytes(16, "big"), (k + 1).to_bytes(8, "big"), b"" if k == 0 else (1).to_bytes(8, "big")
    attributes = {"flashmm.order.id": f"order-{order}"} if k == 0 else {}
    return Span(*ids, "order" if k == 0 else "stage", 1, start_ns, start_ns + 1, 0, "", 7, "bench", attributes)


def _event(order: int, start_ns: int) -> Event:
    fields = {"venue": "v", "symbol": "s", "order_id": f"order-{order}", "state": "acked", "side": "buy"}
    return Event("flashmm.order", start_ns, "run", order + 1, "b", "a", b"", b"", fields)


async def timed(name: str, work: Callable[[int], Awaitable[object]], orders: int) -> None:
    """One line: twenty lookups all over the time, after one that warms up."""
    await work(0)
    waits, cpu = [], time.process_time()
    for i in range(20):
        begun = time.perf_counter()
        await work(orders * (2 * i + 1) // 40)
        waits.append((time.perf_counter() - begun) * 1e3)
    cpu_ms = (time.process_time() - cpu) * 1e3 / len(waits)
    print(f"{name:<32} p50 {median(waits):7.1f} ms   worst {max(waits):7.1f} ms   CPU {cpu_ms:7.1f} ms")


async def lookups(ledger: Ledger, orders: int, how: str) -> None:
    """Orders and traces."""
    await timed(f"an order, {how}", lambda n: ledger.order(f"order-{n}"), orders)
    await timed(f"a trace, {how}", lambda n: ledger.trace((n + 1).to_bytes(16, "big")), orders)


def report(folder: Path) -> None:
    """How many files, how large."""
    files, lists = (list(folder.rglob(f"*.{ending}")) for ending in ("parquet", "keys"))
    sizes = [sum(path.stat().st_size for path in each) / 2**20 for each in (files, lists)]
    print(f"{len(files)} files, {sizes[0]:.1f} MiB; their lists of ids {sizes[1]:.1f} MiB")


def forget_lists(folder: Path) -> None:
    """As files from before there were lists."""
    for path in folder.rglob("*.keys"):
        path.unlink()


async def main_async(hours: int) -> None:
    """Seal the hours, then look up."""
    now_ns = [time.time_ns() - hours * HOUR_NS]
    with tempfile.TemporaryDirectory() as folder:
        async with Ledger.open(Path(folder), SETTINGS, lambda: now_ns[0], CollectorRegistry()) as ledger:
            for number in range(hours):
                await ledger.append(hour(number, now_ns[0]))
                await ledger.maintain()
                now_ns[0] += HOUR_NS + 1
            report(Path(folder))
            await lookups(ledger, hours * ORDERS, "with lists")
        forget_lists(Path(folder))
        async with Ledger.open(Path(folder), SETTINGS, lambda: now_ns[0], CollectorRegistry()) as ledger:
            await lookups(ledger, hours * ORDERS, "every file opened")


def main(hours: int = 720) -> None:
    """Print the table."""
    asyncio.run(main_async(hours))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
