"""The stock SDK's providers around our pumps: everything that must be made anew when a process forks."""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Tracer

from flashmm_instrumentation._answers import TAKEN, Answer, Verdict
from flashmm_instrumentation._boundary import Boundary
from flashmm_instrumentation._cardinality import limit_attribute_sets
from flashmm_instrumentation._every import Every
from flashmm_instrumentation._exporters import Exporters
from flashmm_instrumentation._flow import Flow, env_number
from flashmm_instrumentation._instruments import Instruments
from flashmm_instrumentation._pump import Pump, PumpLimits
from flashmm_instrumentation._sdk_metrics import QueueState, SdkMetrics
from flashmm_instrumentation._sinks import (
    SCOPE,
    CollectedReader,
    EventSink,
    PumpedLogs,
    PumpedSpans,
    delivered,
    log_sink,
    span_sink,
)
from flashmm_instrumentation._streams import EventRecord
from flashmm_instrumentation._weights import event_bytes, log_bytes, span_bytes
from flashmm_instrumentation.semconv.attributes import DropReason

T = TypeVar("T")

_METRIC_INTERVAL_MS: Final = 1_000.0


class Pipeline:
    """Pumps, providers and exporters of one process.

    make: builds exporters; called again in a forked child, since no connection survives a fork.
    """

    def __init__(
        self,
        resource: Resource,
        make: Callable[[], Exporters],
        boundary: Boundary,
        flow: Flow,
        ids: IdGenerator | None = None,
    ) -> None:
        self._make = make
        self._boundary = boundary
        self._flow = flow
        self._exporters = make()
        self.events: Final = self._pump("events", "log", self._event_sink(resource), event_bytes, flow.events)
        self._spans: Final = self._pump("spans", "span", self._span_sink(), span_bytes, flow.spans)
        self._logs: Final = self._pump("logs", "log", self._log_sink(), log_bytes, flow.logs)
        self._meter(resource)
        meters = self.meter_provider
        self.tracer_provider: Final = TracerProvider(
            resource=resource, shutdown_on_exit=False, id_generator=ids, meter_provider=meters
        )
        self.tracer_provider.add_span_processor(PumpedSpans(self._spans))
        self.logger_provider: Final = LoggerProvider(resource, shutdown_on_exit=False, meter_provider=meters)
        self.logger_provider.add_log_record_processor(PumpedLogs(self._logs))
        self.tracer: Final[Tracer] = self.tracer_provider.get_tracer(SCOPE.name, SCOPE.version)
        interval_s = env_number("OTEL_METRIC_EXPORT_INTERVAL", _METRIC_INTERVAL_MS) / 1e3
        self._collector = Every("metrics", lambda: interval_s, self.collect) if flow.threaded else None

    def _meter(self, resource: Resource) -> None:
        readers: list[CollectedReader] = []
        if self._exporters.metrics is not None:
            timeout_ms = env_number("OTEL_METRIC_EXPORT_TIMEOUT", 10_000)
            readers.append(
                CollectedReader(self._exporters.metrics, self._boundary, timeout_ms, self._exported_points)
            )
        self._readers = readers
        self.meter_provider = MeterProvider(readers, resource, shutdown_on_exit=False, views=_views())
        limit_attribute_sets(self.meter_provider, self._overflowed)
        meter = self.meter_provider.get_meter(SCOPE.name, SCOPE.version)
        self.instruments = Instruments(meter)
        self._sdk = SdkMetrics(meter, self._queues())
        self.instruments.observe_queue(self.depth, self.lag_s)
        self._boundary.on_misuse = self.instruments.misused
        self._boundary.outages.waiting = self.depth
        self._boundary.on_error = lambda _where: self._dropped(DropReason.INTERNAL_ERROR, 1)

    def _queues(self) -> list[QueueState]:
        pumps = (("events", "log", self.events), ("spans", "span", self._spans), ("logs", "log", self._logs))
        return [QueueState(name, what, partial(_depth, pump), pump.limits.capacity) for name, what, pump in pumps]

    def _pump(
        self,
        name: str,
        what: str,
        sink: Callable[[Sequence[T]], Answer],
        weigh: Callable[[T], int],
        limits: PumpLimits,
    ) -> Pump[T]:
        def dropped(reason: DropReason, records: int) -> None:
            self._dropped(reason, records)
            self._sdk.processed(what, name, records, reason.value)
            if reason is DropReason.CLOSED:
                self._boundary.unsent(name, records)

        def taken(records: int) -> None:
            self._sdk.processed(what, name, records)

        return Pump(name, sink, weigh, dropped, taken, limits, threaded=self._flow.threaded)

    def _dropped(self, reason: DropReason, records: int) -> None:
        self.instruments.dropped(reason, records)
        self._boundary.outages.dropped(records)

    def _overflowed(self, metric: str) -> None:
        self.instruments.overflowed(metric)
        self._boundary.overflowed(metric)

    def _measured(
        self, name: str, what: str, exporter: object, sink: Callable[[Sequence[T]], Answer]
    ) -> Callable[[Sequence[T]], Answer]:
        def export(batch: Sequence[T]) -> Answer:
            begin_s = time.perf_counter()
            answer = sink(batch)
            seconds, taken = time.perf_counter() - begin_s, answer.verdict is Verdict.TAKEN
            self._sdk.exported(what, name, _class(exporter), len(batch), seconds, taken=taken)
            self._boundary.outages.heard(name, answer)
            if answer.final(len(batch)):
                self._boundary.refused(name, answer.door, answer.why, answer.remedy)
            return answer

        return export

    def _exported_points(self, points: int, seconds: float, answer: Answer) -> None:
        exporter, taken = _class(self._exporters.metrics), answer.verdict is Verdict.TAKEN
        self._boundary.outages.heard("metrics", answer)
        self._sdk.exported("metric_data_point", "metrics", exporter, points, seconds, taken=taken)

    def _event_sink(self, resource: Resource) -> Callable[[Sequence[EventRecord]], Answer]:
        exporter = self._exporters.events
        if exporter is None:
            return _nowhere
        return self._measured("events", "log", exporter, EventSink(exporter, resource, self._boundary))

    def _span_sink(self) -> Callable[[Sequence[ReadableSpan]], Answer]:
        exporter = self._exporters.traces
        if exporter is None:
            return _nowhere
        return self._measured("spans", "span", exporter, span_sink(exporter, self._boundary))

    def _log_sink(self) -> Callable[[Sequence[ReadableLogRecord]], Answer]:
        exporter = self._exporters.logs
        if exporter is None:
            return _nowhere
        return self._measured("logs", "log", exporter, log_sink(exporter, self._boundary))

    def restart_in_child(self, resource: Resource) -> None:
        """After a fork: new connections, threads and metrics; the parent keeps what was queued and counted."""
        self._exporters = self._make()
        self.events.restart_in_child(self._event_sink(resource))
        self._spans.restart_in_child(self._span_sink())
        self._logs.restart_in_child(self._log_sink())
        # The SDK replaces a resource after a fork itself, in these methods, but knows nothing of flashmm.run.
        self.tracer_provider._update_resource(resource)  # pyright: ignore[reportPrivateUsage]
        self.logger_provider._update_resource(resource)  # pyright: ignore[reportPrivateUsage]
        self._meter(resource)
        if self._collector is not None:
            self._collector.start()

    def depth(self) -> int:
        """Records waiting, of all signals."""
        return self.events.depth + self._spans.depth + self._logs.depth

    def lag_s(self) -> float:
        """Age of the oldest of them, seconds."""
        return max(self.events.lag_s, self._spans.lag_s, self._logs.lag_s)

    def collect(self) -> None:
        """Export the metrics as they are."""
        for reader in self._readers:
            delivered(self._boundary, lambda reader=reader: reader.collect() is None)

    def flush(self, timeout_s: float) -> bool:
        """Export everything that was recorded, metrics last; True if all records were taken, within timeout_s.

        The threads export and this one waits: the stock exporters wait ten seconds for a silent peer, whatever they
        are told.
        """
        deadline_s = time.monotonic() + timeout_s
        flushed = True
        for pump in (self.events, self._spans, self._logs):
            flushed = pump.flush(max(0.01, deadline_s - time.monotonic())) and flushed
        return self._collect_by(deadline_s) and flushed

    def _collect_by(self, deadline_s: float) -> bool:
        if self._collector is not None:
            return self._collector.now(max(0.01, deadline_s - time.monotonic()))
        self.collect()
        return True

    def close(self, timeout_s: float) -> None:
        """Export what is left, within timeout_s altogether, and close the connections."""
        deadline_s = time.monotonic() + timeout_s
        for pump in (self.events, self._spans, self._logs):
            pump.close(max(0.01, deadline_s - time.monotonic()))
        # Last, so that they tell of what was dropped, and events do not wait for them.
        if self._collector is not None:
            self._collector.stop(max(0.01, deadline_s - time.monotonic()))
        else:
            self.collect()
        delivered(self._boundary, self._shut_down)

    def _shut_down(self) -> bool:
        self.meter_provider.shutdown()
        self.tracer_provider.shutdown()
        self.logger_provider.shutdown()
        for exporter in (self._exporters.events, self._exporters.traces, self._exporters.logs):
            if exporter is not None:
                exporter.shutdown()
        return True


def _nowhere(_batch: Sequence[object]) -> Answer:
    return TAKEN


def _depth(pump: Pump[Any]) -> int:
    return pump.depth


def _class(exporter: object) -> str:
    return f"{type(exporter).__module__}.{type(exporter).__qualname__}"


def _views() -> list[View]:
    wanted = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "")
    if wanted.strip().lower() == "explicit_bucket_histogram":
        return []
    return [View(instrument_type=Histogram, aggregation=ExponentialBucketHistogramAggregation())]
