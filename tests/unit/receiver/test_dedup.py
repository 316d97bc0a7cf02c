"""What was delivered before is recognised, within bounds, and forgotten where it could not be stored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.unit.receiver.otlp import (
    MS,
    NOW_NS,
    any_value,
    attributes,
    counter,
    gauge,
    logs_request,
    metrics_request,
    number,
    traces_request,
)

from flashmm_backends.batch import Labels, SeriesMeta
from flashmm_backends.naming import series_id
from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoded import Decoded, keys_of
from flashmm_receiver._decoder import Decoder, Signal
from flashmm_receiver._dedup import RecentKeys, Streams
from flashmm_receiver._series import NoPlace, SeriesLimits, SeriesTable


def test_streams_begin_from_the_store() -> None:
    """What the store has is a duplicate after a restart; the least used stream is forgotten first."""
    streams = Streams(2, {("r", "k"): [(1, 5)]})
    assert not streams.add(("r", "k"), 5)
    assert streams.add(("r", "k"), 6)
    assert streams.add(("s", "k"), 1)
    assert streams.add(("t", "k"), 1)
    assert streams.add(("r", "k"), 6)


def test_gaps_of_a_stream_are_bounded() -> None:
    """A sender that leaves every other number out takes bounded memory: the oldest are forgotten."""
    streams, stream = Streams(2, {}), ("r", "k")
    for seq in range(0, 20_000, 2):
        streams.add(stream, seq)
    assert not streams.add(stream, 20_000 - 2 * 4096)
    assert streams.add(stream, 20_000 - 2 * 4097)


def test_recent_keys_are_bounded() -> None:
    """The last half of the limit at least is remembered, the limit at most."""
    recent = RecentKeys(10)
    keys = [bytes([k]) for k in range(100)]
    assert all(recent.add(key) for key in keys)
    assert not any(recent.add(key) for key in keys[-5:])
    assert recent.add(keys[0])
    recent.remove(keys[-1])
    assert recent.add(keys[-1])


def _labels(k: int) -> Labels:
    return (("__name__", f"m{k}"),)


def _table(count: int, limit: int = 10) -> SeriesTable:
    table = SeriesTable(SeriesLimits(limit, limit), idle_ns=1000)
    for k in range(count):
        assert _slot(table, k) == k
    return table


def _slot(table: SeriesTable, k: int) -> int:
    return table.slot(SeriesMeta(series_id(_labels(k)), _labels(k), "gauge", "", ""), "owner", 0)


def _admit(table: SeriesTable, points: list[tuple[int, int]], now_ns: int = 0) -> list[bool]:
    slots, times = np.array([p[0] for p in points], np.int32), np.array([p[1] for p in points], np.int64)
    new = table.admit(slots, times, now_ns)
    return [True] * len(points) if new is None else new.tolist()


points = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=8), max_size=6)


@given(points)
def test_points_are_admitted_once(batches: list[list[tuple[int, int]]]) -> None:
    """Of eight times a series all are remembered: each (series, millisecond) is new once, in a request too."""
    table, seen = _table(4), set[tuple[int, int]]()
    for batch in batches:
        expected = []
        for point in batch:
            expected.append(point not in seen)
            seen.add(point)
        assert _admit(table, batch) == expected


@given(points)
def test_forgotten_points_are_new_again(batches: list[list[tuple[int, int]]]) -> None:
    """A request that could not be stored leaves no trace."""
    table = _table(4)
    _admit(table, [(0, 3), (1, 5)])
    for batch in batches:
        new = _admit(table, batch)
        taken = [point for point, is_new in zip(batch, new, strict=True) if is_new]
        table.forget(np.array([p[0] for p in taken], np.int32), np.array([p[1] for p in taken], np.int64))
        assert _admit(table, [(0, 3), (1, 5)]) == [False, False]
        again = _admit(table, batch)
        assert again == new
        table.forget(np.array([p[0] for p in taken], np.int32), np.array([p[1] for p in taken], np.int64))


def test_old_points_leave_room() -> None:
    """More than eight points back a redelivery is the store's to resolve."""
    table = _table(1)
    for time_ms in range(20):
        assert _admit(table, [(0, time_ms)]) == [True]
    assert _admit(table, [(0, 15)]) == [False]
    assert _admit(table, [(0, 2)]) == [True]


def test_idle_series_give_up_their_slots() -> None:
    """A full table makes room from those silent for long, and only from those."""
    table = _table(3, limit=3)
    assert table.crowded
    with pytest.raises(NoPlace, match="series_max"):
        _slot(table, 9)
    _admit(table, [(1, 1)], now_ns=5000)
    assert table.evict_idle(5500) == [0, 2]
    assert table.evict_idle(5501) == []
    assert _slot(table, 9) in (0, 2)
    assert _slot(table, 1) == 1
    assert len(table) == 2


def test_series_are_named_until_they_are_stored() -> None:
    """Metadata comes with every batch until one that had it is durable."""
    table = _table(2)
    slots = np.array([0, 1, 1], np.int32)
    metas = table.unsaved_among(slots)
    assert [meta.labels for meta in metas] == [_labels(0), _labels(1)]
    table.confirm(metas[:1])
    assert [meta.labels for meta in table.unsaved_among(slots)] == [_labels(1)]


REQUESTS = {
    Signal.METRICS: metrics_request(gauge("g", number(1.0)), counter("c", number(2, start=1), temporality=1)),
    Signal.TRACES: traces_request(
        Span(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=1, end_time_unix_nano=2)
    ),
    Signal.LOGS: logs_request(
        LogRecord(
            event_name="flashmm.stream",
            time_unix_nano=NOW_NS,
            body=any_value({"mark": "open"}),
            attributes=attributes({"flashmm.seq": 1}),
        ),
        resource={"flashmm.run": "r"},
    ),
}


@pytest.mark.parametrize("signal", Signal)
def test_redelivery_has_no_effect(signal: Signal) -> None:
    """The same request again holds nothing new; after a failure it is new again."""
    decoder = Decoder(ReceiverSettings(), {})
    body = REQUESTS[signal].SerializeToString()

    def decode() -> Decoded:
        return decoder.decode(signal, body, NOW_NS)

    first, second = decode(), decode()
    assert first.batch is not None
    assert second.batch is None
    assert second.repeated
    assert second.repeated == keys_of(first.batch)
    for step in first.forget:
        step()
    third = decode()
    assert third.batch is not None
    assert third.accepted == first.accepted
    assert third.batch.points.value.tolist() == first.batch.points.value.tolist()


def test_a_later_delta_keeps_what_it_added_up() -> None:
    """Where a request fails after a later one was added to its sum, the sum stands."""
    decoder = Decoder(ReceiverSettings(), {})

    def decode(value: int, at: int) -> Decoded:
        request = metrics_request(counter("c", number(value, at=at, start=1), temporality=1), resource={})
        return decoder.decode(Signal.METRICS, request.SerializeToString(), NOW_NS)

    first, second = decode(5, NOW_NS), decode(3, NOW_NS + MS)
    for step in first.forget:
        step()
    third = decode(1, NOW_NS + 2 * MS)
    assert second.batch is not None
    assert third.batch is not None
    assert (second.batch.points.value.tolist(), third.batch.points.value.tolist()) == ([8.0], [9.0])
