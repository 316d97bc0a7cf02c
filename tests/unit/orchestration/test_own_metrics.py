"""The program's own metrics in its own store."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from flashmm_backends.batch import Batch
from flashmm_backends.testing import MemoryStore
from flashmm_orchestration.own_metrics import OwnMetrics, scraped

NOW_NS = 1_700_000_000_123_456_789


def values(batch: Batch) -> dict[tuple[tuple[str, str], ...], float]:
    """Each series' labels but instance and job, with its value."""
    named = {series.id: series.labels for series in batch.series}
    assert all(dict(labels)["instance"] == "here:1" and dict(labels)["job"] == "flashmm" for labels in named.values())
    points = zip(batch.points.series_id.tolist(), batch.points.value.tolist(), strict=True)
    own = {"instance", "job"}
    return {tuple(pair for pair in named[series] if pair[0] not in own): value for series, value in points}


def test_samples_are_named_as_prometheus_names_them() -> None:
    """Counters end in _total, histograms have their buckets, nothing says when it was created, and `up` is one."""
    registry = CollectorRegistry()
    Counter("asked", "…", ["kind"], registry=registry).labels("a").inc(3)
    Gauge("waiting", "…", registry=registry).set(2)
    Histogram("took_seconds", "…", buckets=(0.1,), registry=registry).observe(0.05)
    batch = scraped(registry, "here:1", NOW_NS)
    assert values(batch) == {
        (("__name__", "up"),): 1.0,
        (("__name__", "asked_total"), ("kind", "a")): 3.0,
        (("__name__", "waiting"),): 2.0,
        (("__name__", "took_seconds_bucket"), ("le", "0.1")): 1.0,
        (("__name__", "took_seconds_bucket"), ("le", "+Inf")): 1.0,
        (("__name__", "took_seconds_count"),): 1.0,
        (("__name__", "took_seconds_sum"),): 0.05,
    }
    assert set(batch.points.time_ms.tolist()) == {NOW_NS // 1_000_000}


async def test_a_full_store_costs_a_sample_and_is_counted() -> None:
    """The next sample is stored, and tells of it."""
    registry, store = CollectorRegistry(), MemoryStore(full=True)
    own = OwnMetrics(registry, store, "here:1", lambda: NOW_NS)
    await own.keep()
    store.full = False
    await own.keep()
    assert values(store.batches[0])[(("__name__", "flashmm_own_metrics_missed_total"),)] == 1.0
