"""Sealed files on real S3-compatible storage: nothing lost, nothing left behind, faults named, reads as before."""

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.ledger.writer import SETTINGS
from tests.parts import S3_KEY, S3_SECRET, Server, running_s3, s3_server
from tests.product import running_product
from tests.unit.backends.ledger.batches import events, labels, points, span, spans, transfer
from tests.waiting import until

from flashmm_backends.ledger import ArchiveSettings, Ledger, LedgerSettings, Request
from flashmm_backends.ports import QueryRefused, Unavailable, Window
from flashmm_backends.promql.source import Matcher, MatchOp

pytestmark = pytest.mark.real

BUCKET = "sealed"
EVER = Window(0, 2**62)
KILLED = Matcher("__name__", MatchOp.EQ, "killed")
A = labels("killed", job="a")
SEALS = LedgerSettings(
    maintenance_interval_s=3_600.0, resident_points=0, row_seal_rows=1, telemetry_days=40_000.0, events_days=40_000.0
)


def settings(server: Server, **changes: object) -> ArchiveSettings:
    """The archive in this server's bucket, with nothing staying local."""
    here = ArchiveSettings(
        bucket=BUCKET, endpoint=server.base_url, access_key=S3_KEY, secret_key=S3_SECRET, local_bytes_max=0,
        retry_s_max=0.2,
    )  # fmt: skip
    return replace(here, **changes)  # pyright: ignore[reportArgumentType] - named by tests


def opened(
    folder: Path, archive: ArchiveSettings, told: LedgerSettings = SEALS, registry: CollectorRegistry | None = None
):
    return Ledger.open(folder / "ledger", told, time.time_ns, registry or CollectorRegistry(), archive)


def sealed_files(registry: CollectorRegistry) -> float:
    """How many sealed files the ledger says it has."""
    (metric,) = (each for each in registry.collect() if each.name == "flashmm_ledger_sealed_files")
    return sum(sample.value for sample in metric.samples)


def objects(folder: Path) -> set[str]:
    """Names of the bucket's objects, the owner's apart."""
    found = (folder / "s3" / "objects" / BUCKET / "flashmm").glob("*.parquet")
    return {path.name for path in found}


def local(folder: Path) -> set[str]:
    """The sealed files on the local disk, named as objects are."""
    sealed = folder / "ledger" / "sealed"
    return {str(path.relative_to(sealed)).replace("/", ".") for path in sealed.rglob("*.parquet")}


async def fill(ledger: Ledger, first: int = 1) -> None:
    """Points, events and spans, all sealed."""
    for number in range(first, first + 3):
        metrics = points((A, number * 1_000, float(number)))
        event, trace = transfer(number, number), span(number, 1, "order", number)
        await ledger.append(replace(metrics, events=events(event).events, spans=spans(trace).spans))
        await ledger.seal()
    await ledger.append(replace(points((A, 9_000_000, 0.0)), events=events(transfer(first + 3, 9)).events))
    await ledger.maintain()
    await ledger.seal()


async def everything(ledger: Ledger) -> tuple[object, ...]:
    """All that can be read of it."""
    table = await ledger.events("flashmm.transfer", EVER)
    found = ledger.select([KILLED], 0, 2**62)
    return (
        table.columns["seq"].tolist(), table.columns["amount"].tolist(), table.completeness,
        found.times_ms.tolist(), found.values.tolist(), await ledger.trace((2).to_bytes(16, "big")),
    )  # fmt: skip


def is_archived(ledger: Ledger) -> bool:
    status = ledger.archive_status
    return status is not None and not status.fault and status.waiting_files == 0


async def test_what_left_the_disk_is_read_as_before(tmp_path: Path) -> None:
    """Files go to the bucket and leave the disk; every read is the same, then and after a restart."""
    with running_s3(tmp_path, BUCKET) as server:
        async with opened(tmp_path, settings(server, local_bytes_max=2**40)) as ledger:
            await fill(ledger)
            before = await everything(ledger)
            await until(lambda: is_archived(ledger))
            assert local(tmp_path) == objects(tmp_path) != set()
        async with opened(tmp_path, settings(server)) as ledger:
            await until(lambda: not local(tmp_path))
            assert await everything(ledger) == before
            await until(lambda: not local(tmp_path))
            assert await everything(ledger) == before


async def test_storage_that_is_away_stops_nothing(tmp_path: Path) -> None:
    """The ledger takes data and answers while the storage is down; when it is back, all is archived."""
    server = s3_server(tmp_path, BUCKET)
    try:
        async with opened(tmp_path, settings(server)) as ledger:
            await fill(ledger)
            await until(lambda: "archive.endpoint" in (ledger.archive_status.fault if ledger.archive_status else ""))
            assert (await everything(ledger))[0] == [1, 2, 3, 4]
            server.start()
            await until(lambda: is_archived(ledger) and not local(tmp_path))
            server.kill()
            with pytest.raises(Unavailable, match="cannot connect"):
                await everything(ledger)
            server.start()
            assert (await everything(ledger))[0] == [1, 2, 3, 4]
    finally:
        server.stop()


async def test_a_file_that_is_gone_holds_up_no_other(tmp_path: Path) -> None:
    """It is counted as damaged; the others are archived and leave the disk."""
    registry = CollectorRegistry()
    server = s3_server(tmp_path, BUCKET)
    async with opened(tmp_path, settings(server), registry=registry) as ledger:
        await fill(ledger)
        first, *others = sorted(local(tmp_path))
        (tmp_path / "ledger" / "sealed" / first.replace(".", "/", 1)).unlink()
        with server:
            await until(lambda: objects(tmp_path) == set(others) and not local(tmp_path), within_s=20.0)
            await ledger.maintain()
            assert registry.get_sample_value("flashmm_ledger_damaged_files") == 1
            status = ledger.archive_status
            assert status is not None
            assert (status.fault, status.waiting_files) == ("", 1)


async def test_retention_deletes_objects(tmp_path: Path) -> None:
    """What the ledger forgets leaves the bucket too, also when it forgot with the storage away."""
    server = s3_server(tmp_path, BUCKET)
    with server:
        async with opened(tmp_path, settings(server)) as ledger:
            await fill(ledger)
            await until(lambda: is_archived(ledger))
    forgetful = replace(SEALS, telemetry_days=1.0)
    async with opened(tmp_path, settings(server), forgetful) as ledger:
        await ledger.maintain()
    with server:
        async with opened(tmp_path, settings(server), forgetful) as ledger:
            await until(lambda: all(name.startswith("event_") for name in objects(tmp_path)))
            assert (await ledger.events("flashmm.transfer", EVER)).columns["seq"].tolist() == [1, 2, 3, 4]


async def test_a_damaged_copy_is_fetched_anew(tmp_path: Path) -> None:
    """A sealed file that was cut short on the local disk comes back from the archive."""
    with running_s3(tmp_path, BUCKET) as server:
        async with opened(tmp_path, settings(server, local_bytes_max=2**40)) as ledger:
            await fill(ledger)
            before = await everything(ledger)
            await until(lambda: is_archived(ledger))
        for path in (tmp_path / "ledger" / "sealed").rglob("*.parquet"):
            path.write_bytes(path.read_bytes()[:-10])
        async with opened(tmp_path, settings(server)) as ledger:
            assert await everything(ledger) == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"secret_key": "of somebody else"}, "archive.secret_key"),
        ({"access_key": "somebody"}, "archive.access_key"),
        ({"bucket": "other"}, "archive.bucket"),
        ({"endpoint": "http://127.0.0.1:9"}, "archive.endpoint"),
    ],
)
async def test_a_wrong_setting_is_named(
    tmp_path: Path, changes: dict[str, object], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A key, secret, bucket or endpoint that is wrong is named, once in the log; data stays on the disk."""
    with running_s3(tmp_path, BUCKET) as server:
        async with opened(tmp_path, settings(server, **changes)) as ledger:
            await fill(ledger)
            await until(lambda: named in (ledger.archive_status.fault if ledger.archive_status else ""))
            assert (await everything(ledger))[0] == [1, 2, 3, 4]
    assert sum(named in record.message for record in caplog.records) == 1


async def test_a_folder_belongs_to_one_ledger(tmp_path: Path) -> None:
    """A second ledger with the same prefix is told to take another and touches nothing."""
    with running_s3(tmp_path, BUCKET) as server:
        async with opened(tmp_path, settings(server)) as ledger:
            await fill(ledger)
            await until(lambda: is_archived(ledger))
            before = objects(tmp_path)
            async with opened(tmp_path / "second", settings(server)) as second:
                await fill(second)
                status = lambda: second.archive_status  # noqa: E731 - for the wait
                await until(lambda: "archive.prefix" in (((found := status()) and found.fault) or ""))
            assert objects(tmp_path) == before


async def test_a_query_does_not_fetch_without_a_limit(tmp_path: Path) -> None:
    """A query that needs more of the archive than allowed is refused and told what to do."""
    with running_s3(tmp_path, BUCKET) as server:
        async with opened(tmp_path, settings(server, read_bytes_max=1_000)) as ledger:
            await fill(ledger)
            await until(lambda: is_archived(ledger) and not local(tmp_path))
            with pytest.raises(QueryRefused, match="read_bytes_max"):
                await everything(ledger)


async def test_a_file_being_read_is_not_evicted(tmp_path: Path) -> None:
    """An answer that is still being streamed keeps its files, whatever the limit."""
    with running_s3(tmp_path, BUCKET) as server:
        async with opened(tmp_path, settings(server)) as ledger:
            await fill(ledger)
            await until(lambda: is_archived(ledger) and not local(tmp_path))
            stream = ledger.events_stream(Request("flashmm.transfer", EVER))
            await anext(stream)
            being_read = local(tmp_path)
            assert {name.partition(".")[0] for name in being_read} == {"event_transfer"}
            await fill(ledger, 10)
            await until(lambda: is_archived(ledger) and local(tmp_path) == being_read)
            assert [piece async for piece in stream]
            await until(lambda: not local(tmp_path))


async def test_kill_at_any_moment_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """After kills -9 while sealing, merging, uploading and evicting, all acknowledged is there, no object strays."""
    chance, acknowledged = random.Random(5), dict[int, int]()
    with running_s3(tmp_path, BUCKET) as server:
        for round_ in range(2):
            acknowledged[round_] = _killed(tmp_path, server, round_, chance.randrange(15, 60))
        registry, quiet = CollectorRegistry(), replace(SETTINGS, maintenance_interval_s=3_600.0)
        async with opened(tmp_path, settings(server), quiet, registry) as ledger:
            found = set(ledger.select([KILLED], 0, 2**62).times_ms.tolist())
            table = await ledger.events("flashmm.transfer", EVER)
            for round_, last in acknowledged.items():
                assert {round_ * 1_000_000 + number for number in range(1, last + 1)} <= found
                assert (table.columns["run"] == f"run-{round_}").sum() >= last
            assert table.completeness.ratio == 1.0
            await until(lambda: is_archived(ledger) and not local(tmp_path))
            await ledger.maintain()
            await until(lambda: len(objects(tmp_path)) == sealed_files(registry))


def _killed(folder: Path, server: Server, round_: int, lines: int) -> int:
    """Run the writer with the archive, read so many acknowledgements, kill it; the last number acknowledged."""
    command = [sys.executable, "-m", "tests.integration.ledger.writer", str(folder / "ledger"), str(round_)]
    command += [server.base_url, S3_KEY, S3_SECRET, BUCKET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        rest = [line for line in writer.stdout.read().split("\n") if line]
    return int(rest[-1]) if rest else (lines - 1) * 3


async def test_health_tells_what_to_change(tmp_path: Path) -> None:
    """`/health` of the product names the wrong setting, and the product stays ready."""
    environment = {
        "FLASHMM_ARCHIVE__BUCKET": BUCKET,
        "FLASHMM_ARCHIVE__ENDPOINT": "http://127.0.0.1:9",
        "FLASHMM_ARCHIVE__ACCESS_KEY": S3_KEY,
        "FLASHMM_ARCHIVE__SECRET_KEY": S3_SECRET,
    }
    with running_product(tmp_path / "data", **environment) as product:

        def told() -> str:
            with urlopen(f"{product.http}/health", timeout=30) as answer:
                health = json.load(answer)
            assert health["ready"]
            return health["archive"]["fault"]

        await until(lambda: "archive.endpoint" in told())
