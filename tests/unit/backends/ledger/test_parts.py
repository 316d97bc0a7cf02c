"""The ledger's parts on their own, where the whole would take too long to get there."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import events, labels, meta, points, transfer
from tests.unit.backends.ledger.conftest import QUIET, START_NS, Clock, Opener
from tests.waiting import until

from flashmm_backends import ledger as package
from flashmm_backends.batch import Batch, Exemplar, Labels
from flashmm_backends.histogram import is_stale
from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.ledger._applier import Applier
from flashmm_backends.ledger._catalog import POINTS, Catalog, SealedFile
from flashmm_backends.ledger._chunks import chunk_of, combined, gather
from flashmm_backends.ledger._database import Database, fetch
from flashmm_backends.ledger._head import Head
from flashmm_backends.ledger._hours import SeriesHours
from flashmm_backends.ledger._journal import Entry, JournalFile, Samples, decode, encode, no_samples, replay
from flashmm_backends.ledger._labels import HashTable, SeriesIndex
from flashmm_backends.ledger._parquet import STALE
from flashmm_backends.ledger._sealing import Sealer
from flashmm_backends.ledger._streams import Streams
from flashmm_backends.ledger._telemetry import LedgerMetrics
from flashmm_backends.naming import series_id
from flashmm_backends.ports import BatchRefused, Unavailable, Window
from flashmm_backends.promql.source import Matcher, MatchOp

NOW_MS = START_NS // 1_000_000
A = labels("up", job="a")
MISSING = 0xFFFF_FFFF


def test_the_package_shows_what_it_means_to() -> None:
    """Everything public is named, and nothing else is."""
    names = ["ArchiveSettings", "ArchiveStatus", "DirectoryInUse", "Ledger", "LedgerSettings", "MEDIA_TYPE"]
    names += ["Request", "SchemaTooNew", "write_tables"]
    assert sorted(package.__all__) == sorted(names)


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5).map(lambda n: n << 20), unique=True, max_size=50))
def test_a_hash_table_finds_what_was_added(keys: list[int]) -> None:
    """Also where every key wants the same slot."""
    table = HashTable()
    for number, key in enumerate(keys):
        table.add(key, number)
    asked = np.array([*keys, 2**63 + 12_345], np.uint64)
    expected = [*range(len(keys)), keys.index(2**63 + 12_345) if 2**63 + 12_345 in keys else MISSING]
    assert table.find(asked).tolist() == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30).map(lambda n: n % 7 << 20 | n % 5))))
def test_a_hash_table_forgets(steps: list[tuple[bool, int]]) -> None:
    """Whatever was added and removed before, the rest is found, though most keys want the same slots."""
    table, model = HashTable(), dict[int, int]()
    for number, (adds, key) in enumerate(steps):
        if adds and key not in model:
            table.add(key, number)
            model[key] = number
        elif not adds and key in model:
            table.remove(key)
            del model[key]
    asked = sorted({key for _, key in steps})
    assert table.find(np.array(asked, np.uint64)).tolist() == [model.get(key, MISSING) for key in asked]
    assert len(table) == len(model)


def test_a_hash_table_grows() -> None:
    """Thousands of keys are all found."""
    table, keys = HashTable(), np.arange(5_000, dtype=np.uint64) * np.uint64(2**54 + 1)
    for number, key in enumerate(keys.tolist()):
        table.add(key, number)
    assert table.find(keys).tolist() == list(range(5_000))


SAMPLES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20) | st.just(2**45), st.integers(0, 9)), min_size=1)


def samples(raw: list[tuple[int, int, int]]) -> Samples:
    """Columns of rows."""
    return Samples(
        np.array([row[0] for row in raw], np.uint32),
        np.array([row[1] for row in raw], np.int64),
        np.array([row[2] for row in raw], np.float64),
    )


@given(st.lists(SAMPLES, min_size=1, max_size=6), st.integers(0, 20), st.integers(0, 20) | st.just(2**50))
def test_chunks_answer_as_a_dictionary_would(batches: list[list[tuple[int, int, int]]], start: int, end: int) -> None:
    """Whatever chunks the samples are in, the first of each (series, time) in the span is found, in order."""
    head, model = Head(), dict[tuple[int, int], float]()
    head.open(1, 0)
    for raw in batches:
        head.add(samples(raw), no_samples(histograms=True))
        for series, time, value in raw:
            model.setdefault((series, time), float(value))
    ids = np.array([0, 2, 3, 9], np.uint32)
    pieces = [gather(chunk, ids, start, end) for chunk in head.generations[0].points]
    found = combined([piece for piece in pieces if piece is not None])
    expected = sorted((s, t, v) for (s, t), v in model.items() if s in (0, 2, 3) and start <= t <= end)
    got = (
        []
        if found is None
        else zip(ids[found.owner].tolist(), found.time_ms.tolist(), found.value.tolist(), strict=True)
    )
    assert list(got) == expected


@given(st.lists(SAMPLES, min_size=1, max_size=30))
def test_many_small_chunks_become_few(batches: list[list[tuple[int, int, int]]]) -> None:
    """The number of chunks grows with the logarithm of their number."""
    head = Head()
    head.open(1, 0)
    for raw in batches:
        head.add(samples(raw), no_samples(histograms=True))
    assert len(head.generations[0].points) <= 3 * (1 + len(batches).bit_length())


@given(SAMPLES, st.lists(st.binary(max_size=20), max_size=5), st.text())
def test_a_journal_entry_survives_its_bytes(raw: list[tuple[int, int, int]], blobs: list[bytes], text: str) -> None:
    """Rows, points and histograms come back as they went in."""
    values = np.empty(len(blobs), object)
    values[:] = blobs
    histograms = Samples(np.arange(len(blobs), dtype=np.uint32), np.arange(len(blobs), dtype=np.int64), values)
    points_ = samples(raw)
    entry = decode(encode(Entry({"logs": [[1, None, text, 1.5, True]]}, points_, histograms)))
    assert entry.rows == {"logs": [[1, None, text, 1.5, True]]}
    assert entry.points.value.tolist() == points_.value.tolist()
    assert entry.points.series.tolist() == points_.series.tolist()
    assert entry.histograms.value.tolist() == blobs


def test_every_truncation_of_a_journal_leaves_its_whole_records(tmp_path: Path) -> None:
    """Wherever a write was torn, what came before it is read and nothing else."""
    journal = JournalFile(tmp_path, 1)
    ends = [journal.path.stat().st_size]
    for number in range(1, 4):
        journal.append(number, b"x" * number * 7)
        ends.append(journal.path.stat().st_size)
    journal.close()
    whole = journal.path.read_bytes()
    for cut in range(len(whole) + 1):
        journal.path.write_bytes(whole[:cut])
        found = replay(tmp_path, 1)
        n = sum(1 for end in ends[1:] if end <= cut)
        assert [number for number, _ in found.records] == list(range(1, n + 1))


def applier(directory: Path, clock: Clock) -> tuple[Applier, Database, LedgerMetrics]:
    """An applier over an empty directory, not started."""
    database, metrics = Database(directory, QUIET), LedgerMetrics(CollectorRegistry())
    catalog = Catalog(directory)
    catalog.load(database.connection, clock())
    return Applier(replace(QUIET, apply_interval_s=0.01), database, catalog, metrics, clock), database, metrics


def test_rows_that_no_table_takes_are_set_aside(tmp_path: Path, clock: Clock) -> None:
    """One bad row stops neither the others nor the ledger; it is kept for a person to look at."""
    applied, database, _ = applier(tmp_path, clock)
    applied.start()
    good, bad = ["00", "{}"], ["01", "{}"]
    row = [1, "r", 1, "b", "a", "", "", "v", "t", "not a decimal", "c", None]
    applied.add(1, {"event_transfer": [row, [*row[:9], "1.5", "c", None]], "resources": [good, bad]})
    applied.flush()
    assert fetch(database.reader(), "SELECT count(*) AS n FROM resources")["n"].tolist() == [2]
    assert fetch(database.reader(), "SELECT count(*) AS n FROM event_transfer_1")["n"].tolist() == [1]
    (line,) = (tmp_path / "quarantine.jsonl").read_bytes().splitlines()
    assert orjson.loads(line) == ["event_transfer", row]
    applied.stop()
    database.close()


def test_a_table_whose_rows_were_all_set_aside_leaves_no_file(tmp_path: Path, clock: Clock) -> None:
    """It is dropped like any other once it is old."""
    database, catalog = Database(tmp_path, QUIET), Catalog(tmp_path)
    catalog.load(database.connection, clock())
    applied = Applier(QUIET, database, catalog, LedgerMetrics(CollectorRegistry()), clock)
    applied.start()
    applied.add(1, {"event_transfer": [[1, "r", 1, "b", "a", "", "", "v", "t", "not a decimal", "c", None]]})
    applied.flush()
    clock.forward(QUIET.row_seal_age_s)
    (table,) = applied.closed_tables()
    Sealer(QUIET, database, catalog, applied, SeriesHours(), Streams(clock), clock).seal_rows(table)
    assert not catalog.snapshot.tables.get("event_transfer")
    assert not list(tmp_path.rglob("*.parquet"))
    applied.stop()
    database.close()


def test_a_failing_database_keeps_rows_waiting(tmp_path: Path, clock: Clock) -> None:
    """A read says that they are not to be had; they are applied when the database works again."""
    applied, database, metrics = applier(tmp_path, clock)
    database.connection.execute("ALTER TABLE resources RENAME TO elsewhere")
    applied.start()
    applied.add(1, {"resources": [["00", "{}"]]})
    with pytest.raises(Unavailable):
        applied.flush()
    applied.add(2, {"resources": [["01", "{}"]]})
    assert metrics.failures.labels("apply")._value.get() >= 1
    applied.run(lambda connection: connection.execute("ALTER TABLE elsewhere RENAME TO resources"))
    while True:
        try:
            applied.flush()
            break
        except Unavailable:
            continue
    assert fetch(database.reader(), "SELECT count(*) AS n FROM resources")["n"].tolist() == [2]
    applied.stop()
    with pytest.raises(Unavailable, match="shutting down"):
        applied.run(lambda connection: connection)
    database.close()


def test_a_job_that_fails_tells_its_asker(tmp_path: Path, clock: Clock) -> None:
    """And its transaction is rolled back, and it is counted."""
    applied, database, metrics = applier(tmp_path, clock)
    applied.start()

    def job(connection) -> None:
        connection.execute("INSERT INTO resources VALUES ('00', '{}')")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        applied.run(job)
    assert metrics.failures.labels("job")._value.get() == 1
    assert fetch(database.reader(), "SELECT count(*) AS n FROM resources")["n"].tolist() == [0]
    applied.stop()
    database.close()


def test_series_taken_back_leave_no_trace() -> None:
    """A batch that was not stored leaves the index as it was, and its numbers are used again."""
    index = SeriesIndex()
    index.add(meta(A))
    index.add(meta(labels("down")))
    index.drop_last(1)
    assert index.match([Matcher("__name__", MatchOp.NE, "")]).tolist() == [0]
    assert index.find(np.array([series_id(labels("down"))], np.uint64)).tolist() == [MISSING]
    assert index.add(meta(labels("down"))) == 1
    index.remove(np.array([0], np.uint32))
    assert len(index) == 1
    assert index.get(0) is None


def test_a_journal_that_cannot_be_begun_keeps_no_file_open(tmp_path: Path) -> None:
    """On a full disk it is tried again every few seconds."""
    (tmp_path / f"{1:012d}.journal").symlink_to("/dev/full")
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    for _ in range(10):
        with pytest.raises(OSError, match=r"No space left|Invalid argument"):
            JournalFile(tmp_path, 1)
    assert len(list(opened.iterdir())) == before


def journalled(folder: Path) -> int:
    """Bytes that a start would read."""
    return sum(path.stat().st_size for path in (folder / "ledger" / "journal").iterdir())


async def test_a_journal_without_points_is_let_go_by_age(open_ledger: Opener, tmp_path: Path, clock: Clock) -> None:
    """Events, spans and logs alone leave no more of it than an hour's."""
    async with open_ledger() as ledger:
        for hour in range(1, 5):
            await ledger.append(events(transfer(hour, clock.now_ns)))
            assert journalled(tmp_path) > 8
            await ledger.maintain()
            clock.forward(QUIET.seal_age_s)
            await ledger.maintain()
            assert journalled(tmp_path) == 8
    async with open_ledger() as ledger:
        assert len(await ledger.events("flashmm.transfer", Window(0, 2**62))) == 4


async def test_a_journal_is_let_go_by_size(open_ledger: Opener, tmp_path: Path) -> None:
    """However young it is, and without waiting for the next look."""
    settings = replace(LedgerSettings(), seal_journal_bytes=1_024, maintenance_interval_s=3_600.0)
    async with open_ledger(settings) as ledger:
        for i in range(50):
            await ledger.append(events(transfer(i + 1, START_NS)))
        await until(lambda: journalled(tmp_path) < 1_200)
    async with open_ledger(settings) as ledger:
        assert len(await ledger.events("flashmm.transfer", Window(0, 2**62))) == 50


LABELS = st.builds(lambda name, job: labels(name, job=job), st.sampled_from("abc"), st.sampled_from("xyz"))


@given(
    st.lists(
        st.tuples(st.just("add"), st.lists(LABELS, max_size=4))
        | st.tuples(st.sampled_from(["drop", "forget", "remove", "wake"]), st.integers(0, 3))
    )
)
def test_an_index_knows_the_series_that_are_awake_and_no_other(steps: list[tuple[str, Any]]) -> None:
    """Whatever is added, taken back, put to sleep, woken and removed: as if nothing else had ever been there."""
    index, awake, asleep, latest = SeriesIndex(), dict[int, Labels](), dict[int, Labels](), 0
    for step, what in steps:
        some = np.array(sorted(awake)[: what if isinstance(what, int) else 0], np.uint32)
        match step:
            case "add":
                new = [each for each in dict.fromkeys(what) if each not in {*awake.values(), *asleep.values()}]
                awake |= {index.add(meta(each)): each for each in new}
                latest = len(new)
            case "drop":
                index.drop_last(latest)
                for number in sorted(awake)[len(awake) - latest :]:
                    del awake[number]
            case "wake":
                for number in list(asleep)[:what]:
                    index.wake(number, meta(asleep[number]))
                    awake[number] = asleep.pop(number)
            case _:
                (index.forget if step == "forget" else index.remove)(some)
                gone = {number: awake.pop(number) for number in some.tolist()}
                asleep |= gone if step == "forget" else {}
        latest = latest if step == "add" else 0
    assert index.match([]).tolist() == sorted(awake)
    for name, value in {pair for each in [*awake.values(), *asleep.values()] for pair in each}:
        expected = sorted(number for number, each in awake.items() if (name, value) in each)
        assert index.match([Matcher(name, MatchOp.EQ, value)]).tolist() == expected
        assert index.match([Matcher(name, MatchOp.RE, f"{value}|")]).tolist() == expected
    numbers = np.array(sorted(awake | asleep), np.uint32)
    assert index.find(np.array([series_id((awake | asleep)[n]) for n in numbers.tolist()], np.uint64)).tolist() == (
        numbers.tolist()
    )
    assert index.asleep(numbers).tolist() == sorted(asleep)
    assert {each.name for each in index.metadata()} == {dict(each)["__name__"] for each in awake.values()}
    assert (len(index), index.numbered) == (len(awake), len(awake) + len(asleep))
    for number in numbers.tolist():
        series = index.get(number)
        assert (series.labels if series else None) == awake.get(number)


async def test_limits_refuse_and_keep_nothing(open_ledger: Opener) -> None:
    """Too many series are refused for good; rows and points that pile up, for now."""
    async with open_ledger(replace(QUIET, series_max=1)) as ledger:
        with pytest.raises(BatchRefused, match="series_limit"):
            await ledger.append(points((A, 1, 1.0), (labels("down"), 1, 1.0)))
        await ledger.append(points((A, 1, 1.0)))
    async with open_ledger(replace(QUIET, unsealed_points_max=1)) as ledger:
        with pytest.raises(Unavailable, match="sealed"):
            await ledger.append(points((A, 2, 1.0)))
        await ledger.seal()
        await ledger.append(points((A, 2, 1.0)))
    async with open_ledger(replace(QUIET, pending_rows_max=1, apply_interval_s=60.0)) as ledger:
        await ledger.append(events(transfer(1, 1)))
        with pytest.raises(Unavailable, match="DuckDB"):
            await ledger.append(events(transfer(2, 2)))


async def test_a_batch_that_is_no_batch_harms_nobody(ledger: Ledger) -> None:
    """What breaks the conversion is refused; others in the same commit are stored."""
    broken = Batch(0, spans=["not a span"])  # type: ignore[list-item]
    results = await asyncio.gather(ledger.append(points((A, 1, 1.0))), ledger.append(broken), return_exceptions=True)
    assert results[0] is None
    assert isinstance(results[1], BatchRefused)
    assert len(ledger.select([Matcher("job", MatchOp.EQ, "a")], 0, 2**62).times_ms) == 1


async def test_exemplars_by_series(ledger: Ledger) -> None:
    """Exemplars come with their series' labels, once, in order of time."""
    await ledger.append(points((A, NOW_MS, 1.0)))
    sent = [
        Exemplar(series_id(A), NOW_MS + i, float("nan") if i else 0.5, b"\x01" * 16, b"\x02" * 8, ()) for i in (1, 0)
    ]
    await ledger.append(Batch(0, exemplars=[*sent, sent[1]]))
    (found,) = await ledger.exemplars([Matcher("job", MatchOp.EQ, "a")], NOW_MS, NOW_MS + 5)
    assert found.labels == A
    assert [each.time_ms for each in found.exemplars] == [NOW_MS, NOW_MS + 1]
    assert found.exemplars[0] == sent[1]
    assert await ledger.exemplars([Matcher("job", MatchOp.EQ, "a")], 0, 1) == []


async def test_the_maintenance_thread_seals_by_itself(open_ledger: Opener) -> None:
    """A full generation is sealed without anybody asking, and reads do not notice."""
    registry = CollectorRegistry()
    settings = LedgerSettings(maintenance_interval_s=0.01, seal_points=3, resident_points=0)
    async with open_ledger(settings, registry) as ledger:
        await ledger.append(points(*((A, NOW_MS + i, float(i)) for i in range(5))))

        def sealed() -> bool:
            assert len(ledger.select([Matcher("job", MatchOp.EQ, "a")], 0, 2**62).times_ms) == 5
            return registry.get_sample_value("flashmm_ledger_sealed_files", {"kind": "points"}) is not None

        await until(sealed)
        assert len(ledger.select([Matcher("job", MatchOp.EQ, "a")], 0, 2**62).times_ms) == 5


def test_what_files_hold_as_null_is_a_staleness_marker() -> None:
    """And not any other NaN."""
    assert is_stale(float(STALE))


def test_an_older_reader_leaves_a_newer_ones_files(tmp_path: Path) -> None:
    """A file that two read at once stays until both are done, whichever was first."""
    catalog, path = Catalog(tmp_path), tmp_path / "read.parquet"
    path.touch()
    read, other = (SealedFile(i, POINTS, f"{name}.parquet", *[0] * 11) for i, name in ((1, "read"), (2, "other")))
    catalog.change([read])
    with ExitStack() as newer:
        with catalog.reading() as old:
            catalog.change([other])
            new = newer.enter_context(catalog.reading())
            catalog.readable(new, [read])
            catalog.readable(old, [read])
        assert not catalog.evict(read)
        assert path.exists()
    assert catalog.evict(read)
    assert not path.exists()


def test_a_chunk_gives_its_samples_back() -> None:
    """Sorted, and one series number each."""
    chunk = chunk_of(samples([(2, 5, 1), (1, 9, 2), (1, 3, 3)]))
    back = chunk.samples()
    assert (back.series.tolist(), back.time_ms.tolist(), back.value.tolist()) == ([1, 1, 2], [3, 9, 5], [3, 2, 1])
