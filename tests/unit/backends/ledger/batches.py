"""Batches in a line."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from flashmm_backends.batch import Batch, Event, EventValue, HistogramPoints, Labels, Points, SeriesMeta, Span
from flashmm_backends.histogram import Buckets, NativeHistogram
from flashmm_backends.naming import series_id

RUN = "01999999-0000-7000-8000-000000000001"


def labels(name: str, **rest: str) -> Labels:
    """A label set."""
    return tuple(sorted({"__name__": name, **rest}.items()))


def meta(each: Labels, kind: str = "gauge") -> SeriesMeta:
    """A series with these labels."""
    return SeriesMeta(series_id(each), each, kind, "1", "help")


def points(*samples: tuple[Labels, int, float], kind: str = "gauge", series: bool = True) -> Batch:
    """Samples, with the series they belong to."""
    ids = np.array([series_id(each) for each, _, _ in samples], np.uint64)
    times = np.array([time for _, time, _ in samples], np.int64)
    values = np.array([value for _, _, value in samples], np.float64)
    metas = [meta(each, kind) for each in dict.fromkeys(each for each, _, _ in samples)] if series else []
    return Batch(0, series=metas, points=Points(ids, times, values))


def histogram(count: float) -> NativeHistogram:
    """A histogram with one bucket."""
    none = Buckets(0, np.empty(0))
    return NativeHistogram(3, 2.0**-128, 0.0, count, 1.5 * count, Buckets(4, np.array([count])), none)


def histograms(*samples: tuple[Labels, int, NativeHistogram]) -> Batch:
    """Histogram samples, with their series."""
    metas = [meta(each, "histogram") for each in dict.fromkeys(each for each, _, _ in samples)]
    columns = HistogramPoints(
        [series_id(each) for each, _, _ in samples], [time for _, time, _ in samples], [h for _, _, h in samples]
    )
    return Batch(0, series=metas, histograms=columns)


def transfer(seq: int, time_ns: int, *, run: str = RUN, **fields: EventValue) -> Event:
    """A small event."""
    values = {"venue": "binance", "transfer_id": f"t{seq}", "amount": Decimal("0.10"), "currency": "USDT", **fields}
    return event("flashmm.transfer", seq, time_ns, values, run=run)


def event(kind: str, seq: int, time_ns: int, fields: Mapping[str, EventValue], *, run: str = RUN) -> Event:
    """Any event."""
    return Event(kind, time_ns, run, seq, "maker-1", "main", b"\x01" * 16, b"\x02" * 8, fields)


def mark(seq: int, time_ns: int, kind: str, high_water: int, *, run: str = RUN) -> Event:
    """A high-water mark."""
    return event("flashmm.stream", seq, time_ns, {"mark": "mark", "kind": kind, "high_water": high_water}, run=run)


def events(*each: Event) -> Batch:
    """A batch of events."""
    return Batch(0, events=each)


def span(trace: int, number: int, name: str, start_ns: int, **attributes: object) -> Span:
    """A span; number 1 is its trace's root. Attribute names have dots for double underscores."""
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    parent = b"" if number == 1 else bytes(7) + b"\x01"
    ids = (trace.to_bytes(16, "big"), number.to_bytes(8, "big"), parent)
    return Span(*ids, name, 1, start_ns, start_ns + 1_000, 0, "", 7, "scope", named)


def spans(*each: Span) -> Batch:
    """A batch of spans."""
    return Batch(0, spans=each)


def samples_of(selection: "object") -> Sequence[object]:
    """A selection as plain values: (labels, [(ms, value), …])."""
    s = selection
    return [
        (each, list(zip(s.times_ms[a:b].tolist(), s.values[a:b].tolist(), strict=True)))  # type: ignore[attr-defined]
        for each, a, b in zip(s.labels, s.offsets[:-1], s.offsets[1:], strict=True)  # type: ignore[attr-defined]
    ]
