"""What `doctor` sends: one metric, one span, one line of log, one event, each to be found again by its own name.

The event is the one mark of a stream that begins and ends with it, so that it counts in no figure and leaves the
completeness of every window whole.
"""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import events

METRIC: Final = "flashmm.doctor.probe"
SERIES: Final = "flashmm_doctor_probe"
SERVICE: Final = attr.PROBE
_INFO: Final = 9

Request = ExportMetricsServiceRequest | ExportTraceServiceRequest | ExportLogsServiceRequest


@dataclass(frozen=True, slots=True)
class Probe:
    """Records that nobody else sends. now_ns: their time."""

    now_ns: int
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    run: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def order_id(self) -> str:
        """What the span says it belongs to, so that the traces port finds it."""
        return f"doctor-{self.name}"

    def requests(self) -> Mapping[str, Request]:
        """OTLP's three, by signal."""
        return {"metrics": self._metrics(), "traces": self._traces(), "logs": self._logs()}

    def _metrics(self) -> ExportMetricsServiceRequest:
        request = ExportMetricsServiceRequest()
        group = request.resource_metrics.add(resource=self._resource())
        metric = group.scope_metrics.add().metrics.add(name=METRIC)
        metric.gauge.data_points.add(as_int=1, time_unix_nano=self.now_ns, attributes=_pairs({"probe": self.name}))
        return request

    def _traces(self) -> ExportTraceServiceRequest:
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add(resource=self._resource())
        group.scope_spans.add().spans.add(
            trace_id=self.trace_id,
            span_id=secrets.token_bytes(8),
            name=SERVICE,
            start_time_unix_nano=self.now_ns,
            end_time_unix_nano=self.now_ns,
            attributes=_pairs({attr.ORDER_ID: self.order_id}),
        )
        return request

    def _logs(self) -> ExportLogsServiceRequest:
        request = ExportLogsServiceRequest()
        records = request.resource_logs.add(resource=self._resource()).scope_logs.add().log_records
        records.append(self._record(body=AnyValue(string_value=f"{METRIC} {self.name}")))
        mark = {"mark": "close", "kind": events.STREAM.name, "high_water": 1}
        records.append(
            self._record(
                event_name=events.STREAM.name,
                attributes=_pairs({attr.EVENT_NAME: events.STREAM.name, attr.SEQ: 1}),
                body=AnyValue(kvlist_value=KeyValueList(values=_pairs(mark))),
            )
        )
        return request

    def _record(self, **more: object) -> LogRecord:
        times = {"time_unix_nano": self.now_ns, "observed_time_unix_nano": self.now_ns}
        return LogRecord(severity_number=_INFO, **times, **more)  # pyright: ignore[reportArgumentType] - its fields

    def _resource(self) -> Resource:
        who = {attr.SERVICE_NAME: SERVICE, attr.SERVICE_NAMESPACE: attr.NAMESPACE, attr.RUN: self.run}
        return Resource(attributes=_pairs({**who, attr.BOT: SERVICE, attr.ACCOUNT: SERVICE}))


def _pairs(values: Mapping[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=each) if isinstance(each, int) else AnyValue(string_value=each))
        for key, each in values.items()
    ]
