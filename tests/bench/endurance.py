"""10,000 points a second for ten minutes: memory, CPU, disk of `flashmm up`.

`python -m tests.bench.endurance [MINUTES]`
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from tests.product import running_product

POINTS_PER_S = 10_000


def samples(process: psutil.Process, seconds: float, every_s: float = 5.0) -> Iterator[tuple[float, float, float]]:
    """(elapsed s, resident MiB, CPU s) at a steady pace."""
    begin = time.monotonic()
    while (elapsed := time.monotonic() - begin) < seconds:
        times = process.cpu_times()
        yield elapsed, process.memory_info().rss / 2**20, times.user + times.system
        time.sleep(every_s)


def main(minutes: float = 10.0) -> None:
    """Print a row a minute, then the whole."""
    with tempfile.TemporaryDirectory() as folder, running_product(Path(folder)) as product:
        load = subprocess.Popen(
            [sys.executable, "-m", "tests.bench._load", product.otlp_grpc, str(POINTS_PER_S), str(minutes * 60)]
        )
        process = psutil.Process(product.process.pid)
        seen = list(samples(process, minutes * 60))
        load.wait()
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(f"{'minute':>6} {'resident MiB':>13} {'CPU of a core':>14}")
    for minute in range(round(minutes)):
        rows = [row for row in seen if minute * 60 <= row[0] < (minute + 1) * 60]
        share = (rows[-1][2] - rows[0][2]) / max(rows[-1][0] - rows[0][0], 1e-9)
        print(f"{minute + 1:>6} {max(row[1] for row in rows):>13.0f} {share:>14.1%}")
    points = POINTS_PER_S * minutes * 60
    print(f"points sent {points:.0f}, on disk {size / 2**20:.1f} MiB ({size / points:.2f} bytes a point)")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
