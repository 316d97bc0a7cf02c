"""From batches to one journal entry: numbering series, dropping what is stored already, checking that all fits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from numpy.typing import NDArray

from flashmm_backends.batch import Batch, Event, SeriesMeta
from flashmm_backends.histogram_codec import encode
from flashmm_backends.ledger._journal import Entry, Samples, joined
from flashmm_backends.ledger._json import to_json
from flashmm_backends.ledger._labels import MISSING, Ids, SeriesIndex
from flashmm_backends.ledger._rows import Row, event_row, exemplar_row, log_row, span_row
from flashmm_backends.ledger._runs import Mark, mark_of_run
from flashmm_backends.ledger._streams import Stream, Streams
from flashmm_backends.ledger._tables import EVENT_TABLES, EXEMPLARS, LOGS, SPANS
from flashmm_backends.ports import BatchRefused
from flashmm_instrumentation.semconv import events as kinds

SERIES = "series"
RESOURCES = "resources"

_NUMBERED_MAX: Final = 4
"""Series that may be numbered, sleeping ones among them, for each that may be awake."""


Recall = Callable[[Ids], Sequence[tuple[int, SeriesMeta]]]


@dataclass(slots=True)
class Known:
    """What the store has already: staging adds to it, and takes back what a failed commit did not keep.

    recall: stored series by number.
    """

    index: SeriesIndex
    streams: Streams
    resources: set[str]
    series_max: int
    recall: Recall


@dataclass(slots=True)
class Staged:
    """One batch, ready for the journal."""

    rows: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])
    points: Samples | None = None
    histograms: Samples | None = None
    new_series: list[int] = field(default_factory=list[int])
    new_events: list[tuple[Stream, int]] = field(default_factory=list[tuple[Stream, int]])
    new_resources: list[str] = field(default_factory=list[str])
    marks: list[tuple[Stream, int]] = field(default_factory=list[tuple[Stream, int]])
    run_marks: list[Mark] = field(default_factory=list[Mark])
    duplicates: int = 0


def stage(batch: Batch, known: Known) -> Staged:
    """The batch as rows and samples. Raises BatchRefused, Unavailable, and then leaves `known` as it was."""
    staged = Staged()
    try:
        _stage_series(batch, known, staged)
        _stage_samples(batch, known, staged)
        _stage_rows(batch, known, staged)
    except BaseException:
        unstage(staged, known)
        raise
    return staged


def unstage(staged: Staged, known: Known) -> None:
    """Forget what staging had noted as known."""
    known.index.drop_last(len(staged.new_series))
    for stream, seq in staged.new_events:
        known.streams.discard(stream, seq)
    known.resources.difference_update(staged.new_resources)


def confirm(staged: Staged, known: Known) -> None:
    """The batch is durable: note what only durable events may say."""
    for stream, high_water in staged.marks:
        known.streams.mark(stream, high_water)
    for mark in staged.run_marks:
        known.streams.runs.note(mark)
    known.streams.hear(_runs_in(staged))


def _runs_in(staged: Staged) -> set[str]:
    named = {mark.previous_run for mark in staged.run_marks if mark.previous_run}
    return named | {run for (run, _), _ in staged.new_events}


def merged(batches: Sequence[Staged]) -> Entry:
    """Batches as one entry, in order."""
    rows: dict[str, list[Row]] = {}
    for staged in batches:
        for table, each in staged.rows.items():
            rows.setdefault(table, []).extend(each)
    points = [staged.points for staged in batches if staged.points is not None]
    histograms = [staged.histograms for staged in batches if staged.histograms is not None]
    return Entry(rows, joined(points), joined(histograms, histograms=True))


def _stage_series(batch: Batch, known: Known, staged: Staged) -> None:
    if not batch.series:
        return
    found = known.index.find(np.array([meta.id for meta in batch.series], np.uint64))
    new = {meta.id: meta for meta, number in zip(batch.series, found.tolist(), strict=True) if number == MISSING}
    _check_room(known, len(new))
    if known.index.numbered + len(new) > _NUMBERED_MAX * known.series_max:
        raise BatchRefused("series_limit", f"{known.index.numbered} series were stored since the start")
    # Neighbours by label get neighbouring numbers, so that a metric's samples lie together on disk.
    for meta in sorted(new.values(), key=lambda meta: meta.labels):
        number = known.index.add(meta)
        staged.new_series.append(number)
        staged.rows.setdefault(SERIES, []).append(series_row(number, meta))


def _check_room(known: Known, more: int) -> None:
    if len(known.index) + more > known.series_max:
        raise BatchRefused("series_limit", f"{known.series_max} series are stored and no more are allowed")


def series_row(number: int, meta: SeriesMeta) -> Row:
    """A series in the order of its table's columns."""
    return [number, f"{meta.id:016x}", orjson.dumps(meta.labels).decode(), meta.type, meta.unit, meta.help]


def series_of(row: Sequence[Any]) -> tuple[int, SeriesMeta]:
    """The series of such a row, and its number."""
    number, hash_, labels, *texts = row
    pairs = tuple((name, value) for name, value in orjson.loads(labels))
    return number, SeriesMeta(int(hash_, 16), pairs, *texts)


def _stage_samples(batch: Batch, known: Known, staged: Staged) -> None:
    points = batch.points
    if len(points.series_id):
        time_ms = np.ascontiguousarray(points.time_ms, np.int64)
        value = np.ascontiguousarray(points.value, np.float64)
        staged.points = Samples(_numbers(known, points.series_id), time_ms, value)
    if len(batch.histograms.series_id):
        numbers = _numbers(known, np.array(batch.histograms.series_id, np.uint64))
        blobs = np.empty(len(numbers), object)
        blobs[:] = [encode(histogram) for histogram in batch.histograms.histogram]
        staged.histograms = Samples(numbers, np.array(batch.histograms.time_ms, np.int64), blobs)


def _numbers(known: Known, hashes: npt.NDArray[np.uint64]) -> NDArray[np.uint32]:
    numbers = known.index.find(hashes)
    if (numbers == MISSING).any():
        unknown = int(hashes[np.flatnonzero(numbers == MISSING)[0]])
        raise BatchRefused("unknown_series", f"no batch has described series {unknown:016x}")
    asleep = known.index.asleep(numbers)
    if len(asleep):
        _check_room(known, len(asleep))
        for number, meta in known.recall(asleep):
            known.index.wake(number, meta)
    return numbers


def _stage_rows(batch: Batch, known: Known, staged: Staged) -> None:
    for event in batch.events:
        _stage_event(event, known, staged)
    rows = staged.rows
    if batch.spans:
        rows[SPANS.name] = [span_row(span) for span in batch.spans]
    if batch.logs:
        rows[LOGS.name] = [log_row(log) for log in batch.logs]
    if batch.exemplars:
        ids = _numbers(known, np.array([exemplar.series_id for exemplar in batch.exemplars], np.uint64))
        pairs = zip(batch.exemplars, ids.tolist(), strict=True)
        rows[EXEMPLARS.name] = [exemplar_row(exemplar, number) for exemplar, number in pairs]
    for resource in batch.resources:
        name = f"{resource.id:016x}"
        if name not in known.resources:
            known.resources.add(name)
            staged.new_resources.append(name)
            rows.setdefault(RESOURCES, []).append([name, to_json(resource.attributes)])


def _stage_event(event: Event, known: Known, staged: Staged) -> None:
    row = event_row(event)
    stream = event.run, event.kind
    if not known.streams.add(stream, event.seq):
        staged.duplicates += 1
        return
    staged.new_events.append((stream, event.seq))
    staged.rows.setdefault(EVENT_TABLES[event.kind].name, []).append(row)
    if event.kind == kinds.STREAM.name:
        staged.run_marks.append(mark_of_run({**event.fields, "run": event.run, "time_ns": event.time_ns}))
        if mark := mark_of(event.run, event.fields):
            staged.marks.append(mark)


def mark_of(run: str, fields: Mapping[str, object]) -> tuple[Stream, int] | None:
    """What a stream mark says: (run, kind) and how far that stream went; None in `open`."""
    kind, high_water = fields.get("kind"), fields.get("high_water")
    return ((run, kind), high_water) if isinstance(kind, str) and isinstance(high_water, int) else None
