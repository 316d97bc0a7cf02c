"""Metric families as a receiver knows them: from the bytes that describe a series to its slot.

Three caches, one within the other: resource bytes → metric header bytes → attribute bytes. What they hold can be
made again at any time, so they are simply emptied when they grow beyond a bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from flashmm_backends.batch import Labels, SeriesMeta
from flashmm_backends.naming import (
    MetricKind,
    NameRefused,
    ResourceLabels,
    attribute_labels,
    decimal_text,
    prometheus_name,
    resource_labels,
    series_id,
    series_labels,
    target_info_labels,
    unit_name,
)
from flashmm_backends.otlp import python_value, python_values
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_receiver._attributes import AttributeLimits, AttributesRefused
from flashmm_receiver._refusals import Refusals
from flashmm_receiver._series import NoPlace, SeriesTable
from flashmm_receiver._wire import Unusual

_CACHED_BYTES_PER_SERIES: Final = 1024
_SERIES_REFUSALS_MAX: Final = 1000
"""After so many series too many, the rest of a request's unknown ones are refused without a look: looking takes
fifty times as long as the request took to send."""
_TOO_MANY: Final = ("series", "series_quota", "series_reserve")
"""Reasons for which a series finds no place."""
OWN_PREFIX: Final = "flashmm."
_OWNER_CHARS_MAX: Final = 200
_ENTRY_BYTES: Final = 300
"""About what a cache entry needs beside its key."""


class Refused(Exception):
    """Data points are refused; what is to be said was said to the Refusals."""


@dataclass(slots=True)
class SeriesFamily:
    """The series of one metric and one attribute set: one for a number, many for a histogram."""

    metric: "MetricFamily"
    attributes: dict[str, str]
    slots: dict[tuple[str, float], int] = field(default_factory=dict[tuple[str, float], int])

    def slot(self, refusals: Refusals, now_ns: int, suffix: str = "", label: str = "", bound: float = 0.0) -> int:
        """Slot of the series with that suffix and, where label is given, that `le` or `quantile`. Raises Refused."""
        slot = self.slots.get((suffix, bound))
        if slot is None:
            extra = {label: decimal_text(bound)} if label else {}
            slot = self.metric.new_slot(self.attributes, suffix, extra, refusals, now_ns)
            self.slots[suffix, bound] = slot
        return slot


@dataclass(slots=True)
class MetricFamily:
    """One metric of one resource, translated."""

    families: "Families"
    resource: "ResourceFamily"
    name: str
    kind: MetricKind
    unit: str
    help: str
    is_delta: bool = False
    otlp_name: str = ""
    lead: bytes = b""
    """Encoded fields of the metric before its gauge or sum, and the tag of that, where the hot path reads it."""
    trail: bytes = b""
    """The same after it."""
    prefix: bytes = b""
    """Encoded fields of the gauge or sum before its points, where the hot path reads it."""
    tail: bytes = b""
    """The same after them."""
    next: "MetricFamily | None" = None
    """The metric that followed this one the last time: probably it will again."""
    packed_slots: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    """By the encoded attributes of a number data point."""
    series: dict[bytes, SeriesFamily] = field(default_factory=dict[bytes, SeriesFamily])

    def surrounds(self, data: bytes, start: int, stop: int) -> bool:
        """True where [start, stop) begins and ends as this metric's points are surrounded."""
        tail = self.tail
        return data.startswith(self.prefix, start, stop) and (not tail or data.endswith(tail, start, stop))

    def remember(self, encoded: bytes, packed_slot: bytes) -> None:
        """Cache the slot of these encoded attributes."""
        self.packed_slots[encoded] = packed_slot
        self.families.grew_by(len(encoded) + _ENTRY_BYTES)

    def number_slot(self, attributes: Sequence[KeyValue], refusals: Refusals, now_ns: int) -> int:
        """The slot of a number with these attributes. Raises Refused."""
        return self.new_slot(self._labels(attributes, refusals), "", {}, refusals, now_ns)

    def family(self, attributes: Sequence[KeyValue], refusals: Refusals) -> SeriesFamily:
        """The series with these attributes. Raises Refused."""
        key = b"".join(item.SerializeToString() for item in attributes)
        found = self.series.get(key)
        if found is None:
            found = SeriesFamily(self, self._labels(attributes, refusals))
            self.series[key] = found
            self.families.grew_by(len(key) + 2 * _ENTRY_BYTES)
        return found

    def _labels(self, attributes: Sequence[KeyValue], refusals: Refusals) -> dict[str, str]:
        for reason in _TOO_MANY:
            if refusals.by_reason[reason] >= _SERIES_REFUSALS_MAX:
                refusals.add(reason, "")
                raise Refused
        try:
            self.families.limits.check(attributes)
            return attribute_labels((item.key, python_value(item.value)) for item in attributes)
        except AttributesRefused as error:
            refusals.add(error.reason, f"metric {self.otlp_name!r}: {error}")
            raise Refused from None
        except NameRefused as error:
            refusals.add("name", f"metric {self.otlp_name!r}: attribute {error}")
            raise Refused from None

    def new_slot(
        self, attributes: dict[str, str], suffix: str, extra: dict[str, str], refusals: Refusals, now_ns: int
    ) -> int:
        """Slot of a series that no cache knows. Raises Refused when there are too many series."""
        labels = series_labels(self.name + suffix, attributes, self.resource.labels, **extra)
        meta = SeriesMeta(series_id(labels), labels, self.kind.family_type, self.unit, self.help)
        try:
            return self.families.table.slot(meta, self.resource.owner, now_ns, own_metric=self.is_own)
        except NoPlace as error:
            refusals.add(error.reason, f"metric {self.otlp_name!r}: {error}: use fewer labels")
            raise Refused from None

    @property
    def is_own(self) -> bool:
        """Whether it is a metric of market making, for which places are kept."""
        return self.otlp_name.startswith(OWN_PREFIX)


@dataclass(slots=True)
class ResourceFamily:
    """One resource: the labels that it adds, its metrics, its target_info."""

    labels: ResourceLabels
    target_labels: Labels | None
    owner: str
    """Whose series these are: the bot's where there is one, else the job's."""
    target_slot: int | None = None
    metrics: dict[bytes, MetricFamily] = field(default_factory=dict[bytes, MetricFamily])
    scopes: set[bytes] = field(default_factory=set[bytes])
    """Encoded scopes that were found valid."""


class Families:
    """The caches, and the table that they lead to."""

    def __init__(self, table: SeriesTable, limits: AttributeLimits, series_max: int) -> None:
        self.table = table
        self.limits = limits
        self.on_clear: Callable[[], None] = lambda: None
        self.on_evict: Callable[[Sequence[int]], None] = lambda _slots: None
        self._resources: dict[bytes, ResourceFamily] = {}
        self._bytes = 0
        self._bytes_max = (series_max + 64) * _CACHED_BYTES_PER_SERIES

    def grew_by(self, size: int) -> None:
        """Account for what was cached, in bytes."""
        self._bytes += size

    def trim(self) -> None:
        """Empty the caches if they have outgrown their bound. Call between requests only."""
        if self._bytes > self._bytes_max:
            self.clear()

    def clear(self) -> None:
        """Empty the caches."""
        self._resources.clear()
        self.on_clear()
        self._bytes = 0

    def make_room(self, now_ns: int) -> None:
        """Evict idle series when there is no place. Call between requests only."""
        if self.table.crowded and (gone := self.table.evict_idle(now_ns)):
            self.on_evict(gone)
            self.clear()

    def resource(self, encoded: bytes) -> ResourceFamily:
        """The resource with this encoding. Raises DecodeError, AttributesRefused, NameRefused."""
        found = self._resources.get(encoded)
        if found is None:
            attributes = Resource.FromString(encoded).attributes
            self.limits.check(attributes)
            found = _resource_family(attributes)
            self._resources[encoded] = found
            self.grew_by(len(encoded) + 4 * _ENTRY_BYTES)
        return found

    def check_scope(self, resource: ResourceFamily, encoded: bytes) -> None:
        """Raise Unusual unless the scope is valid."""
        if encoded not in resource.scopes:
            try:
                self.limits.check(InstrumentationScope.FromString(encoded).attributes)
            except (DecodeError, AttributesRefused) as error:
                raise Unusual("scope") from error
            resource.scopes.add(encoded)
            self.grew_by(len(encoded) + _ENTRY_BYTES)

    def metric(
        self,
        resource: ResourceFamily,
        key: bytes,
        name: str,
        unit: str,
        text: str,
        kind: MetricKind,
        *,
        is_delta: bool,
    ) -> MetricFamily:
        """The metric under this key, translated now if it is new. Raises NameRefused."""
        found = resource.metrics.get(key)
        if found is None:
            translated = prometheus_name(name, unit, kind)
            found = MetricFamily(self, resource, translated, kind, unit_name(unit), text, is_delta, name)
            resource.metrics[key] = found
            self.grew_by(len(key) + 3 * _ENTRY_BYTES)
        return found


def _resource_family(attributes: Sequence[KeyValue]) -> ResourceFamily:
    values = python_values(attributes)
    labels = resource_labels(values)
    try:
        target_labels = target_info_labels(values)
    except NameRefused:  # its series are none of the sender's points: they lack it, as in Prometheus
        target_labels = None
    owner = values.get(attr.BOT) or labels.identity.get("job", "")
    return ResourceFamily(labels, target_labels, str(owner)[:_OWNER_CHARS_MAX])
