"""Short ways to ask an engine over samples in memory."""

from collections.abc import Sequence

import numpy as np
import pytest

from flashmm_backends.batch import Labels
from flashmm_backends.histogram import NO_BUCKETS, Buckets, NativeHistogram
from flashmm_backends.ports import QueryRefused, RangeResult
from flashmm_backends.promql import Engine, Limits
from flashmm_backends.promql.testing import MemorySource, labels_of

MINUTE = 60_000


def source_of(**series: Sequence[float | None]) -> MemorySource:
    """One series for each name, a sample each minute from 0 on; None leaves one out."""
    source = MemorySource()
    for name, values in series.items():
        source.add(labels_of(name), [(i * MINUTE, v) for i, v in enumerate(values) if v is not None])
    return source


def ask(source: MemorySource, text: str, at_ms: int = 0) -> dict[Labels, float | NativeHistogram]:
    """The vector that a query gives at a time."""
    return {sample.labels: sample.value for sample in Engine(source).query(text, at_ms).samples}


def ask_one(source: MemorySource, text: str, at_ms: int = 0) -> float:
    """The only value of a query, whatever its labels."""
    [value] = ask(source, text, at_ms).values()
    assert isinstance(value, float)
    return value


def ask_range(
    source: MemorySource, text: str, end_ms: int, step_ms: int = MINUTE
) -> dict[Labels, list[tuple[int, float]]]:
    """The float points of each series of a range query from 0 on."""
    result: RangeResult = Engine(source).query_range(text, 0, end_ms, step_ms)
    return {s.labels: list(zip(s.times_ms.tolist(), s.values.tolist(), strict=True)) for s in result.series}


def refusal(source: MemorySource, text: str, at_ms: int = 0, limits: Limits | None = None) -> QueryRefused:
    """The refusal of a query that must not be answered."""
    with pytest.raises(QueryRefused) as refused:
        Engine(source, limits).query(text, at_ms)
    return refused.value


def notes(source: MemorySource, text: str, at_ms: int = 0) -> Sequence[str]:
    """The annotations of an answer."""
    return Engine(source).query(text, at_ms).annotations


def histogram_of(*counts: float, offset: int = 1, schema: int = 0, total: float = 0.0) -> NativeHistogram:
    """A native histogram with positive buckets only."""
    return NativeHistogram(
        schema,
        1e-128,
        0.0,
        float(sum(counts)),
        total,
        Buckets(offset, np.array(counts, dtype=np.float64)),
        NO_BUCKETS,
    )
