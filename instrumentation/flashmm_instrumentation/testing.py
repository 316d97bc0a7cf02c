"""For tests of a bot: a clock set by hand, seeded ids, and everything that was emitted, in memory.

::

    with capture() as captured:
        market = captured.bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
        captured.clock.advance(seconds=1)
        assert [event.kind for event in captured.events()] == ["flashmm.stream", "flashmm.instrument"]
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import (
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from flashmm_instrumentation._assembly import Parts, assemble
from flashmm_instrumentation._bot import Bot
from flashmm_instrumentation._exporters import Exporters
from flashmm_instrumentation._extras import Extras, Wanted
from flashmm_instrumentation._flow import Flow
from flashmm_instrumentation._identity import Identity
from flashmm_instrumentation.semconv import attributes as attr

START_NS: Final = 1_700_000_000_000_000_000
"""Where the manual clock begins: 2023-11-14T22:13:20Z."""


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """UTC nanoseconds."""
        return self._now_ns

    def advance(self, *, ns: int = 0, ms: int = 0, seconds: int = 0) -> int:
        """Move the clock (backwards with negative numbers) and return the new time."""
        self._now_ns += ns + ms * 1_000_000 + seconds * 1_000_000_000
        return self._now_ns


class SeededIds(IdGenerator):
    """Span and trace ids from a seeded source."""

    def __init__(self, source: Random) -> None:
        self._source = source

    def generate_span_id(self) -> int:
        return self._source.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._source.getrandbits(128) or 1


class InMemoryMetricExporter(MetricExporter):
    """Keeps the last collection."""

    def __init__(self) -> None:
        super().__init__()
        self.last: MetricsData | None = None

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 the exporter interface's, as below
        **_kwargs: object,
    ) -> MetricExportResult:
        self.last = metrics_data
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: object) -> None:  # noqa: ARG002
        return


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """One event as it left. run is the resource's."""

    kind: str
    time_ns: int
    seq: int
    run: str
    body: Mapping[str, object]
    trace_id: int
    span_id: int


@dataclass(frozen=True, slots=True)
class CapturedSpan:
    """One span as it left. links: the linked spans' (trace id, span id)."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    attributes: Mapping[str, object]
    status: str
    links: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Capture:
    """A bot whose telemetry stays in memory. Ask after the fact; asking flushes."""

    bot: Bot
    clock: ManualClock
    _spans: InMemorySpanExporter
    _metrics: InMemoryMetricExporter
    _logs: InMemoryLogRecordExporter
    _events: InMemoryLogRecordExporter

    def events(self, kind: str | None = None) -> list[CapturedEvent]:
        """All events so far, or those of one kind, in order."""
        self._flush()
        events = [_event(record) for record in self._events.get_finished_logs()]
        return [event for event in events if kind in (None, event.kind)]

    def spans(self) -> list[CapturedSpan]:
        """All finished spans so far, in the order in which they ended."""
        self._flush()
        return [_span(span) for span in self._spans.get_finished_spans()]

    def logs(self) -> list[ReadableLogRecord]:
        """Records of Python's logging."""
        self._flush()
        return list(self._logs.get_finished_logs())

    def metrics(self) -> dict[str, Metric]:
        """The current value of every metric, by name."""
        self._flush()
        found = self._metrics.last
        if found is None:
            return {}
        scopes = (scope for resource in found.resource_metrics for scope in resource.scope_metrics)
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def resource(self) -> Resource:
        """The resource that everything carries."""
        self._flush()
        return self._events.get_finished_logs()[0].resource

    def _flush(self) -> None:
        if not self.bot.closed:
            self.bot.flush()

    def tick(self, *, seconds: int = 1) -> None:
        """Let seconds pass one by one, with what the bot does in each."""
        for _ in range(seconds):
            self.clock.advance(seconds=1)
            self.bot.tick()


@dataclass(frozen=True, slots=True)
class _Memory:
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    metrics: InMemoryMetricExporter = field(default_factory=InMemoryMetricExporter)
    logs: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)
    events: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)

    def exporters(self) -> Exporters:
        return Exporters(self.spans, self.metrics, self.logs, self.events)


@contextmanager
def capture(
    *,
    seed: int = 1,
    strict: bool = True,
    clock: ManualClock | None = None,
    state_dir: Path | None = None,
    logging_level: int | None = None,
    flow: Flow | None = None,
) -> Generator[Capture]:
    """A bot named `test` that emits into memory, without threads; strict: misuse and failures raise."""
    clock = clock or ManualClock()
    memory = _Memory()
    source = Random(seed)  # noqa: S311 ids of tests
    flow = flow or Flow(threaded=False)
    parts = Parts(memory.exporters, clock, source, flow, SeededIds(source), strict)
    who = Identity("test", "test-account", "test", None, attr.NAMESPACE)
    bot = assemble(who, parts, Extras(Wanted(logging_level)), state_dir)
    with bot:
        yield Capture(bot, clock, memory.spans, memory.metrics, memory.logs, memory.events)


def _event(record: ReadableLogRecord) -> CapturedEvent:
    log, attributes = record.log_record, record.log_record.attributes or {}
    assert isinstance(log.body, Mapping), "an event's body is a map"
    return CapturedEvent(
        kind=log.event_name or "",
        time_ns=log.timestamp or 0,
        seq=int(str(attributes.get(attr.SEQ, 0))),
        run=str(record.resource.attributes.get(attr.RUN)),
        body=dict(log.body),
        trace_id=log.trace_id,
        span_id=log.span_id,
    )


def _span(span: ReadableSpan) -> CapturedSpan:
    context = span.get_span_context()
    assert context is not None, "a finished span has a context"
    return CapturedSpan(
        name=span.name,
        trace_id=context.trace_id,
        span_id=context.span_id,
        parent_id=span.parent.span_id if span.parent is not None else None,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        attributes=dict(span.attributes or {}),
        status=span.status.status_code.name,
        links=tuple((link.context.trace_id, link.context.span_id) for link in span.links),
    )
