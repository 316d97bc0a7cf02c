"""Where the pumps empty: the stock exporters, asked in a context in which they are not instrumented themselves."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, cast

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LogRecordLimits, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import TraceFlags

from flashmm_instrumentation._answers import TAKEN, UNCLEAR, Answer, Verdict
from flashmm_instrumentation._boundary import Boundary
from flashmm_instrumentation._listening import is_overheard, listening
from flashmm_instrumentation._pump import Pump
from flashmm_instrumentation._streams import EventRecord
from flashmm_instrumentation.semconv import attributes as attr

SCOPE: Final = InstrumentationScope("flashmm_instrumentation", "0.1.0")
_UNSENDABLE: Final = Answer(
    Verdict.SMALLER, "it cannot be encoded", "a value is none that OTLP can carry: see the exporter's log line"
)
"""No door was asked. The record is found in ever smaller batches, and dropped alone."""
_NO_LIMITS: Final = LogRecordLimits(
    LogRecordLimits.UNSET, LogRecordLimits.UNSET, LogRecordLimits.UNSET, LogRecordLimits.UNSET
)


def delivered(boundary: Boundary, export: Callable[[], bool]) -> bool:
    """Whether the export succeeded; an exporter that raises has failed, and its thread goes on."""
    with suppress_instrumentation():
        try:
            return export()
        except Exception as error:  # noqa: BLE001 the boundary: counts, logs once, raises under test
            boundary.caught("export", error)
            return False


def answered(boundary: Boundary, exporter: object, export: Callable[[], bool]) -> Answer:
    """What the peer answered to the export, as far as the exporter lets it be heard."""
    with listening(boundary.outages) as heard:
        taken = delivered(boundary, export)
    unclear = replace(UNCLEAR, door=str(getattr(exporter, "_endpoint", "")))
    return heard.answer or (TAKEN if taken else _UNSENDABLE if is_overheard(exporter) else unclear)


class EventSink:
    """Events as OTLP log records. An event whose place is lost is worse than a late one: see Pump."""

    def __init__(self, exporter: LogRecordExporter, resource: Resource, boundary: Boundary) -> None:
        self._exporter = exporter
        self._resource = resource
        self._boundary = boundary

    def __call__(self, batch: Sequence[EventRecord]) -> Answer:
        return answered(self._boundary, self._exporter, lambda: self._export(batch) is LogRecordExportResult.SUCCESS)

    def _export(self, batch: Sequence[EventRecord]) -> LogRecordExportResult:
        return self._exporter.export([self._readable(event) for event in batch])

    def _readable(self, event: EventRecord) -> ReadableLogRecord:
        record = LogRecord(
            timestamp=event.time_ns,
            observed_timestamp=event.time_ns,
            context=Context(),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body={name: value for name, value in event.body.items() if value is not None},
            attributes={attr.EVENT_NAME: event.kind, attr.SEQ: event.seq},
            event_name=event.kind,
        )
        record.trace_id, record.span_id = event.trace_id, event.span_id
        record.trace_flags = TraceFlags(TraceFlags.SAMPLED if event.trace_id else TraceFlags.DEFAULT)
        return ReadableLogRecord(record, self._resource, SCOPE, _NO_LIMITS)


def span_sink(exporter: SpanExporter, boundary: Boundary) -> Callable[[Sequence[ReadableSpan]], Answer]:
    """Spans to their exporter."""
    return lambda batch: answered(boundary, exporter, lambda: exporter.export(batch) is SpanExportResult.SUCCESS)


def log_sink(exporter: LogRecordExporter, boundary: Boundary) -> Callable[[Sequence[ReadableLogRecord]], Answer]:
    """Log records for people to their exporter."""
    return lambda batch: answered(boundary, exporter, lambda: exporter.export(batch) is LogRecordExportResult.SUCCESS)


class PumpedSpans(SpanProcessor):
    """Finished spans into a pump."""

    def __init__(self, pump: Pump[ReadableSpan]) -> None:
        self._pump = pump

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._pump.offer(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._pump.flush(timeout_millis / 1e3)


class PumpedLogs(LogRecordProcessor):
    """Log records into a pump."""

    def __init__(self, pump: Pump[ReadableLogRecord]) -> None:
        self._pump = pump

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        resource = log_record.resource or Resource.get_empty()
        scope = log_record.instrumentation_scope
        self._pump.offer(ReadableLogRecord(log_record.log_record, resource, scope, log_record.limits))

    def shutdown(self) -> None:
        return

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._pump.flush(timeout_millis / 1e3)


_Export = Callable[[MetricsData, float], MetricExportResult]
_Shutdown = Callable[[float], None]


class CollectedReader(MetricReader):
    """A metric reader without a thread of its own: collect() is called from outside.

    on_export: told the number of points, the seconds it took, and the answer.
    """

    def __init__(
        self,
        exporter: MetricExporter,
        boundary: Boundary,
        timeout_ms: float,
        on_export: Callable[[int, float, Answer], None],
    ) -> None:
        super().__init__(
            # The exporter's preferences, which carry OTEL_EXPORTER_OTLP_METRICS_*, have no public name.
            preferred_temporality=exporter._preferred_temporality,  # pyright: ignore[reportPrivateUsage]
            preferred_aggregation=exporter._preferred_aggregation,  # pyright: ignore[reportPrivateUsage]
        )
        self._exporter = exporter
        self._boundary = boundary
        self._timeout_ms = timeout_ms
        self._on_export = on_export

    # The exporter's **kwargs have no types; the narrowed locals have.

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_kwargs: object) -> None:
        timeout_ms = min(timeout_millis, self._timeout_ms)
        export = cast("_Export", self._exporter.export)  # pyright: ignore[reportUnknownMemberType]
        begin_s = time.perf_counter()
        answer = answered(
            self._boundary,
            self._exporter,
            lambda: export(metrics_data, timeout_ms) is MetricExportResult.SUCCESS,
        )
        self._on_export(_points(metrics_data), time.perf_counter() - begin_s, answer)

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: object) -> None:
        shutdown = cast("_Shutdown", self._exporter.shutdown)  # pyright: ignore[reportUnknownMemberType]
        delivered(self._boundary, lambda: shutdown(timeout_millis) is None)


def _points(data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )
