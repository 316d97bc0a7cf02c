"""10,000 points a second for ten minutes: memory, CPU, disk of `flashmm up`.

First with nothing else, then with the demo, a client of the stream and an open Trader's board.

`python -m tests.bench.endurance [MINUTES]`
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from tests.product import Product, running_product

POINTS_PER_S = 10_000


def samples(process: psutil.Process, seconds: float, every_s: float = 5.0) -> Iterator[tuple[float, float, float]]:
    """(elapsed s, resident MB, CPU s) at a steady pace."""
    begin = time.monotonic()
    while (elapsed := time.monotonic() - begin) < seconds:
        times = process.cpu_times()
        yield elapsed, process.memory_info().rss / 1e6, times.user + times.system
        time.sleep(every_s)


def main(minutes: float = 10.0) -> None:
    """Print both tables: nothing but the load; the demo, the live page and the Trader's board beside it."""
    for title, flags in (("nobody looks on", ()), ("with the demo, a page and a board", ("--demo",))):
        with tempfile.TemporaryDirectory() as folder, running_product(Path(folder), *flags) as product:
            seen = _under_load(product, minutes * 60, watched=bool(flags))
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        _print(title, seen, minutes, size)


def _under_load(product: Product, seconds: float, *, watched: bool) -> list[tuple[float, float, float]]:
    """Samples of a product while points come in, and while somebody reads."""
    commands = [["tests.bench._load", product.otlp_grpc, str(POINTS_PER_S)]]
    if watched:
        commands.append(["tests.bench._readers", product.http])
    beside = [subprocess.Popen([sys.executable, "-m", *command, str(seconds)]) for command in commands]
    seen = list(samples(psutil.Process(product.process.pid), seconds))
    for each in beside:
        if each.wait():
            raise RuntimeError(f"{each.args} ended with {each.returncode}")
    return seen


def _print(title: str, seen: list[tuple[float, float, float]], minutes: float, size: int) -> None:
    print(f"{title}\n{'minute':>6} {'resident MB':>13} {'CPU of a core':>14}")
    for minute in range(round(minutes)):
        rows = [row for row in seen if minute * 60 <= row[0] < (minute + 1) * 60]
        share = (rows[-1][2] - rows[0][2]) / max(rows[-1][0] - rows[0][0], 1e-9)
        print(f"{minute + 1:>6} {max(row[1] for row in rows):>13.0f} {share:>14.1%}")
    points = POINTS_PER_S * minutes * 60
    print(f"points sent {points:.0f}, on disk {size / 1e6:.1f} MB ({size / points:.2f} bytes a point)", flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
