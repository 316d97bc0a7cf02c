"""The hot path of metrics: number data points read from the wire by hand.

A point's encoded attributes are the key that leads to its series, so names and labels are translated once. Its
times and its value are fixed 64-bit fields at its begin; they are only cut out here, and read as columns at the end.
What isn't a plain number point goes to the walker, alone; a request that isn't laid out as expected goes there whole.
Both orders of fields that exist are read: by number (protobuf's own libraries) and backwards (the Collector).
"""

from dataclasses import replace
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

from flashmm_backends.naming import NameRefused
from flashmm_receiver._attributes import AttributesRefused
from flashmm_receiver._delta import DeltaSums
from flashmm_receiver._families import Families, MetricFamily, Refused, ResourceFamily
from flashmm_receiver._job import MetricsJob
from flashmm_receiver._points import DOUBLE, HEAD_BYTES, INT, NO_START, START, packed_slot
from flashmm_receiver._walk import MetricWalker, parsed_request
from flashmm_receiver._wire import Unusual, fields, length_at
from flashmm_receiver.errors import Malformed

_FIRST: Final = 0x0A
_SECOND: Final = 0x12
_THIRD: Final = 0x1A
_GAUGE: Final = 0x2A
_SUM: Final = 0x3A
_ATTRIBUTES: Final = 0x3A
_METADATA: Final = 0x62
_HEADER_TAGS: Final = frozenset({_FIRST, _SECOND, _THIRD, _METADATA})
_DATA_TAGS: Final = frozenset({_GAUGE, _SUM, 0x4A, 0x52, 0x5A})
_SCALARS: Final = frozenset({0x10, 0x18})
"""Temporality and monotony."""
_SCALARS_BYTES_MAX: Final = 8
_THIRD_OF_HEAD: Final = frozenset({DOUBLE, INT, START})
_SHORT_HEAD_BYTES: Final = 18


class MetricsReader:
    """Reads requests into jobs."""

    def __init__(self, families: Families, deltas: DeltaSums) -> None:
        self._families = families
        self._deltas = deltas
        self._walker = MetricWalker(families, deltas)

    def read(self, data: bytes, now_ns: int, future_ns: int) -> MetricsJob:
        """Read one request. Raises Malformed."""
        job = MetricsJob(now_ns, future_ns)
        try:
            self._request(job, data)
            job.columns = job.sink.columns()
        except (Unusual, DecodeError, IndexError, AttributesRefused, NameRefused):
            self._deltas.take_back(job.deltas)
            return self.walk(data, now_ns, future_ns)
        return job

    def walk(self, data: bytes, now_ns: int, future_ns: int) -> MetricsJob:
        """The same by the complete parser. Raises Malformed."""
        request = parsed_request(data)
        if request is None:
            raise Malformed("the body is not an OTLP ExportMetricsServiceRequest in protobuf")
        job = MetricsJob(now_ns, future_ns)
        self._walker.request(job, request)
        job.columns = job.sink.columns()
        return job

    def _request(self, job: MetricsJob, data: bytes) -> None:
        for tag, _, start, stop in fields(data, 0, len(data)):
            if tag != _FIRST:
                raise Unusual("field of a request")
            self._resource(job, data, start, stop)

    def _resource(self, job: MetricsJob, data: bytes, start: int, stop: int) -> None:
        encoded: bytes | None = None
        scopes: list[tuple[int, int]] = []
        for tag, _, begin, end in fields(data, start, stop):
            if tag == _SECOND:
                scopes.append((begin, end))
            elif tag == _FIRST and encoded is None:
                encoded = data[begin:end]
            elif tag != _THIRD:
                raise Unusual("field of ResourceMetrics")
        resource = self._families.resource(encoded or b"", job.refusals)
        for begin, end in scopes:
            self._scope(job, resource, data, begin, end)

    def _scope(self, job: MetricsJob, resource: ResourceFamily, data: bytes, start: int, stop: int) -> None:
        metrics: list[tuple[int, int]] = []
        scope_seen = False
        for tag, _, begin, end in fields(data, start, stop):
            if tag == _SECOND:
                metrics.append((begin, end))
            elif tag == _FIRST and not scope_seen:
                self._families.check_scope(resource, data[begin:end])
                scope_seen = True
            elif tag != _THIRD:
                raise Unusual("field of ScopeMetrics")
        for begin, end in metrics:
            self._metric(job, resource, data, begin, end)

    def _metric(self, job: MetricsJob, resource: ResourceFamily, data: bytes, start: int, stop: int) -> None:
        body: tuple[int, int, int] | None = None
        for tag, begin, content, end in fields(data, start, stop):
            if tag in _DATA_TAGS and body is None:
                body = (begin, content, end)
            elif tag not in _HEADER_TAGS:
                raise Unusual("field of Metric")
        if body is None:
            return
        begin, content, end = body
        if data[begin] in (_GAUGE, _SUM):
            header = data[start:begin] + data[end:stop] + data[begin : begin + 1]
            self._numbers(job, resource, data, content, end, header)
        else:
            self._walker.metric(job, resource, Metric.FromString(data[start:stop]))

    def _numbers(
        self, job: MetricsJob, resource: ResourceFamily, data: bytes, start: int, stop: int, header: bytes
    ) -> None:
        """The points of one gauge or sum in [start, stop). header: the metric's other fields, and its data's tag."""
        family = resource.metrics.get(header)
        if family is None or not family.surrounds(data, start, stop):
            family = self._family(job, resource, data[start:stop], header)
        job.begin(family)
        start, stop = start + len(family.prefix), stop - len(family.tail)
        if family.is_delta:
            self._walk_points(job, family, data, start, stop)
        else:
            self._points(job, family, data, start, stop)

    def _family(self, job: MetricsJob, resource: ResourceFamily, body: bytes, header: bytes) -> MetricFamily:
        prefix, tail = _surroundings(body)
        family = self._walker.family(job, resource, _without_points(header, prefix + tail))
        if family is None:
            raise Unusual("a metric to be refused")
        family = replace(family, prefix=prefix, tail=tail)
        resource.metrics[header] = family
        return family

    def _walk_points(self, job: MetricsJob, family: MetricFamily, data: bytes, pos: int, stop: int) -> None:
        for tag, _, begin, end in fields(data, pos, stop):
            if tag != _FIRST:
                raise Unusual("field between data points")
            self._walker.point(job, family, NumberDataPoint.FromString(data[begin:end]))

    def _points(self, job: MetricsJob, family: MetricFamily, data: bytes, pos: int, stop: int) -> None:
        known = family.packed_slots.get
        add_head, add_slot = job.sink.heads.append, job.sink.slots.append
        samples_before = len(job.sink.slots) - job.walked_samples
        while pos < stop:
            if data[pos] != _FIRST:
                raise Unusual("field between data points")
            size = data[pos + 1]
            start = pos + 2
            if size > 0x7F:
                size = (size & 0x7F) | (data[start] << 7)
                start += 1
                if size > 0x3FFF:
                    raise Unusual("a data point of 16 kB")
            pos = start + size
            if size >= HEAD_BYTES and data[start + _SHORT_HEAD_BYTES] in _THIRD_OF_HEAD:
                head = data[start : start + HEAD_BYTES]
                key = data[start + HEAD_BYTES : pos]
            else:
                head = NO_START + data[start : start + _SHORT_HEAD_BYTES]
                key = data[start + _SHORT_HEAD_BYTES : pos]
            slot = known(key)
            if slot is None:
                slot = self._new(job, family, key, data[start:pos])
                if slot is None:
                    continue
            add_head(head)
            add_slot(slot)
        if pos != stop:
            raise Unusual("cut off")
        job.wire_points += len(job.sink.slots) - job.walked_samples - samples_before

    def _new(self, job: MetricsJob, family: MetricFamily, key: bytes, encoded: bytes) -> bytes | None:
        """The packed slot of a point whose attributes are new; None where the walker took or refused the point."""
        point = NumberDataPoint.FromString(encoded)
        if not _is_plain(encoded, key):
            samples_before = len(job.sink.slots)
            self._walker.point(job, family, point)
            job.walked_samples += len(job.sink.slots) - samples_before
            return None
        try:
            slot = family.family(point.attributes, job.refusals).slot(job.refusals, job.now_ns)
        except Refused:
            job.wire_points += 1
            return None
        family.remember(key, packed_slot(slot))
        return family.packed_slots[key]


def _is_plain(encoded: bytes, key: bytes) -> bool:
    """True where a point is a head of two or three fixed fields, then attributes and nothing else."""
    if len(encoded) - len(key) not in (_SHORT_HEAD_BYTES, HEAD_BYTES):
        return False
    try:
        return all(tag == _ATTRIBUTES for tag, _, _, _ in fields(key, 0, len(key)))
    except Unusual:
        return False


def _without_points(header: bytes, scalars: bytes) -> Metric:
    if len(scalars) > _SCALARS_BYTES_MAX:
        raise Unusual("many scalar fields")
    return Metric.FromString(b"".join((header, bytes([len(scalars)]), scalars)))


def _surroundings(body: bytes) -> tuple[bytes, bytes]:
    """What comes before the first point of a gauge or sum, and what comes after the last."""
    start = _scalars_end(body, 0)
    stop = start
    while stop < len(body) and body[stop] == _FIRST:
        stop = length_at(body, stop + 1, len(body))[1]
    if _scalars_end(body, stop) != len(body):
        raise Unusual("field of Gauge or Sum")
    return body[:start], body[stop:]


def _scalars_end(body: bytes, pos: int) -> int:
    """Where the one-byte scalar fields that begin at pos end."""
    while pos + 1 < len(body) and body[pos] in _SCALARS and body[pos + 1] < 0x80:
        pos += 2
    return pos
