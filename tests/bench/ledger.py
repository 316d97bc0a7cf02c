"""The ledger: what an appended point costs, how long a commit and a query take, how small sealed points are."""

import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry

from flashmm_backends.batch import Batch, Event, Labels, Points, SeriesMeta
from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.naming import series_id
from flashmm_backends.ports import Unavailable, Window
from flashmm_backends.promql.source import Matcher, MatchOp

SERIES = 50_000
INTERVAL_MS = 5_000
HOUR_MS = 3_600_000


class Fleet:
    """50,000 series of 50 processes, sampled every 5 s, in four sorts of values."""

    def __init__(self, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.labels = [self._labels(i) for i in range(SERIES)]
        self.ids = np.array([series_id(each) for each in self.labels], np.uint64)
        self.state = np.zeros(SERIES)
        self.kind = np.arange(SERIES) % 4
        self.process = np.arange(SERIES) % 50

    @staticmethod
    def _labels(i: int) -> Labels:
        pairs = {"__name__": f"metric_{i % 500}", "instance": f"process-{i % 50}", "job": "bench", "n": str(i // 500)}
        return tuple(sorted(pairs.items()))

    def describe(self) -> Batch:
        """All series."""
        metas = [
            SeriesMeta(int(number), each, "counter" if kind in (0, 3) else "gauge", "1", "A metric.")
            for number, each, kind in zip(self.ids, self.labels, self.kind.tolist(), strict=True)
        ]
        return Batch(0, series=metas)

    def tick(self, time_ms: int, part: slice | npt.NDArray[np.intp]) -> Batch:
        """One sample of some of the series."""
        n = len(self.state[part])
        kind, random = self.kind[part], self.random
        grown = np.select(
            [kind == 0, kind == 1, kind == 3],
            [random.poisson(0.5, n), np.round(random.normal(0, 0.01, n), 2), random.poisson(20, n) * 0.1],
            0.0,
        )
        self.state[part] += grown
        jitter = random.integers(-3, 40, 50)[self.process[part]]
        return Batch(0, points=Points(self.ids[part], time_ms + jitter, self.state[part].copy()))


@asynccontextmanager
async def opened(settings: LedgerSettings | None = None):
    """A ledger in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        async with Ledger.open(Path(folder), settings or LedgerSettings(), time.time_ns, CollectorRegistry()) as it:
            yield it, Path(folder)


def row(*cells: object) -> None:
    """One line of a table."""
    print("| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells) + " |")


def header(*cells: str) -> None:
    """Head of a table."""
    print()
    row(*cells)
    print("|" + "---|" * len(cells))


async def append_costs(fleet: Fleet) -> None:
    """CPU of the whole process for each point until durable, by points in a batch; sealing included in the last."""
    header("points a batch", "CPU µs a point, durable", "with sealing", "commit p50 ms", "p99 ms")
    for size in (100, 1_000, 10_000, 50_000):
        async with opened(LedgerSettings(maintenance_interval_s=3_600.0)) as (ledger, _):
            await ledger.append(fleet.describe())
            await ledger.maintain()
            n = min(200, 2_000_000 // size)
            batches = [fleet.tick(i * INTERVAL_MS, slice(0, size)) for i in range(n)]
            begun, waits = time.process_time(), []
            for batch in batches:
                at = time.perf_counter()
                await ledger.append(batch)
                waits.append((time.perf_counter() - at) * 1e3)
            durable = time.process_time() - begun
            await ledger.seal()
            sealed = time.process_time() - begun
            points = n * size / 1e6
            row(size, durable / points, sealed / points, median(waits), quantiles(waits, n=100)[98])


def batches_of_an_hour(fleet: Fleet, start_ms: int) -> Iterator[Batch]:
    """36 million points."""
    for tick in range(HOUR_MS // INTERVAL_MS):
        yield fleet.tick(start_ms + tick * INTERVAL_MS, slice(0, SERIES))


async def insistently(ledger: Ledger, batch: Batch) -> None:
    """Append, and again as a receiver's clients do, when the ledger has enough to seal."""
    while True:
        try:
            return await ledger.append(batch)
        except Unavailable:
            await asyncio.sleep(0.1)


def timed(times: int, work) -> tuple[float, float]:
    """Median and worst, milliseconds."""
    found = []
    for _ in range(times):
        at = time.perf_counter()
        work()
        found.append((time.perf_counter() - at) * 1e3)
    return median(found), max(found)


def selectors(fleet: Fleet) -> dict[str, list[Matcher]]:
    """What is asked for: one metric's hundred series, and a hundred from everywhere."""
    chosen = fleet.random.choice(100, 1)[0]
    return {
        "100 series of one metric": [Matcher("__name__", MatchOp.EQ, f"metric_{chosen}")],
        "100 series from everywhere": [
            Matcher("instance", MatchOp.EQ, "process-7"),
            Matcher("n", MatchOp.RE, "[0-9]"),
        ],
    }


async def queries(ledger: Ledger, fleet: Fleet, end_ms: int, when: str) -> None:
    """Range and instant selects."""
    for name, matchers in selectors(fleet).items():
        found = ledger.select(matchers, end_ms - HOUR_MS, end_ms)
        for what, span_ms in (("1 h", HOUR_MS), ("5 min, newest", 300_000)):
            mid, worst = await asyncio.to_thread(
                timed, 15, lambda m=matchers, s=span_ms: ledger.select(m, end_ms - s, end_ms)
            )
            row(when, name, what, len(found.labels), mid, worst)


async def ingest(ledger: Ledger, fleet: Fleet, start_ms: int, seconds: float) -> None:
    """10,000 points a second in requests of 500, and 20 events a second."""
    begun, i, seq = time.monotonic(), 0, 0
    while (now := time.monotonic() - begun) < seconds:
        part = slice(i % 100 * 500, i % 100 * 500 + 500)
        seq += 1
        event = Event("flashmm.transfer", time.time_ns(), "run", seq, "b", "a", b"", b"", _FIELDS)
        batch = fleet.tick(start_ms + int(now * 1e3), part)
        await ledger.append(Batch(0, points=batch.points, events=[event]))
        i += 1
        await asyncio.sleep(max(0.0, i / 20 - (time.monotonic() - begun)))


_FIELDS = {"venue": "binance", "transfer_id": "t", "amount": Decimal("0.1"), "currency": "USDT"}


async def event_reads(ledger: Ledger, when: str) -> None:
    """The last second's events, under ingest: what is waiting is put into its table first."""
    waits = []
    for _ in range(15):
        at = time.perf_counter()
        await ledger.events("flashmm.transfer", Window(time.time_ns() - 10**9, time.time_ns()))
        waits.append((time.perf_counter() - at) * 1e3)
        await asyncio.sleep(0.2)
    row(when, "events of one kind", "1 s", "", median(waits), max(waits))


async def an_hour(fleet: Fleet) -> None:
    """36M points: bytes on disk, memory, queries idle and under ingest."""
    async with opened() as (ledger, folder):
        await ledger.append(fleet.describe())
        now_ms = time.time_ns() // 1_000_000
        start_ms = (now_ms - 2 * HOUR_MS) // HOUR_MS * HOUR_MS
        begun, cpu = time.monotonic(), time.process_time()
        for batch in batches_of_an_hour(fleet, start_ms):
            await insistently(ledger, batch)
        print(f"\n36M points appended in {time.monotonic() - begun:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
        await ledger.seal()
        _report_disk(folder, "sealed")
        header("", "what", "span", "series", "p50 ms", "worst ms")
        await queries(ledger, fleet, start_ms + HOUR_MS - 1, "before merging")
        await ledger.maintain()
        print()
        _report_disk(folder, "merged")
        header("", "what", "span", "series", "p50 ms", "worst ms")
        await queries(ledger, fleet, start_ms + HOUR_MS - 1, "merged")
        await _under_ingest(ledger, fleet, start_ms)


async def _under_ingest(ledger: Ledger, fleet: Fleet, start_ms: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    cpu = time.process_time()
    await ingest(ledger, fleet, now_ms, 30.0)
    print(f"\n10,000 points/s: {(time.process_time() - cpu) / 30:.1%} of a core, batches made included")
    load = asyncio.create_task(ingest(ledger, fleet, now_ms + 30_000, 60.0))
    header("", "what", "span", "series", "p50 ms", "worst ms")
    await queries(ledger, fleet, start_ms + HOUR_MS - 1, "under ingest")
    await queries(ledger, fleet, now_ms + 60_000, "under ingest, recent")
    await event_reads(ledger, "under ingest")
    load.cancel()


def _report_disk(folder: Path, when: str) -> None:
    sealed = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    whole = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{when}: {sealed / 36e6:.2f} bytes a point, {whole / 36e6:.2f} with everything; peak memory {rss:.0f} MB")


def main() -> None:
    """Print the tables."""
    fleet = Fleet()
    asyncio.run(append_costs(fleet))
    asyncio.run(an_hour(fleet))


if __name__ == "__main__":
    main()
