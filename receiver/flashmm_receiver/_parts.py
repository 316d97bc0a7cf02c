"""A large batch in parts, for live taps: they run on the loop, and a part is what they take in one go."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from flashmm_backends.batch import Batch, HistogramPoints, Points

_PART: Final = 200
_POINTS_PART: Final = 4_000
_LISTS: Final = ("resources", "series", "exemplars", "events", "spans", "logs")


def parts(batch: Batch) -> Iterator[Batch]:
    """Batches that together are this one, in an order in which nothing refers to what comes later."""
    if _is_small(batch):
        yield batch
        return
    nothing = Batch(batch.received_ns)
    for name in _LISTS:
        items = getattr(batch, name)
        for start in range(0, len(items), _PART):
            yield replace(nothing, **{name: items[start : start + _PART]})
    for start in range(0, len(batch.points.series_id), _POINTS_PART):
        yield replace(nothing, points=_points(batch.points, slice(start, start + _POINTS_PART)))
    for start in range(0, len(batch.histograms.series_id), _PART):
        yield replace(nothing, histograms=_histograms(batch.histograms, slice(start, start + _PART)))


def _is_small(batch: Batch) -> bool:
    return len(batch.points.series_id) <= _POINTS_PART and all(
        len(items) <= _PART for items in (batch.histograms.series_id, *(getattr(batch, name) for name in _LISTS))
    )


def _points(points: Points, part: slice) -> Points:
    return Points(points.series_id[part], points.time_ms[part], points.value[part])


def _histograms(points: HistogramPoints, part: slice) -> HistogramPoints:
    return HistogramPoints(points.series_id[part], points.time_ms[part], points.histogram[part])
