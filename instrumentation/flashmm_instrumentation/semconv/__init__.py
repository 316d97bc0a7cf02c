"""The names registry: the only place where an attribute, a metric or an event is named.

Everything that writes or reads telemetry imports its names from here, and the reference page is generated from it.
"""

from flashmm_instrumentation.semconv import attributes, events, metrics
from flashmm_instrumentation.semconv.events import EVENT_KINDS, EventKind, Field, FieldType
from flashmm_instrumentation.semconv.metrics import METRICS, Instrument, Metric

__all__ = [
    "EVENT_KINDS",
    "METRICS",
    "EventKind",
    "Field",
    "FieldType",
    "Instrument",
    "Metric",
    "attributes",
    "events",
    "metrics",
]
