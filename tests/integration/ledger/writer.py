"""A process that appends until it is killed, and tells on stdout what was acknowledged.

Run as `python -m tests.integration.ledger.writer DIRECTORY ROUND [ENDPOINT ACCESS_KEY SECRET BUCKET]`.
"""

import asyncio
import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry
from tests.unit.backends.ledger.batches import events, labels, points, span, spans, transfer

from flashmm_backends.batch import Batch
from flashmm_backends.ledger import ArchiveSettings, Ledger, LedgerSettings

SETTINGS = LedgerSettings(
    commit_interval_s=0.001,
    seal_points=200,
    resident_points=100,
    row_seal_rows=50,
    apply_interval_s=0.005,
    maintenance_interval_s=0.005,
    compaction_delay_s=-7_200.0,
    telemetry_days=40_000.0,
    events_days=40_000.0,
)
"""Everything happens often, so that a kill hits everything; nothing is old, though its time is near the epoch."""


def batch_of(number: int, round_: int) -> Batch:
    """Ten points, an event and a span, all told by one number."""
    series = [labels("killed", n=str(n)) for n in range(10)]
    metrics = points(*((each, round_ * 1_000_000 + number, float(number)) for each in series))
    event = transfer(number, number, run=f"run-{round_}")
    trace = span(round_ * 1_000_000 + number, 1, "order", number)
    return Batch(
        0, series=metrics.series, points=metrics.points, events=events(event).events, spans=spans(trace).spans
    )


async def write(directory: Path, round_: int, archive: ArchiveSettings | None) -> None:
    """Append 1, 2, 3 … in this round."""
    async with Ledger.open(directory, SETTINGS, time.time_ns, CollectorRegistry(), archive) as ledger:
        print("open", flush=True)
        number = 0
        while True:
            waiting = [ledger.append(batch_of(number + i, round_)) for i in range(1, 4)]
            number += 3
            await asyncio.gather(*waiting)
            print(number, flush=True)


def _archive(endpoint: str, access_key: str, secret_key: str, bucket: str) -> ArchiveSettings:
    return ArchiveSettings(
        bucket=bucket, endpoint=endpoint, access_key=access_key, secret_key=secret_key, local_bytes_max=20_000
    )


if __name__ == "__main__":
    archived = _archive(*sys.argv[3:]) if len(sys.argv) > 3 else None
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2]), archived))
