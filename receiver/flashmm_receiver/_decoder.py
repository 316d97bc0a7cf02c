"""From request bytes to a batch: reading, refusing, deduplicating. No I/O, no loop."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Batch, Event, HistogramPoints, Points, SeriesMeta, Span
from flashmm_backends.naming import series_id, target_info_times_ms
from flashmm_receiver._attributes import AttributeLimits
from flashmm_receiver._bounds import check_messages
from flashmm_receiver._decoded import Decoded, Keys, keys_of, span_key
from flashmm_receiver._dedup import RecentKeys, Streams
from flashmm_receiver._delta import DeltaSums
from flashmm_receiver._families import Families, ResourceFamily
from flashmm_receiver._job import MetricsJob, NativePoint, PointExemplar
from flashmm_receiver._logs import LogsReader
from flashmm_receiver._metrics import MetricsReader
from flashmm_receiver._points import PointColumns
from flashmm_receiver._resources import Resources
from flashmm_receiver._series import NoPlace, SeriesLimits, SeriesTable
from flashmm_receiver._spans import SpansReader
from flashmm_receiver.settings import ReceiverSettings

_T = TypeVar("_T")
_NS: Final = 1_000_000_000
_MS_NS: Final = 1_000_000
_LIGHT_BYTES: Final = 16_384
"""Empty log records, the worst of this size, take some 20 ms."""
_LIGHT_LAYOUT_BYTES: Final = 1 << 20


class Signal(StrEnum):
    """The three signals of OTLP."""

    METRICS = "metrics"
    TRACES = "traces"
    LOGS = "logs"


class Decoder:
    """Reads requests of all signals against what was received before.

    seqs: the event numbers already stored, by stream (run, kind).
    """

    def __init__(self, settings: ReceiverSettings, seqs: Mapping[tuple[str, str], Sequence[tuple[int, int]]]) -> None:
        limits = AttributeLimits(settings.attributes_max, settings.attribute_bytes_max)
        self._messages_max = settings.messages_max
        self._future_ns = int(settings.future_s_max * _NS)
        places = SeriesLimits.shared(settings.series_max, settings.series_share_max, settings.series_reserved_share)
        self.series = SeriesTable(places, int(settings.series_idle_s * _NS))
        self.deltas = DeltaSums()
        self.families = Families(self.series, limits, settings.series_max)
        self.families.on_evict = self.deltas.forget
        self._metrics = MetricsReader(self.families, self.deltas, settings.record_bytes_max)
        self._resources = Resources(limits)
        self._spans = SpansReader(self._resources, limits, settings.record_bytes_max)
        self._logs = LogsReader(self._resources, limits, settings.record_bytes_max)
        self._recent_spans = RecentKeys(settings.recent_spans_max)
        self._streams = Streams(settings.streams_max, seqs)
        self.unknown_fields = 0

    def is_light(self, signal: Signal, data: bytes) -> bool:
        """True where decoding takes a few milliseconds at most, whatever the bytes are."""
        if len(data) <= _LIGHT_BYTES:
            return True
        return signal is Signal.METRICS and len(data) <= _LIGHT_LAYOUT_BYTES and self._metrics.knows(data)

    def decode(self, signal: Signal, data: bytes, now_ns: int) -> Decoded:
        """Decode one request. Raises Malformed, TooLarge; then nothing is remembered."""
        check_messages(data, self._messages_max, metrics=signal is Signal.METRICS)
        if signal is Signal.METRICS:
            return self._decode_metrics(data, now_ns)
        return self._decode_spans(data, now_ns) if signal is Signal.TRACES else self._decode_logs(data, now_ns)

    def _decode_metrics(self, data: bytes, now_ns: int) -> Decoded:
        self.families.make_room(now_ns)
        self.families.trim()
        job = self._metrics.read(data, now_ns, now_ns + self._future_ns)
        return MetricsAdmission(self.series, self.deltas, job).decoded()

    def _decode_spans(self, data: bytes, now_ns: int) -> Decoded:
        job = self._spans.read(data, now_ns, now_ns + self._future_ns)
        spans, repeated = _divided(job.spans, lambda span: self._recent_spans.add(span_key(span)))
        batch = Batch(now_ns, resources=list(job.resources.values()), spans=spans) if spans else None
        return Decoded(
            job.refusals,
            batch,
            {"spans": len(spans)},
            {"spans": len(repeated)},
            keys_of(Batch(now_ns, spans=repeated)),
            forget=[partial(self._forget_spans, spans)],
        )

    def _forget_spans(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._recent_spans.remove(span_key(span))

    def _decode_logs(self, data: bytes, now_ns: int) -> Decoded:
        job = self._logs.read(data, now_ns, now_ns + self._future_ns)
        self.unknown_fields += job.unknown_fields
        events, repeated = _divided(job.events, lambda event: self._streams.add((event.run, event.kind), event.seq))
        batch = Batch(now_ns, resources=list(job.resources.values()), logs=job.logs, events=events)
        return Decoded(
            job.refusals,
            batch if events or job.logs else None,
            {"events": len(events), "logs": len(job.logs)},
            {"events": len(repeated)},
            keys_of(Batch(now_ns, events=repeated)),
            forget=[partial(self._forget_events, events)],
        )

    def _forget_events(self, events: Sequence[Event]) -> None:
        for event in events:
            self._streams.remove((event.run, event.kind), event.seq)


def _divided(items: Iterable[_T], is_new: Callable[[_T], bool]) -> tuple[list[_T], list[_T]]:
    """Those that are new, and the others."""
    new: list[_T] = []
    others: list[_T] = []
    for item in items:
        (new if is_new(item) else others).append(item)
    return new, others


class MetricsAdmission:
    """What of one metrics request is new."""

    def __init__(self, series: SeriesTable, deltas: DeltaSums, job: MetricsJob) -> None:
        self._series = series
        self._deltas = deltas
        self._job = job
        self._forget: list[Callable[[], None]] = [partial(deltas.take_back, job.deltas)]
        self._duplicates = len(job.repeated)
        self._dropped: set[tuple[int, int]] = set()
        """Slots and milliseconds of duplicates."""

    def decoded(self) -> Decoded:
        """Admit all points and make the batch."""
        columns = self._with_good_times()
        times_ms = columns.times_ms
        new = self._admit(columns.slots, times_ms)
        slots, values = columns.slots, columns.values
        if new is not None:
            slots, times_ms, values = slots[new], times_ms[new], values[new]
        natives = self._new_natives()
        native_slots = np.array([point.slot for point in natives], np.int32)
        unsaved = self._series.unsaved_among(np.concatenate((slots, native_slots)) if natives else slots)
        batch = Batch(
            self._job.now_ns,
            series=unsaved,
            points=Points(self._series.ids[slots], times_ms, values),
            histograms=self._histogram_points(natives),
            exemplars=[item.exemplar for item in self._job.exemplars if not self._is_dropped(item)],
        )
        count = len(slots) + len(natives)
        return Decoded(
            self._job.refusals,
            batch if count else None,
            {"points": count},
            {"points": self._duplicates},
            self._repeated(),
            stored=[partial(self._series.confirm, unsaved)],
            forget=self._forget,
        )

    def _admit(self, slots: npt.NDArray[np.int32], times_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
        """Admit points; what is not stored later is forgotten again. None where all are new."""
        new = self._series.admit(slots, times_ms, self._job.now_ns)
        if new is None:
            self._forget.append(partial(self._series.forget, slots, times_ms))
            return None
        self._forget.append(partial(self._series.forget, slots[new], times_ms[new]))
        self._duplicates += int((~new).sum())
        self._dropped.update(zip(slots[~new].tolist(), times_ms[~new].tolist(), strict=True))
        return new

    def _repeated(self) -> Keys:
        return {(int(self._series.ids[slot]), time_ms) for slot, time_ms in self._dropped.union(self._job.repeated)}

    def _is_dropped(self, item: PointExemplar) -> bool:
        return (item.slot, item.time_ms) in self._dropped

    def _with_good_times(self) -> PointColumns:
        """The float points whose times are accepted, with those of target_info added."""
        columns, job = self._job.columns, self._job
        good: npt.NDArray[np.bool_] | None = (columns.times_ns > 0) & (columns.times_ns <= job.future_ns)
        if good.all():
            good = None
        spans = job.spans_ns(columns.times_ns, good)
        if good is not None:
            for i in np.flatnonzero(~good).tolist():
                job.refuse_time(job.metric_of(i), int(columns.times_ns[i]))
            columns = columns.where(good)
        return self._with_target_info(columns, spans)

    def _with_target_info(
        self, columns: PointColumns, spans: Sequence[tuple[ResourceFamily, int, int]]
    ) -> PointColumns:
        slots: list[int] = []
        times_ms: list[int] = []
        for resource, low, high in spans:
            slot = self._target_slot(resource)
            if slot is not None:
                here = target_info_times_ms(low, high)
                times_ms += here
                slots += [slot] * len(here)
        return PointColumns(
            np.concatenate((columns.slots, np.array(slots, np.int32))),
            np.concatenate((columns.times_ns, np.array(times_ms, np.uint64) * np.uint64(_MS_NS))),
            np.concatenate((columns.values, np.ones(len(slots)))),
        )

    def _target_slot(self, resource: ResourceFamily) -> int | None:
        if resource.target_slot is None and resource.target_labels is not None:
            labels = resource.target_labels
            meta = SeriesMeta(series_id(labels), labels, "info", "", "")
            with contextlib.suppress(NoPlace):  # its points have told
                resource.target_slot = self._series.slot(meta, resource.owner, self._job.now_ns)
        return resource.target_slot

    def _new_natives(self) -> Sequence[NativePoint]:
        natives = self._job.natives
        if not natives:
            return ()
        slots = np.array([point.slot for point in natives], np.int32)
        times_ms = np.array([point.time_ns // _MS_NS for point in natives], np.int64)
        new = self._admit(slots, times_ms)
        return natives if new is None else [point for point, is_new in zip(natives, new, strict=True) if is_new]

    def _histogram_points(self, natives: Sequence[NativePoint]) -> HistogramPoints:
        return HistogramPoints(
            [int(self._series.ids[point.slot]) for point in natives],
            [point.time_ns // _MS_NS for point in natives],
            [point.histogram for point in natives],
        )
