"""What the receiver hands on: one OTLP request, decoded, typed, translated, in columns.

Metrics arrive here as Prometheus would have stored them (names, labels, cumulative values, milliseconds); see
`flashmm_backends.naming` for the translation. Events and spans keep nanoseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from flashmm_backends.histogram import NativeHistogram

Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by name, `__name__` included, no empty values."""

EventValue = str | int | float | bool | Decimal | None


@dataclass(frozen=True, slots=True)
class SeriesMeta:
    """A series that a batch mentions: its id, labels and metadata.

    id: unsigned 64-bit content hash of the labels (`flashmm_backends.naming.series_id`).
    type: Prometheus metric type of the family: gauge, counter, histogram, summary, info.
    """

    id: int
    labels: Labels
    type: str
    unit: str
    help: str


@dataclass(frozen=True, slots=True)
class Points:
    """Float samples, shape (n,) each, in the order of arrival; of duplicates (series, ms) the first wins."""

    series_id: npt.NDArray[np.uint64]
    time_ms: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HistogramPoints:
    """Native histogram samples: parallel sequences."""

    series_id: Sequence[int]
    time_ms: Sequence[int]
    histogram: Sequence[NativeHistogram]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A sample's link to a trace. Ids are raw bytes, empty where absent."""

    series_id: int
    time_ms: int
    value: float
    trace_id: bytes
    span_id: bytes
    labels: Labels


@dataclass(frozen=True, slots=True)
class Resource:
    """Resource attributes under a content hash, so that records refer to them by number."""

    id: int
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event within a span."""

    name: str
    time_ns: int
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A link from a span to another."""

    trace_id: bytes
    span_id: bytes
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span. Ids are raw bytes (16, 8; parent empty at a root). Status: 0 unset, 1 ok, 2 error.

    service: its resource's `service.name`, for readers; stores find it by the resource.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    status_message: str
    resource_id: int
    scope: str
    attributes: Mapping[str, object]
    events: Sequence[SpanEvent] = ()
    links: Sequence[SpanLink] = ()
    service: str = ""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record for people: anything that is not one of the registry's events."""

    time_ns: int
    observed_ns: int
    severity: int
    severity_text: str
    body: object
    resource_id: int
    scope: str
    event_name: str
    attributes: Mapping[str, object]
    trace_id: bytes
    span_id: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """One typed event. `fields` has exactly the keys of its kind's schema; None where absent."""

    kind: str
    time_ns: int
    run: str
    seq: int
    bot: str
    account: str
    trace_id: bytes
    span_id: bytes
    fields: Mapping[str, EventValue]


def _no_points() -> Points:
    return Points(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything of one request that is to be stored, deduplicated.

    series: those not yet known to be durable; every series id in the points is here or was in an earlier batch.
    received_ns: wall clock of the receiver, for lag metrics.
    """

    received_ns: int
    series: Sequence[SeriesMeta] = ()
    points: Points = field(default_factory=_no_points)
    histograms: HistogramPoints = field(default_factory=lambda: HistogramPoints((), (), ()))
    exemplars: Sequence[Exemplar] = ()
    resources: Sequence[Resource] = ()
    spans: Sequence[Span] = ()
    logs: Sequence[LogRecord] = ()
    events: Sequence[Event] = ()
