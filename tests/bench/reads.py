"""PromQL through the engine over the ledger: idle, under 10,000 points/s, and as more points are touched.

3,200 of the fleet's 50,000 series have two hours of history at 5 s. "Sealed" ends an hour ago, in files alone;
"recent" ends now, the newest five minutes in memory. Range queries have a step of 15 s.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from statistics import median

import numpy as np
from tests.bench.ledger import HOUR_MS, INTERVAL_MS, SERIES, Fleet, header, ingest, insistently, opened, row

from flashmm_backends.ledger import Ledger
from flashmm_backends.promql import Engine

STEP_MS = 15_000
ROUNDS, REPEATS = 3, 5
IN_MEMORY_MS = 300_000
KEPT = np.flatnonzero(np.arange(SERIES) % 500 < 32)
"""Whose history there is: 32 metrics of 100 series each."""

FACTORS = (1, 2, 4, 8)

Query = Callable[[], object]


def main() -> None:
    """Print the tables."""
    asyncio.run(_all())


async def _all() -> None:
    fleet = Fleet()
    async with opened() as (ledger, _):
        await ledger.append(fleet.describe())
        now_ms = time.time_ns() // 1_000_000
        await _history(ledger, fleet, now_ms)
        engine = Engine(ledger)
        await asyncio.to_thread(_by_points, engine, now_ms)
        await _idle_and_busy(ledger, fleet, engine, now_ms)


async def _history(ledger: Ledger, fleet: Fleet, now_ms: int) -> None:
    """Two hours, all but the newest five minutes sealed and merged."""
    for at_ms in range(now_ms - 2 * HOUR_MS, now_ms, INTERVAL_MS):
        if now_ms - IN_MEMORY_MS <= at_ms < now_ms - IN_MEMORY_MS + INTERVAL_MS:
            await ledger.seal()
            await ledger.maintain()
        await insistently(ledger, fleet.tick(at_ms, KEPT))


def _queries(engine: Engine, now_ms: int) -> Iterator[tuple[str, str, Query]]:
    for where, end_ms in (("sealed", now_ms - HOUR_MS), ("recent", now_ms)):
        for text in ("metric_0", "sum(rate(metric_0[1m]))"):
            yield where, f"range, `{text}`", _range(engine, text, end_ms, HOUR_MS)
        for text in ("metric_0", "sum(rate(metric_0[5m]))"):
            yield where, f"instant, `{text}`", lambda text=text, end_ms=end_ms: engine.query(text, end_ms)


def _range(engine: Engine, text: str, end_ms: int, span_ms: int) -> Query:
    return lambda: engine.query_range(text, end_ms - span_ms, end_ms, STEP_MS)


async def _idle_and_busy(ledger: Ledger, fleet: Fleet, engine: Engine, now_ms: int) -> None:
    """In turns, so that whatever else the machine does falls on both alike."""
    header("100 series, 1 h", "query", "idle p50 ms", "worst", "10,000 points/s p50 ms", "worst", "ratio of medians")
    for where, name, query in _queries(engine, now_ms):
        idle: list[float] = []
        busy: list[float] = []
        for _ in range(ROUNDS):
            idle += await asyncio.to_thread(_walls, query)
            load = asyncio.create_task(ingest(ledger, fleet, time.time_ns() // 1_000_000, 60.0))
            await asyncio.sleep(0.3)
            busy += await asyncio.to_thread(_walls, query)
            load.cancel()
            with suppress(asyncio.CancelledError):
                await load
        row(where, name, median(idle), max(idle), median(busy), max(busy), median(busy) / median(idle))


def _walls(query: Query) -> list[float]:
    """Milliseconds of some calls, as far apart as an impatient reader's."""
    found: list[float] = []
    for _ in range(REPEATS):
        at = time.perf_counter()
        query()
        found.append((time.perf_counter() - at) * 1e3)
        time.sleep(0.05)
    return found


def _by_points(engine: Engine, now_ms: int) -> None:
    """CPU of the whole process, DuckDB's threads included, for once to eight times the points."""
    header("`sum(rate(…[1m]))`", "points", "CPU ms", "times the first", "ns a point")
    end_ms = now_ms - HOUR_MS
    for widened in (_by_series(engine, end_ms), _by_span(engine, now_ms)):
        first = 0.0
        for name, query, points in widened:
            cpu = min(_cpus(query))
            first = first or cpu
            row(name, points, cpu, cpu / first, cpu * 1e6 / points)


def _by_series(engine: Engine, end_ms: int) -> Iterator[tuple[str, Query, int]]:
    for factor in FACTORS:
        names = "|".join(f"metric_{4 * n}" for n in range(factor))
        text = f'sum(rate({{__name__=~"{names}"}}[1m]))'
        yield f"{100 * factor} series", _range(engine, text, end_ms, HOUR_MS), 100 * factor * HOUR_MS // INTERVAL_MS


def _by_span(engine: Engine, now_ms: int) -> Iterator[tuple[str, Query, int]]:
    for factor in FACTORS:
        span_ms = factor * HOUR_MS // 4
        query = _range(engine, "sum(rate(metric_0[1m]))", now_ms, span_ms)
        yield f"{15 * factor} min", query, 100 * span_ms // INTERVAL_MS


def _cpus(query: Query) -> list[float]:
    query()
    found: list[float] = []
    for _ in range(REPEATS):
        at = time.process_time()
        query()
        found.append((time.process_time() - at) * 1e3)
    return found


if __name__ == "__main__":
    main()
