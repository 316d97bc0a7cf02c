"""What is forgotten, what stands for it, and that the ledger says so."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import (
    RUN,
    events,
    histogram,
    histograms,
    labels,
    mark,
    meta,
    points,
    samples_of,
    transfer,
)
from tests.unit.backends.ledger.conftest import QUIET, START_NS, Clock, Opener

from flashmm_backends.batch import Batch, LogRecord
from flashmm_backends.ledger import Ledger
from flashmm_backends.ledger._journal import Samples
from flashmm_backends.ledger._rollup import rolled_up
from flashmm_backends.ledger._select import ROLLED_UP
from flashmm_backends.ledger.streams import StreamState
from flashmm_backends.ports import BatchRefused, Completeness, Window
from flashmm_backends.promql import Engine, PrometheusApi, PromqlMetrics
from flashmm_backends.promql.source import Matcher, MatchOp

NOW_MS = START_NS // 1_000_000 // 3_600_000 * 3_600_000
HOUR_MS = 3_600_000
A, B = labels("gauge"), labels("total")
EVERYTHING = Matcher("__name__", MatchOp.NE, "")
EVER = Window(0, 2**62)
DAY_NS = 86_400 * 10**9
ALL = (0, 2**62)


def log(time_ns: int) -> LogRecord:
    """A line of a log."""
    return LogRecord(time_ns, time_ns, 9, "", "said", 0, "", "", {}, b"", b"")


async def seal_hours(ledger: Ledger, hours: int) -> None:
    """A gauge and a counter every second for a minute of each hour, sealed one by one."""
    for hour in range(hours):
        times = [NOW_MS + hour * HOUR_MS + i * 1_000 for i in range(60)]
        await ledger.append(points(*((A, time, float(i * 7 % 60)) for i, time in enumerate(times))))
        await ledger.append(points(*((B, time, float(i)) for i, time in enumerate(times)), kind="counter"))
        await ledger.append(histograms(*((labels("h"), time, histogram(i + 1.0)) for i, time in enumerate(times))))
        await ledger.seal()


async def test_telemetry_leaves_after_its_days_and_events_stay(open_ledger: Opener, clock: Clock) -> None:
    """Points are unlinked after 30 days, events only after 400."""
    async with open_ledger() as ledger:
        await ledger.append(points((A, NOW_MS, 1.0)))
        await ledger.seal()
        await ledger.append(events(transfer(1, START_NS)))
        await ledger.maintain()
        clock.forward(31 * 86_400)
        await ledger.append(events(transfer(2, START_NS + 1)))
        await ledger.maintain()
        await ledger.maintain()
        assert ledger.select([EVERYTHING], *ALL).labels == []
        assert ledger.series([EVERYTHING], *ALL) == []
        assert len(await ledger.events("flashmm.transfer", EVER)) == 2
        clock.forward(400 * 86_400)
        await ledger.maintain()
        assert len(await ledger.events("flashmm.transfer", EVER)) == 0
    async with open_ledger() as ledger:
        assert ledger.metadata() == []
        await ledger.append(points((B, clock.now_ns // 1_000_000, 1.0)))
        assert ledger.select([EVERYTHING], *ALL).labels == [B]


async def test_rows_leave_though_nothing_follows_them(ledger: Ledger, clock: Clock) -> None:
    """Of a kind that has fallen silent too."""
    await ledger.append(Batch(0, logs=[log(START_NS)]))
    await ledger.append(events(transfer(1, START_NS), transfer(2, START_NS + 1)))
    for days, logs, transfers in ((29, 1, 2), (31, 0, 2), (401, 0, 0)):
        clock.now_ns = START_NS + days * DAY_NS
        await ledger.maintain()
        assert len(await ledger.logs(EVER)) == logs
        assert len(await ledger.events("flashmm.transfer", EVER)) == transfers


async def test_rows_grow_old_however_often_the_program_is_started(open_ledger: Opener, clock: Clock) -> None:
    """A table's age is that of its oldest row."""
    sealed: list[float | None] = []
    for _ in range(3):
        registry = CollectorRegistry()
        async with open_ledger(QUIET, registry) as ledger:
            await ledger.append(Batch(0, logs=[log(clock.now_ns)]))
            await ledger.maintain()
            sealed.append(registry.get_sample_value("flashmm_ledger_sealed_files", {"kind": "logs"}))
        clock.forward(0.6 * 86_400)
    assert sealed == [None, None, 1]


async def test_a_table_grows_while_it_is_young_and_its_kind_goes_on_when_it_is_sealed(
    open_ledger: Opener, clock: Clock
) -> None:
    """One file a day of a kind that has few rows, none of them lost."""
    registry = CollectorRegistry()
    async with open_ledger(QUIET, registry) as ledger:
        for hour in range(60):
            await ledger.append(events(transfer(hour + 1, clock.now_ns)))
            await ledger.maintain()
            clock.forward(3_600)
        table = await ledger.events("flashmm.transfer", EVER)
        assert (len(table), table.completeness.ratio) == (60, 1.0)
        assert registry.get_sample_value("flashmm_ledger_sealed_files", {"kind": "event_transfer"}) == 2


async def test_streams_and_runs_leave_with_their_events(open_ledger: Opener, clock: Clock) -> None:
    """What is missing of them counts as long as they are kept, and a run that goes on is known whole."""
    kind, other = "flashmm.transfer", "01999999-0000-7000-8000-000000000002"
    async with open_ledger() as ledger:
        await ledger.append(events(transfer(1, START_NS), transfer(3, START_NS), mark(1, START_NS, kind, 4)))
        await ledger.append(events(transfer(1, START_NS, run=other)))
        await ledger.maintain()
        clock.forward(399 * 86_400)
        await ledger.append(events(transfer(2, clock.now_ns, run=other)))
        await ledger.maintain()
        assert set(ledger.streams(kind)) == {RUN, other}
        assert (await ledger.completeness(kind, EVER)).expected == 6
    clock.forward(2 * 86_400)
    for _ in range(2):
        async with open_ledger() as ledger:
            await ledger.maintain()
            assert dict(ledger.streams(kind)) == {other: StreamState([(1, 2)], 0)}
            assert not ledger.runs()
            assert await ledger.completeness(kind, EVER) == Completeness(1, 1)


async def test_series_whose_samples_have_left_make_room_for_others(open_ledger: Opener, clock: Clock) -> None:
    """The limit is of those that have samples; far beyond it only a start helps, since all ids are remembered."""
    async with open_ledger(replace(QUIET, series_max=2)) as ledger:
        for i in range(8):
            await ledger.append(points((labels(f"m{i}"), clock.now_ns // 10**6, 1.0)))
            await ledger.seal()
            clock.forward(31 * 86_400)
            await ledger.maintain()
            assert ledger.metadata() == []
        with pytest.raises(BatchRefused, match="series_limit"):
            await ledger.append(points((labels("m8"), clock.now_ns // 10**6, 1.0)))
    async with open_ledger(replace(QUIET, series_max=2)) as ledger:
        await ledger.append(points((labels("m8"), clock.now_ns // 10**6, 1.0), (A, clock.now_ns // 10**6, 1.0)))
        with pytest.raises(BatchRefused, match="series_limit"):
            await ledger.append(points((B, clock.now_ns // 10**6, 1.0)))


async def test_a_series_that_was_silent_for_long_comes_back_undescribed(open_ledger: Opener, clock: Clock) -> None:
    """Whoever has described a series need not do so again; then its samples are its own, after a restart too."""
    async with open_ledger(replace(QUIET, series_max=1)) as ledger:
        await ledger.append(points((A, clock.now_ns // 10**6, 1.0)))
        await ledger.seal()
        clock.forward(31 * 86_400)
        await ledger.maintain()
        assert ledger.series([EVERYTHING], *ALL) == []
        now_ms = clock.now_ns // 10**6
        await ledger.append(points((A, now_ms, 2.0), series=False))
        with pytest.raises(BatchRefused, match="series_limit"):
            await ledger.append(points((B, now_ms, 1.0)))
        assert samples_of(ledger.select([EVERYTHING], *ALL)) == [(A, [(now_ms, 2.0)])]
    async with open_ledger() as ledger:
        assert samples_of(ledger.select([EVERYTHING], *ALL)) == [(A, [(now_ms, 2.0)])]
        assert [each.name for each in ledger.metadata()] == ["gauge"]


async def test_a_series_described_and_not_sampled_yet_may_be_put_to_sleep(ledger: Ledger, clock: Clock) -> None:
    """Its first sample wakes it."""
    await ledger.append(Batch(0, series=[meta(A)]))
    await ledger.maintain()
    await ledger.append(points((A, clock.now_ns // 10**6, 1.0), series=False))
    assert ledger.select([EVERYTHING], *ALL).labels == [A]


async def test_readers_go_on_while_series_are_put_to_sleep_and_woken(ledger: Ledger, clock: Clock) -> None:
    """A read that has matched a series which then leaves answers without it."""
    done = threading.Event()

    def read() -> int:
        reads = 0
        while not done.is_set():
            assert set(ledger.select([EVERYTHING], *ALL).labels) <= {A, B}
            assert set(ledger.series([EVERYTHING], *ALL)) <= {A, B}
            reads += 1
        return reads

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for _ in range(30):
                now_ms = clock.now_ns // 10**6
                await ledger.append(points((A, now_ms, 1.0), (B, now_ms, 1.0)))
                await ledger.seal()
                clock.forward(31 * 86_400)
                await ledger.maintain()
        finally:
            done.set()
    assert all(reader.result() for reader in readers)


async def test_scattered_samples_leave_too(ledger: Ledger, clock: Clock) -> None:
    """Series with samples in too many hours to file by are put to sleep like others."""
    hours = [NOW_MS - hour * HOUR_MS for hour in range(30)]
    await ledger.append(points(*((A, time, 1.0) for time in hours)))
    await ledger.seal()
    clock.forward(32 * 86_400)
    await ledger.maintain()
    assert ledger.series([EVERYTHING], *ALL) == []
    assert ledger.metadata() == []


async def test_size_ends_raw_points_before_age(open_ledger: Opener) -> None:
    """The oldest hours are rolled up until the rest fits, reads of them say so, and so do the gauges."""
    registry = CollectorRegistry()
    settings = replace(QUIET, raw_bytes_max=1, resident_points=0)
    async with open_ledger(settings, registry) as ledger:
        await seal_hours(ledger, 4)
        await ledger.maintain()
        assert ledger.retention_shortfall > 0
        assert registry.get_sample_value("flashmm_ledger_retention_shortfall_seconds") == ledger.retention_shortfall
        old = ledger.select([EVERYTHING], NOW_MS, NOW_MS + 60_000)
        assert list(old.annotations) == [ROLLED_UP]
        gauge, _, total = samples_of(old)
        assert gauge == (A, [(NOW_MS, 0.0), (NOW_MS + 17_000, 59.0), (NOW_MS + 59_000, 53.0)])
        assert total == (B, [(NOW_MS + 59_000, 59.0)])
        assert old.histograms is not None
        assert old.histograms.offsets.tolist() == [0, 0, 1, 1]
        assert [h.count for h in old.histograms.histograms.objects()] == [60.0]
        new = ledger.select([EVERYTHING], NOW_MS + 3 * HOUR_MS, NOW_MS + 4 * HOUR_MS)
        assert not new.annotations
        assert len(new.times_ms) == 120


async def test_an_answer_out_of_rolled_up_samples_carries_the_warning(open_ledger: Opener) -> None:
    """Once, however many selectors read them; instant and range queries alike; newer samples carry none."""
    async with open_ledger(replace(QUIET, raw_bytes_max=1, resident_points=0)) as ledger:
        await seal_hours(ledger, 4)
        await ledger.maintain()
        metrics = PromqlMetrics(Engine(ledger))
        api, query, old_s = PrometheusApi(metrics, ledger), "count_over_time(gauge[1m]) + gauge", NOW_MS / 1e3 + 59
        grid = {"start": old_s, "end": old_s, "step": 1}
        asked = [("query", {"time": old_s}), ("query_range", grid), ("query", {"time": old_s + 3 * 3600})]
        answers = [await api.handle("GET", path, urlencode({"query": query, **times})) for path, times in asked]
        metrics.close()
    bodies = [json.loads(answer.body) for answer in answers]
    assert [len(body["data"]["result"]) for body in bodies] == [1, 1, 1]
    assert [body.get("warnings") for body in bodies] == [[ROLLED_UP], [ROLLED_UP], None]


async def test_nothing_falls_short_where_there_is_room(ledger: Ledger) -> None:
    """Without rolled-up hours there is no shortfall."""
    await seal_hours(ledger, 1)
    await ledger.maintain()
    assert ledger.retention_shortfall == 0


SERIES = st.lists(
    st.tuples(st.integers(0, 5 * 60_000), st.floats(0, 9) | st.just(float("nan"))), min_size=1, max_size=80
)


def sorted_samples(raw: list[tuple[int, float]]) -> Samples:
    """One series, times distinct."""
    rows = sorted(dict(raw).items())
    times = np.array([time for time, _ in rows], np.int64)
    return Samples(np.zeros(len(rows), np.uint32), times, np.array([value for _, value in rows]))


def increase(values: np.ndarray) -> float:
    """What a counter counted, resets included."""
    return float(sum(b - a if b >= a else b for a, b in pairwise(values)))


@given(st.lists(st.tuples(st.integers(0, 5 * 60_000), st.integers(0, 9)), min_size=1, max_size=80))
def test_a_counter_keeps_its_increase_between_minutes(raw: list[tuple[int, int]]) -> None:
    """From one minute's end to any other's, resets included, a roll-up counts what the raw samples do."""
    samples = sorted_samples([(time, float(value)) for time, value in raw])
    kept = rolled_up(samples, np.array([0], np.uint32))
    minutes = samples.time_ms // 60_000
    ends = samples.time_ms[np.append(minutes[1:] != minutes[:-1], True)]
    for first in ends:
        for last in ends[ends >= first]:
            raw_in, kept_in = (s.value[(s.time_ms >= first) & (s.time_ms <= last)] for s in (samples, kept))
            assert increase(kept_in) == increase(raw_in)


@given(SERIES)
def test_a_gauge_keeps_its_envelope(raw: list[tuple[int, float]]) -> None:
    """Of every minute the lowest, the highest and the last sample stay, and every staleness marker."""
    samples = sorted_samples(raw)
    kept = rolled_up(samples, np.empty(0, np.uint32))
    for minute in range(6):
        inside, left = (s.value[s.time_ms // 60_000 == minute] for s in (samples, kept))
        if len(inside):
            assert np.array_equal(left[-1:], inside[-1:], equal_nan=True)
            assert np.isnan(left).sum() == np.isnan(inside).sum()
        if len(inside) and not np.isnan(inside).all():
            assert (np.nanmin(left), np.nanmax(left)) == (np.nanmin(inside), np.nanmax(inside))
