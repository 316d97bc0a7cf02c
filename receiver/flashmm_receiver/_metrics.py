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
from flashmm_receiver._layouts import Layouts
from flashmm_receiver._points import DOUBLE, HEAD_BYTES, INT, NO_START, START, packed_slot
from flashmm_receiver._slices import POINTS, RECORDS, Slicer
from flashmm_receiver._walk import MetricWalker, parsed_request
from flashmm_receiver._wire import Unusual, fields, length_at
from flashmm_receiver.errors import Malformed, TooLarge

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
_ABSENT_BYTES: Final = HEAD_BYTES - _SHORT_HEAD_BYTES


class MetricsReader:
    """Reads requests into jobs."""

    def __init__(self, families: Families, deltas: DeltaSums, record_bytes_max: int) -> None:
        self._families = families
        self._deltas = deltas
        self._walker = MetricWalker(families, deltas)
        self._layouts = Layouts()
        self._record_bytes_max = record_bytes_max
        families.on_clear = self._layouts.clear

    def read(self, data: bytes, now_ns: int, future_ns: int) -> MetricsJob:
        """Read one request. Raises Malformed, TooLarge."""
        job = MetricsJob(now_ns, future_ns)
        layout = self._layouts.match(data)
        if layout is not None:
            layout.fill(job, data)
            return job
        try:
            self._request(job, data)
            job.columns = job.sink.columns()
        except (Unusual, DecodeError, IndexError, AttributesRefused, NameRefused, Malformed, TooLarge):
            self._deltas.take_back(job.deltas)
            return self.walk(data, now_ns, future_ns)
        self._layouts.learn(data, job)
        return job

    def knows(self, data: bytes) -> bool:
        """True where the request is laid out like an earlier one: to read it takes next to nothing."""
        return self._layouts.match(data) is not None

    def walk(self, data: bytes, now_ns: int, future_ns: int) -> MetricsJob:
        """The same by the complete parser. Raises Malformed, TooLarge."""
        job = MetricsJob(now_ns, future_ns)
        try:
            for piece in Slicer(self._record_bytes_max, job.refusals).pieces(data, RECORDS + POINTS):
                self._walker.request(job, parsed_request(piece))
        except (Malformed, TooLarge):
            self._deltas.take_back(job.deltas)
            raise
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
            elif tag != _THIRD or not data[begin:end].isascii():
                raise Unusual("field of ResourceMetrics")
        resource = self._families.resource(encoded or b"")
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
            elif tag != _THIRD or not data[begin:end].isascii():
                raise Unusual("field of ScopeMetrics")
        last: MetricFamily | None = None
        for begin, end in metrics:
            if last is None or last.next is None or not self._guessed(job, last.next, data, begin, end):
                found = self._metric(job, resource, data, begin, end)
                if last is not None and found is not None:
                    last.next = found
                last = found or last
            else:
                last = last.next

    def _guessed(self, job: MetricsJob, family: MetricFamily, data: bytes, start: int, stop: int) -> bool:
        """Read the metric in [start, stop) if it is this one, laid out as it was before."""
        if not data.startswith(family.lead, start, stop):
            return False
        content, end = length_at(data, start + len(family.lead), stop)
        if end + len(family.trail) != stop or not data.endswith(family.trail, start, stop):
            return False
        if not family.surrounds(data, content, end):
            return False
        self._numbers(job, family, data, content, end)
        return True

    def _metric(
        self, job: MetricsJob, resource: ResourceFamily, data: bytes, start: int, stop: int
    ) -> MetricFamily | None:
        """Read a metric; returns it where it is one of numbers."""
        body: tuple[int, int, int] | None = None
        for tag, begin, content, end in fields(data, start, stop):
            if tag in _DATA_TAGS and body is None:
                body = (begin, content, end)
            elif tag not in _HEADER_TAGS:
                raise Unusual("field of Metric")
        if body is None:
            raise Unusual("a metric without data")
        begin, content, end = body
        if data[begin] not in (_GAUGE, _SUM):
            for piece in Slicer(self._record_bytes_max, job.refusals).pieces(data[start:stop], POINTS):
                self._walker.metric(job, resource, Metric.FromString(piece))
            return None
        lead, trail = data[start : begin + 1], data[end:stop]
        key = lead + trail + bytes([len(trail) & 0xFF])
        family = resource.metrics.get(key)
        if family is None or not family.surrounds(data, content, end):
            family = self._family(job, resource, data[content:end], lead, trail)
            resource.metrics[key] = family
        self._numbers(job, family, data, content, end)
        return family

    def _numbers(self, job: MetricsJob, family: MetricFamily, data: bytes, start: int, stop: int) -> None:
        """The points of one gauge or sum in [start, stop)."""
        job.begin(family)
        start, stop = start + len(family.prefix), stop - len(family.tail)
        if family.is_delta:
            self._walk_points(job, family, data, start, stop)
        else:
            self._points(job, family, data, start, stop)

    def _family(
        self, job: MetricsJob, resource: ResourceFamily, body: bytes, lead: bytes, trail: bytes
    ) -> MetricFamily:
        prefix, tail = _surroundings(body)
        family = self._walker.family(job, resource, _without_points(lead, prefix + tail, trail))
        if family is None:
            raise Unusual("a metric to be refused")
        return replace(family, lead=lead, trail=trail, prefix=prefix, tail=tail, next=None)

    def _walk_points(self, job: MetricsJob, family: MetricFamily, data: bytes, pos: int, stop: int) -> None:
        for tag, _, begin, end in fields(data, pos, stop):
            if tag != _FIRST:
                raise Unusual("field between data points")
            self._walker.point(job, family, NumberDataPoint.FromString(data[begin:end]))

    def _points(self, job: MetricsJob, family: MetricFamily, data: bytes, pos: int, stop: int) -> None:
        known = family.packed_slots.get
        add_head, add_slot, add_position = job.sink.heads.append, job.sink.slots.append, job.positions.append
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
            elif size < _SHORT_HEAD_BYTES:
                self._walk_point(job, family, data[pos - size : pos])
                continue
            else:
                head = NO_START + data[start : start + _SHORT_HEAD_BYTES]
                key = data[start + _SHORT_HEAD_BYTES : pos]
                start -= _ABSENT_BYTES
            slot = known(key)
            if slot is None:
                slot = self._new(job, family, key, data[pos - size : pos])
                if slot is None:
                    continue
            add_head(head)
            add_slot(slot)
            add_position(start)
        if pos != stop:
            raise Unusual("cut off")
        job.wire_points += len(job.sink.slots) - job.walked_samples - samples_before

    def _new(self, job: MetricsJob, family: MetricFamily, key: bytes, encoded: bytes) -> bytes | None:
        """The packed slot of a point whose attributes are new; None where the walker took or refused the point."""
        if not _is_plain(encoded, key):
            self._walk_point(job, family, encoded)
            return None
        point = NumberDataPoint.FromString(encoded)
        if job.time_refused(family, point.time_unix_nano):
            job.wire_points += 1
            return None
        try:
            slot = family.number_slot(point.attributes, job.refusals, job.now_ns)
        except Refused:
            job.wire_points += 1
            return None
        family.remember(key, packed_slot(slot))
        return family.packed_slots[key]

    def _walk_point(self, job: MetricsJob, family: MetricFamily, encoded: bytes) -> None:
        samples_before = len(job.sink.slots)
        self._walker.point(job, family, NumberDataPoint.FromString(encoded))
        job.walked_samples += len(job.sink.slots) - samples_before


def _is_plain(encoded: bytes, key: bytes) -> bool:
    """True where a point is a head of two or three fixed fields, then attributes and nothing else."""
    if len(encoded) - len(key) not in (_SHORT_HEAD_BYTES, HEAD_BYTES):
        return False
    try:
        return all(tag == _ATTRIBUTES for tag, _, _, _ in fields(key, 0, len(key)))
    except Unusual:
        return False


def _without_points(lead: bytes, scalars: bytes, trail: bytes) -> Metric:
    if len(scalars) > _SCALARS_BYTES_MAX:
        raise Unusual("many scalar fields")
    return Metric.FromString(b"".join((lead, bytes([len(scalars)]), scalars, trail)))


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
