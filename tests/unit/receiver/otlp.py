"""OTLP requests for tests, and encoders that write them in other valid ways."""

import random
from collections.abc import Callable, Sequence

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

NOW_NS = 1_790_000_000_000_000_000
MS = 1_000_000
CUMULATIVE, DELTA = 2, 1


def any_value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, dict):
        message = AnyValue()
        message.kvlist_value.SetInParent()
        message.kvlist_value.values.extend(attributes(value))
        return message
    if isinstance(value, list):
        message = AnyValue()
        message.array_value.SetInParent()
        message.array_value.values.extend(any_value(item) for item in value)
        return message
    return AnyValue()


def attributes(values: dict[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


RESOURCE: dict[str, object] = {"service.name": "maker", "service.instance.id": "1"}


def metrics_request(*metrics: Metric, resource: dict[str, object] | None = None) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    message = request.resource_metrics.add()
    message.resource.attributes.extend(attributes(RESOURCE if resource is None else resource))
    scope = message.scope_metrics.add()
    scope.scope.name = "test"
    scope.metrics.extend(metrics)
    return request


def number(value: float, *, at: int = NOW_NS, start: int = 0, flags: int = 0, **labels: object) -> NumberDataPoint:
    point = NumberDataPoint(time_unix_nano=at, start_time_unix_nano=start, flags=flags, attributes=attributes(labels))
    if isinstance(value, int):
        point.as_int = value
    else:
        point.as_double = value
    return point


def gauge(name: str, *points: NumberDataPoint, unit: str = "") -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.gauge.data_points.extend(points)
    return metric


def counter(
    name: str, *points: NumberDataPoint, temporality: int = CUMULATIVE, monotonic: bool = True, unit: str = ""
) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.sum.aggregation_temporality = temporality
    metric.sum.is_monotonic = monotonic
    metric.sum.data_points.extend(points)
    return metric


def logs_request(*records: Message, resource: dict[str, object] | None = None) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    message = request.resource_logs.add()
    message.resource.attributes.extend(attributes(resource or RESOURCE))
    message.scope_logs.add().log_records.extend(records)
    return request


def traces_request(*spans: Message) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    message = request.resource_spans.add()
    message.resource.attributes.extend(attributes(RESOURCE))
    message.scope_spans.add().spans.extend(spans)
    return request


Placed = tuple[int, bytes]
"""An encoded field and its place in the message's declaration."""
Order = Callable[[list[Placed]], list[Placed]]


def by_number(fields: list[Placed]) -> list[Placed]:
    return fields


def as_the_collector(fields: list[Placed]) -> list[Placed]:
    """Its pdata library writes from the last declared field to the first."""
    return sorted(fields, reverse=True)


def shuffled(seed: int) -> Order:
    chance = random.Random(seed)
    return lambda fields: chance.sample(fields, len(fields))


def encoded(message: Message, order: Order, unknown: Sequence[bytes] = ()) -> bytes:
    """The message, each level's fields in that order; repeated fields keep theirs. unknown: fields to add."""
    groups = [
        (field.index, _field_group(message, field, value, order, unknown)) for field, value in message.ListFields()
    ]
    extra = [(99, field) for field in unknown]
    return b"".join(field for _, field in order([*groups, *extra]))


def _field_group(message, field, value, order: Order, unknown: Sequence[bytes]) -> bytes:
    if field.message_type is None:
        alone = type(message)()
        if field.is_repeated:
            getattr(alone, field.name).extend(value)
        else:
            setattr(alone, field.name, value)
        return alone.SerializeToString()
    items = value if field.is_repeated else [value]
    return b"".join(_delimited(field.number, encoded(item, order, unknown)) for item in items)


def _delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
