"""This program's own metrics in its own store, where no Prometheus scrapes them: the Admin board reads them there."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Metric

from flashmm_backends.batch import Batch, Labels, Points, SeriesMeta
from flashmm_backends.naming import series_id
from flashmm_backends.ports import BatchRefused, Store, Unavailable

JOB: Final = "flashmm"
EVERY_S: Final = 10.0


class OwnMetrics:
    """The service that stores what `/metrics` says, and `up`, as Prometheus would have scraped it."""

    name = "own-metrics"

    def __init__(self, registry: CollectorRegistry, store: Store, instance: str, clock: Callable[[], int]) -> None:
        """instance: host:port of `/metrics`. clock: UTC nanoseconds."""
        self._registry = registry
        self._store = store
        self._instance = instance
        self._clock = clock
        self._missed = Counter(
            "flashmm_own_metrics_missed", "Scrapes of these metrics that the store did not take.", registry=registry
        )

    async def run(self, started: Callable[[], None]) -> None:
        """Until cancelled."""
        started()
        while True:
            await self.keep()
            await asyncio.sleep(EVERY_S)

    async def keep(self) -> None:
        """Store one sample of each; a store that is full gets the next."""
        try:
            await self._store.append(scraped(self._registry, self._instance, self._clock()))
        except (Unavailable, BatchRefused):
            self._missed.inc()


def scraped(registry: CollectorRegistry, instance: str, now_ns: int) -> Batch:
    """A registry's samples at a moment, named and labelled as Prometheus does."""
    source = {"instance": instance, "job": JOB}
    found = [(_series(Metric("up", "Whether it answers.", "gauge"), "up", source), 1.0), *_samples(registry, source)]
    points = Points(
        np.array([series.id for series, _ in found], np.uint64),
        np.full(len(found), now_ns // 1_000_000, np.int64),
        np.array([value for _, value in found], np.float64),
    )
    return Batch(now_ns, series=[series for series, _ in found], points=points)


def _samples(registry: CollectorRegistry, source: Mapping[str, str]) -> Iterator[tuple[SeriesMeta, float]]:
    for family in registry.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield _series(family, sample.name, {**sample.labels, **source}), float(sample.value)


def _series(family: Metric, name: str, labels: Mapping[str, str]) -> SeriesMeta:
    pairs: Labels = tuple(sorted((label, value) for label, value in {**labels, "__name__": name}.items() if value))
    return SeriesMeta(series_id(pairs), pairs, family.type, family.unit, family.documentation)
