"""Crashes, full disks, damaged files, second openers, other versions: nothing acknowledged is lost."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from prometheus_client import CollectorRegistry
from tests.integration.ledger.writer import batch_of
from tests.unit.backends.ledger.batches import events, labels, points, transfer
from tests.waiting import until

from flashmm_backends.ledger import DirectoryInUse, Ledger, LedgerSettings, SchemaTooNew
from flashmm_backends.ports import Unavailable, Window
from flashmm_backends.promql.source import Matcher, MatchOp

KILLS = 60 if os.environ.get("FLASHMM_SOAK") else 3
EVER = Window(0, 2**62)
ALL = (0, 2**62)
QUIET = LedgerSettings(maintenance_interval_s=3_600.0, telemetry_days=40_000.0, events_days=40_000.0)
A = labels("up", job="a")
UP = Matcher("__name__", MatchOp.EQ, "up")


def opened(directory: Path, settings: LedgerSettings = QUIET, registry: CollectorRegistry | None = None):
    return Ledger.open(directory, settings, time.time_ns, registry or CollectorRegistry())


def start_writer(directory: Path, round_: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.integration.ledger.writer", str(directory), str(round_)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "open\n"
    return writer


def killed_after(writer: "subprocess.Popen[str]", acknowledgements: int) -> int:
    """Read so many acknowledgements, kill, and return the last number that was acknowledged."""
    assert writer.stdout is not None
    for _ in range(acknowledgements):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = [line for line in writer.stdout.read().split("\n") if line]
    writer.stdout.close()
    writer.wait()
    return int(rest[-1]) if rest else acknowledgements * 3


@pytest.mark.soak
async def test_kill_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """After every kill -9 all acknowledged points, events and spans are there, once, and complete."""
    chance = random.Random(7)
    acknowledged: dict[int, int] = {}
    for round_ in range(KILLS):
        acknowledged[round_] = killed_after(start_writer(tmp_path, round_), chance.randrange(1, 150))
        async with opened(tmp_path) as ledger:
            await everything_is_there(ledger, acknowledged)


async def everything_is_there(ledger: Ledger, acknowledged: dict[int, int]) -> None:
    table = await ledger.events("flashmm.transfer", EVER)
    assert table.completeness.ratio == 1.0
    stored = await ledger.stream_seqs()
    found = ledger.select([Matcher("__name__", MatchOp.EQ, "killed")], *ALL)
    times = set(found.times_ms.tolist())
    for round_, last in acknowledged.items():
        ((first, stored_last),) = stored[(f"run-{round_}", "flashmm.transfer")]
        assert first == 1
        assert last <= stored_last <= last + 3
        assert {round_ * 1_000_000 + number for number in range(1, last + 1)} <= times
        assert (table.columns["run"] == f"run-{round_}").sum() == stored_last
    assert len(found.times_ms) == 10 * len(times)
    newest = max(acknowledged)
    for number in (1, acknowledged[newest]):
        assert len(await ledger.trace((newest * 1_000_000 + number).to_bytes(16, "big"))) == 1


async def test_a_second_opener_is_told_who_owns_the_directory(tmp_path: Path) -> None:
    """The error names the process and the directory, and the owner is not disturbed."""
    writer = start_writer(tmp_path, 0)
    try:
        with pytest.raises(DirectoryInUse) as caught:
            async with opened(tmp_path):
                pass
        assert caught.value.pid == writer.pid
        assert str(writer.pid) in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    finally:
        killed_after(writer, 1)
    async with opened(tmp_path) as ledger:
        assert len(await ledger.events("flashmm.transfer", EVER)) > 0


async def test_cancelled_while_it_opens_it_closes_what_it_opened(tmp_path: Path) -> None:
    """A Ctrl-C amid starting leaves neither a lock nor an open database behind."""
    opening = asyncio.create_task(opened(tmp_path).__aenter__())
    await until(lambda: (tmp_path / "journal").exists())
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with opened(tmp_path):
        pass


async def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    """An older program does not touch what a newer one wrote."""
    async with opened(tmp_path):
        pass
    with duckdb.connect(tmp_path / "ledger.duckdb") as database:
        database.execute("INSERT INTO schema_version VALUES (999)")
    with pytest.raises(SchemaTooNew, match="999"):
        async with opened(tmp_path):
            pass


async def test_a_field_added_to_a_kind_is_null_before(tmp_path: Path) -> None:
    """Rows stored before a field existed are read together with rows that have it."""
    async with opened(tmp_path) as ledger:
        await ledger.append(events(transfer(1, 1)))
        await ledger.maintain()
    with duckdb.connect(tmp_path / "ledger.duckdb") as database:
        ((table,),) = database.execute(
            "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'event_transfer_%'"
        ).fetchall()
        database.execute(f"ALTER TABLE {table} DROP COLUMN exchange_time_ns")
    async with opened(tmp_path) as ledger:
        await ledger.append(events(transfer(2, 2, exchange_time_ns=5)))
        for _ in range(2):
            columns = (await ledger.events("flashmm.transfer", EVER)).columns
            assert columns["exchange_time_ns"].tolist() == [None, 5]
            await ledger.maintain()


@pytest.mark.parametrize("tail", [b"\x01", b"\xff" * 40, bytes(4096)])
async def test_a_torn_journal_ends_at_the_last_whole_record(tmp_path: Path, tail: bytes) -> None:
    """Bytes of a write that was never acknowledged are dropped, and counted."""
    async with opened(tmp_path) as ledger:
        await ledger.append(points((A, 1, 1.0)))
    (journal,) = (tmp_path / "journal").iterdir()
    with journal.open("ab") as file:
        file.write(tail)
    registry = CollectorRegistry()
    async with opened(tmp_path, registry=registry) as ledger:
        assert ledger.select([UP], *ALL).values.tolist() == [1.0]
        assert registry.get_sample_value("flashmm_ledger_journal_torn_bytes_total") == len(tail)


@pytest.mark.parametrize("damage", ["truncate", "remove", "garbage"])
async def test_a_damaged_file_is_set_aside_and_counted(tmp_path: Path, damage: str) -> None:
    """The rest of the ledger opens and answers; half-written files are removed."""
    async with opened(tmp_path) as ledger:
        await ledger.append(points((A, 3_600_000, 1.0)))
        await ledger.seal()
        await ledger.append(points((A, 3_600_001, 2.0)))
        await ledger.seal()
    first, second = sorted((tmp_path / "sealed").rglob("*.parquet"))
    {
        "truncate": lambda: os.truncate(first, 100),
        "remove": first.unlink,
        "garbage": lambda: first.write_bytes(b"PAR2" * (first.stat().st_size // 4)),
    }[damage]()
    orphans = [second.with_name("99.parquet"), second.with_name("98.parquet.tmp")]
    for orphan in orphans:
        orphan.write_bytes(b"PAR1")
    registry = CollectorRegistry()
    async with opened(tmp_path, registry=registry) as ledger:
        assert ledger.select([UP], *ALL).values.tolist() == [2.0]
        assert registry.get_sample_value("flashmm_ledger_damaged_files") == 1
    assert not any(orphan.exists() for orphan in orphans)


async def test_a_full_queue_refuses_and_recovers(tmp_path: Path) -> None:
    """More than may wait is refused as retryable; what was accepted is stored."""
    settings = replace(QUIET, queue_batches_max=2, commit_interval_s=0.2)
    async with opened(tmp_path, settings) as ledger:
        await ledger.append(points((A, 0, 0.0)))
        results = await asyncio.gather(
            *(ledger.append(points((A, i, 1.0))) for i in range(1, 10)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Unavailable)]
        assert 0 < len(refused) < 9
        assert len(ledger.select([UP], *ALL).times_ms) == 1 + 9 - len(refused)


async def test_closing_stores_what_waits(tmp_path: Path) -> None:
    """Batches accepted before the end are durable; later ones are refused."""
    settings = replace(QUIET, commit_interval_s=5.0)
    async with opened(tmp_path, settings) as ledger:
        await ledger.append(points((A, 1, 1.0)))
        waiting = asyncio.create_task(ledger.append(points((A, 2, 2.0))))
        await asyncio.sleep(0)
    await waiting
    with pytest.raises(Unavailable, match="shutting down"):
        await ledger.append(points((A, 3, 3.0)))
    async with opened(tmp_path) as ledger:
        assert ledger.select([UP], *ALL).values.tolist() == [1.0, 2.0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    target = tmp_path / "disk"
    target.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(target)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root and a kernel that lets it")
    yield target
    subprocess.run(["umount", "-l", str(target)], check=True)


async def test_a_full_disk_refuses_and_recovers(small_disk: Path) -> None:
    """Appends are refused while the disk is full, reads go on, and all works again when there is space."""
    directory = small_disk / "ledger"
    settings = replace(QUIET, maintenance_interval_s=0.05, apply_interval_s=0.01, commit_interval_s=0.001)
    async with opened(directory, settings) as ledger:
        for number in range(1, 20):
            await ledger.append(batch_of(number, 1))
        await ledger.maintain()
        ballast = fill(small_disk)
        stored = 19
        with pytest.raises(Unavailable):
            for number in range(20, 5_000):
                await ledger.append(batch_of(number, 1))
                stored = number
        found = ledger.select([Matcher("__name__", MatchOp.EQ, "killed"), Matcher("n", MatchOp.EQ, "1")], *ALL)
        assert len(found.times_ms) == stored
        ballast.unlink()
        for number in range(stored + 1, stored + 50):
            await ledger.append(batch_of(number, 1))
        await until_readable(ledger, stored + 49)
    async with opened(directory) as ledger:
        table = await ledger.events("flashmm.transfer", EVER)
        assert len(table) == stored + 49
        assert table.completeness.ratio == 1.0


def fill(disk: Path) -> Path:
    """Leave no byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


async def until_readable(ledger: Ledger, rows: int) -> None:
    """Wait until the rows that waited for space are in their table."""

    async def readable() -> bool:
        with contextlib.suppress(Unavailable):
            return len(await ledger.events("flashmm.transfer", EVER)) == rows
        return False

    await until(readable)
