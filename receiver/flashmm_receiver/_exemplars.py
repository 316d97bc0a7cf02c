"""Exemplars as Prometheus stores them."""

from typing import Final

from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar as WireExemplar

from flashmm_backends.batch import Exemplar, Labels
from flashmm_backends.naming import attribute_text
from flashmm_backends.otlp import python_value

_RUNES_MAX: Final = 128
"""OpenMetrics' limit on an exemplar's labels, the ids included."""


def exemplar(series_id: int, time_ms: int, point: WireExemplar) -> Exemplar | None:
    """time_ms: the data point's, used where the exemplar has none. None where it carries no value."""
    kind = point.WhichOneof("value")
    if kind is None:
        return None
    return Exemplar(
        series_id=series_id,
        time_ms=point.time_unix_nano // 1_000_000 or time_ms,
        value=float(getattr(point, kind)),
        trace_id=_identifier(point.trace_id),
        span_id=_identifier(point.span_id),
        labels=_labels(point),
    )


def _identifier(raw: bytes) -> bytes:
    return raw if raw.strip(b"\0") else b""


def _labels(point: WireExemplar) -> Labels:
    pairs = [(item.key, attribute_text(python_value(item.value))) for item in point.filtered_attributes]
    ids = (("trace_id", point.trace_id), ("span_id", point.span_id))
    runes = sum(len(name) + 2 * len(raw) for name, raw in ids if _identifier(raw))
    runes += sum(len(name) + len(text) for name, text in pairs)
    return tuple(sorted(pair for pair in pairs if pair[1])) if runes <= _RUNES_MAX else ()
