"""OTLP log records: the registry's events, and what people read."""

from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as WireRecord
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs

from flashmm_backends.batch import Event, LogRecord, Resource
from flashmm_backends.otlp import python_value, python_values
from flashmm_receiver._attributes import AttributeLimits, AttributesRefused
from flashmm_receiver._events import EventRefused, EventSource, event_kind, read_event
from flashmm_receiver._refusals import Refusals
from flashmm_receiver._resources import Resources
from flashmm_receiver._slices import RECORDS, Slicer
from flashmm_receiver.errors import Malformed


@dataclass(slots=True)
class LogsJob:
    """What one logs request holds."""

    now_ns: int
    future_ns: int
    refusals: Refusals = field(default_factory=Refusals)
    resources: dict[int, Resource] = field(default_factory=dict[int, Resource])
    logs: list[LogRecord] = field(default_factory=list[LogRecord])
    events: list[Event] = field(default_factory=list[Event])
    unknown_fields: int = 0


@dataclass(frozen=True, slots=True)
class _Context:
    """What the records of one scope share."""

    resource: Resource
    source: EventSource
    scope: str


class LogsReader:
    """Reads logs requests."""

    def __init__(self, resources: Resources, limits: AttributeLimits, record_bytes_max: int) -> None:
        self._resources = resources
        self._limits = limits
        self._record_bytes_max = record_bytes_max

    def read(self, data: bytes, now_ns: int, future_ns: int) -> LogsJob:
        """Read one request. Raises Malformed, TooLarge."""
        job = LogsJob(now_ns, future_ns)
        for piece in Slicer(self._record_bytes_max, job.refusals).pieces(data, RECORDS):
            for message in _parsed(piece).resource_logs:
                self._resource(job, message)
        return job

    def _resource(self, job: LogsJob, message: ResourceLogs) -> None:
        try:
            resource = self._resources.get(message.resource)
        except AttributesRefused as error:
            count = sum(len(scope.log_records) for scope in message.scope_logs)
            job.refusals.add(error.reason, f"resource: {error}", count)
            return
        source = EventSource.of(resource.attributes)
        for scope in message.scope_logs:
            context = _Context(resource, source, scope.scope.name)
            for record in scope.log_records:
                self._record(job, record, context)

    def _record(self, job: LogsJob, record: WireRecord, context: _Context) -> None:
        kind = event_kind(record)
        what = kind.name if kind else "log record"
        try:
            self._limits.check(record.attributes)
            if max(record.time_unix_nano, record.observed_time_unix_nano) > job.future_ns:
                job.refusals.add("time_future", f"{what}: its time is ahead of this clock: set yours")
            elif kind is None:
                self._log(job, record, context)
            elif not record.time_unix_nano:
                job.refusals.add("time_zero", f"{what}: time_unix_nano is 0: set it")
            else:
                read = read_event(kind, record, context.source)
                job.events.append(read.event)
                job.unknown_fields += read.unknown_fields
        except AttributesRefused as error:
            job.refusals.add(error.reason, f"{what}: {error}")
        except EventRefused as error:
            job.refusals.add(error.reason, str(error))

    def _log(self, job: LogsJob, record: WireRecord, context: _Context) -> None:
        job.resources[context.resource.id] = context.resource
        observed_ns = record.observed_time_unix_nano or job.now_ns
        job.logs.append(
            LogRecord(
                time_ns=record.time_unix_nano or observed_ns,
                observed_ns=observed_ns,
                severity=record.severity_number,
                severity_text=record.severity_text,
                body=python_value(record.body),
                resource_id=context.resource.id,
                scope=context.scope,
                event_name=record.event_name,
                attributes=python_values(record.attributes),
                trace_id=record.trace_id,
                span_id=record.span_id,
            )
        )


def _parsed(data: bytes) -> ExportLogsServiceRequest:
    try:
        return ExportLogsServiceRequest.FromString(data)
    except DecodeError:
        raise Malformed("the body is not an OTLP ExportLogsServiceRequest in protobuf") from None
