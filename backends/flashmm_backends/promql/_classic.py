"""Quantiles and fractions of classic histograms: cumulative buckets in series of their own, with an `le` label."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from flashmm_backends.batch import Labels
from flashmm_backends.promql import _labels
from flashmm_backends.promql._session import Session
from flashmm_backends.promql._values import Floats, Indices, Mask, Vectors

LE = "le"
_FLOAT = re.compile(r"[+-]?(?:inf(?:inity)?|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.IGNORECASE | re.ASCII)
_SMALL_DELTA = 1e-12
_SMALLEST_NORMAL = np.finfo(np.float64).smallest_normal


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of several histograms with the same bounds at the steps where all of them are present.

    bounds: ascending, shape (b,). counts: cumulative, shape (b, histograms, steps).
    """

    bounds: Floats
    counts: Floats


@dataclass(frozen=True, slots=True)
class Histograms:
    """The classic histograms among the rows of a vector: labels without `le`, their rows, and their rows' bounds."""

    labels: list[Labels]
    rows: list[Indices]
    bounds: list[Floats]


def classic_histograms(vectors: Vectors, session: Session) -> Histograms:
    """Group bucket series by histogram, bounds ascending; without a readable bound a series is left out."""
    found: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vectors.labels):
        bound = _bound(_labels.get(labels, LE))
        if bound is None:
            _note_bad_bound(session, vectors.present[row], _labels.get(labels, LE))
            continue
        found.setdefault(_labels.without(labels, (LE,)), []).append((bound, row))
    ordered = [sorted(buckets) for buckets in found.values()]
    return Histograms(
        list(found),
        [np.array([row for _, row in buckets], dtype=np.intp) for buckets in ordered],
        [np.array([bound for bound, _ in buckets]) for buckets in ordered],
    )


def evaluate(
    histograms: Histograms, vectors: Vectors, function: Callable[[Buckets, Mask], Floats], session: Session
) -> Vectors:
    """Apply a function of buckets to every histogram at every step; it is also told which steps it gets."""
    shape = (len(histograms.labels), vectors.values.shape[1])
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for part in _parts(histograms, vectors):
        session.budget.check_time()
        counts = vectors.values[part.rows][..., part.steps]
        bounds, counts = _coalesced(part.bounds, np.moveaxis(counts, 1, 0))
        cells = np.ix_(part.histograms, np.flatnonzero(part.steps))
        values[cells] = function(Buckets(bounds, counts), part.steps)
        present[cells] = True
    return Vectors(histograms.labels, values, present)


@dataclass(frozen=True, slots=True)
class _Part:
    """Histograms with equal bounds, present at the same steps. rows: shape (histograms, buckets)."""

    histograms: Indices
    rows: Indices
    bounds: Floats
    steps: Mask


def _parts(histograms: Histograms, vectors: Vectors) -> Iterator[_Part]:
    whole: dict[bytes, list[int]] = {}
    for number, (rows, bounds) in enumerate(zip(histograms.rows, histograms.bounds, strict=True)):
        if vectors.present[rows].all():
            whole.setdefault(bounds.tobytes(), []).append(number)
        else:
            yield from _patterns(number, rows, bounds, vectors.present[rows])
    every_step = np.ones(vectors.values.shape[1], dtype=np.bool_)
    for numbers in whole.values():
        rows = np.stack([histograms.rows[n] for n in numbers])
        yield _Part(np.array(numbers, dtype=np.intp), rows, histograms.bounds[numbers[0]], every_step)


def _patterns(number: int, rows: Indices, bounds: Floats, present: Mask) -> Iterator[_Part]:
    """One part for each set of buckets that is present at some step."""
    patterns, which = np.unique(present, axis=1, return_inverse=True)
    for index, pattern in enumerate(patterns.T):
        if pattern.any():
            steps = np.ravel(which) == index
            yield _Part(np.array([number]), rows[pattern][None, :], bounds[pattern], steps)


def _bound(text: str) -> float | None:
    return float(text) if _FLOAT.fullmatch(text) else None


def _note_bad_bound(session: Session, present: Mask, text: str) -> None:
    if present.any():
        session.warn(f'bucket label "le" is missing or has a malformed value of "{text}"')


def _coalesced(bounds: Floats, counts: Floats) -> tuple[Floats, Floats]:
    distinct, starts = np.unique(bounds, return_index=True)
    return (bounds, counts) if len(distinct) == len(bounds) else (distinct, np.add.reduceat(counts, starts, axis=0))


def _monotonic(counts: Floats, session: Session) -> Floats:
    """Counts that never fall; differences that rounding explains are dropped silently."""
    fixed = counts.copy()
    forced = False
    for bucket in range(1, len(fixed)):
        before, here = fixed[bucket - 1], fixed[bucket]
        close = _almost_equal(before, here)
        falls = here < before
        forced = forced or bool((falls & ~close).any())
        fixed[bucket] = np.where(close | falls, before, here)
    if forced:
        session.inform(
            "input to histogram_quantile needed to be fixed for monotonicity (see "
            "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
        )
    return fixed


def _almost_equal(a: Floats, b: Floats) -> Mask:
    total, difference = np.abs(a) + np.abs(b), np.abs(a - b)
    tiny = (a == 0) | (b == 0) | (total < _SMALLEST_NORMAL)
    allowed = np.where(tiny, _SMALL_DELTA * _SMALLEST_NORMAL, _SMALL_DELTA * total)
    return (a == b) | (difference < allowed)


def quantile(buckets: Buckets, wanted: Floats, session: Session) -> Floats:
    """The quantile by linear interpolation within its bucket; wanted: shape (steps,). Shape (histograms, steps)."""
    bounds, counts = buckets.bounds, _monotonic(buckets.counts, session)
    if len(bounds) < 2 or not np.isposinf(bounds[-1]):
        result = np.full(counts.shape[1:], np.nan)
    else:
        result = np.where(counts[-1] == 0, np.nan, _interpolated(bounds, counts, wanted * counts[-1]))
    choices = [np.isnan(wanted), wanted < 0, wanted > 1]
    return np.select([np.broadcast_to(c, result.shape) for c in choices], [np.nan, -np.inf, np.inf], result)


def _interpolated(bounds: Floats, counts: Floats, rank: Floats) -> Floats:
    top = len(bounds) - 1
    bucket = np.count_nonzero(~(counts[:top] >= rank), axis=0)
    count = np.take_along_axis(counts, bucket[None], axis=0)[0]
    below = np.where(bucket > 0, np.take_along_axis(counts, np.maximum(bucket - 1, 0)[None], axis=0)[0], 0.0)
    start = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], 0.0)
    end = bounds[bucket]
    inside = start + (end - start) * ((rank - below) / (count - below))
    return np.select([bucket == top, (bucket == 0) & (end <= 0)], [np.full(rank.shape, bounds[top - 1]), end], inside)


def fraction(buckets: Buckets, lower: Floats, upper: Floats) -> Floats:
    """Share of observations between two values, shape (steps,) each. Shape (histograms, steps)."""
    bounds, counts = buckets.bounds, buckets.counts
    total = counts[-1]
    if not np.isposinf(bounds[-1]):
        return np.full(counts.shape[1:], np.nan)
    between = (_rank_below(bounds, counts, upper) - _rank_below(bounds, counts, lower)) / total
    between[:, lower >= upper] = 0.0
    undefined: Mask = (total == 0) | np.isnan(lower) | np.isnan(upper)
    between[undefined] = np.nan
    return between


def _rank_below(bounds: Floats, counts: Floats, value: Floats) -> Floats:
    """Number of observations up to a value, interpolated within its bucket."""
    lowest = 0.0 if bounds[0] > 0 else -np.inf
    starts = np.concatenate(([lowest], bounds[:-1]))
    bucket = np.clip(np.searchsorted(starts, value, side="right") - 1, 0, len(bounds) - 1)
    steps: Indices = np.arange(counts.shape[2], dtype=np.intp)
    start, end = starts[bucket], bounds[bucket]
    count = counts[bucket, :, steps].T
    below = np.where(bucket > 0, counts[np.maximum(bucket - 1, 0), :, steps].T, 0.0)
    inside = np.where(np.isneginf(start), count, below + (count - below) * (value - start) / (end - start))
    return np.select([value <= start, np.isposinf(value)], [below, counts[-1]], np.minimum(inside, counts[-1]))
