"""What queries cost in the engine, the store left out: 100 series of floats, 10 of native histograms, 1 h at 5 s.

Prints the best of several runs, wall and CPU time, and the same over twice the series.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flashmm_backends.histogram import NO_BUCKETS, ZERO_THRESHOLD, Buckets, NativeHistogram
from flashmm_backends.promql import Engine, Limits, Matcher, Selection
from flashmm_backends.promql.testing import MemorySource, labels_of

START_MS, END_MS, STEP_MS, SAMPLE_MS = 400_000, 4_000_000, 15_000, 5_000
SAMPLES = END_MS // SAMPLE_MS
REPEATS = 7
QUERIES = (
    "m_total",
    "sum by (group) (m_total)",
    "sum by (group) (rate(m_total[1m]))",
    "rate(m_total[1h])",
    "avg_over_time(m_total[5m])",
    "sum_over_time(m_total[1h])",
    "max_over_time(m_total[5m])",
    "quantile_over_time(0.9, m_total[5m])",
    "deriv(m_total[5m])",
    "topk(5, m_total)",
    "m_total / on(n) group_left() m_total",
    "max_over_time(rate(m_total[1m])[5m:15s])",
    "histogram_quantile(0.9, sum by (le) (rate(h_bucket[1m])))",
    "rate(native[1m])",
    "histogram_quantile(0.99, sum by (group) (rate(native[1m])))",
)


class Remembered:
    """A source that reads each selection once, so that the engine alone is timed."""

    def __init__(self, source: MemorySource) -> None:
        self._source = source
        self._selections: dict[tuple[Sequence[Matcher], int, int], Selection] = {}
        self.series, self.metadata = source.series, source.metadata

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Selection:
        key = (matchers, start_ms, end_ms)
        if key not in self._selections:
            self._selections[key] = self._source.select(matchers, start_ms, end_ms)
        return self._selections[key]


@dataclass(frozen=True, slots=True)
class Cost:
    """Best wall and CPU time of a call, milliseconds."""

    wall_ms: float
    cpu_ms: float


def cost(call: Callable[[], object]) -> Cost:
    """The best of several runs after one that warms up."""
    call()
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.thread_time()
        call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.thread_time() - cpu)
    return Cost(min(walls) * 1e3, min(cpus) * 1e3)


def source(series: int) -> Remembered:
    """Counters, bucket series and native histograms from a fixed seed."""
    random = np.random.default_rng(7)
    memory = MemorySource()
    for n in range(series):
        counter = np.cumsum(random.integers(0, 9, SAMPLES)).astype(float)
        memory.add_floats(labels_of("m_total", n=str(n), group=str(n % 5)), counter.tolist(), step_ms=SAMPLE_MS)
        bound = "+Inf" if n % 10 == 9 else str(2 ** (n % 10))
        memory.add_floats(
            labels_of("h_bucket", le=bound, n=str(n // 10)), (counter * (1 + n % 10)).tolist(), step_ms=SAMPLE_MS
        )
    for n in range(series // 10):
        memory.add(labels_of("native", n=str(n), group=str(n % 2)), _native(random))
    return Remembered(memory)


def _native(random: np.random.Generator) -> list[tuple[int, NativeHistogram]]:
    """Latencies of log-normal shape at schema 5: some 160 buckets are populated."""
    shape = np.exp(-(((np.arange(160) - 80) / 30) ** 2))
    counts = np.cumsum(random.poisson(shape, (SAMPLES, 160)), axis=0).astype(float)
    return [
        (
            k * SAMPLE_MS,
            NativeHistogram(
                5, ZERO_THRESHOLD, 0.0, float(row.sum()), float(row.sum()) / 10, Buckets(-120, row), NO_BUCKETS
            ),
        )
        for k, row in enumerate(counts)
    ]


def main() -> None:
    """Print the table."""
    engines = [Engine(source(series), Limits(samples=50_000_000)) for series in (100, 200)]
    print(f"{'query':62}{'range ms':>10}{'cpu':>8}{'2x series':>11}{'instant ms':>12}")
    for query in QUERIES:
        once, twice = (
            cost(lambda engine=engine, query=query: engine.query_range(query, START_MS, END_MS, STEP_MS))
            for engine in engines
        )
        instant = cost(lambda query=query: engines[0].query(query, END_MS))
        ratio = f"x{twice.cpu_ms / once.cpu_ms:.1f}"
        print(f"{query:62}{once.wall_ms:10.1f}{once.cpu_ms:8.1f}{ratio:>11}{instant.wall_ms:12.2f}")


if __name__ == "__main__":
    main()
