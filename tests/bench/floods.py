"""A bot beside senders of HTTP/2 frames that ask for nothing: how long its export takes, and what the product takes.

`python -m tests.bench.floods [CONNECTIONS] [SECONDS]`; the floods come from a process of their own.
"""

import contextlib
import itertools
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
from tests.bench.crowd import OPENED, Bot
from tests.product import running_product

_PATH = b"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """One frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


_HEAD = b"\x83\x86" + b"".join(
    _literal(*each)
    for each in (
        (b":path", _PATH),
        (b":authority", b"x"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
)
_KEPT = b"\x40\x01a\x7f\xbd\x1d" + b"b" * 3_900
"""A header that goes into HPACK's table, where one byte stands for it from then on."""


def _calls(more: bytes, *, reset: bool) -> Iterator[bytes]:
    for stream in itertools.count(1, 2):
        begun = frame(1, _HEAD + more, 4, stream)
        yield begun + frame(3, bytes(4), 0, stream) if reset else begun


def _data() -> Iterator[bytes]:
    yield frame(1, _HEAD, 4, 1)
    yield from itertools.repeat(frame(0, b"", 0, 1) * 4_000)


def _silent() -> Iterator[bytes]:
    yield b"".join(itertools.islice(_calls(b"", reset=False), 16))
    while True:
        time.sleep(0.1)
        yield b""


def _packed() -> Iterator[bytes]:
    yield frame(1, _HEAD + _KEPT, 4, 1)
    yield from itertools.islice(_calls(b"\xbe" * 15_000, reset=True), 1, None)


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "PING": lambda: itertools.repeat(frame(6, bytes(8)) * 4_000),
    "SETTINGS": lambda: itertools.repeat(frame(4) * 4_000),
    "WINDOW_UPDATE": lambda: itertools.repeat(frame(8, b"\0\0\0\1") * 4_000),
    "PRIORITY": lambda: itertools.repeat(frame(2, bytes(5), 0, 3) * 4_000),
    "unknown": lambda: itertools.repeat(frame(0xEE) * 4_000),
    "rapid reset": lambda: _calls(b"", reset=True),
    "too many calls": lambda: _calls(b"", reset=False),
    "empty DATA": _data,
    "packed headers": _packed,
    "silent calls": _silent,
}


def _flood(port: int, kind: str, end: float) -> None:
    while time.time() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            threading.Thread(target=_read, args=(connection,), daemon=True).start()
            connection.sendall(OPENED)
            for data in itertools.takewhile(lambda _: time.time() < end, FLOODS[kind]()):
                connection.sendall(data)


def _read(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(65_536):
            pass


def _flood_all(port: int, kind: str, connections: int, seconds: float) -> None:
    end = time.time() + seconds
    threads = [threading.Thread(target=_flood, args=(port, kind, end)) for _ in range(connections)]
    print("sending", flush=True)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def _beside(*arguments: object) -> Iterator[None]:
    """While a flood from another process lasts."""
    told = [sys.executable, "-m", "tests.bench.floods", "flood", *map(str, arguments)]
    with subprocess.Popen(told, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def _exports_ms(bot: Bot, seconds: float) -> list[float]:
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        bot.send()
        took.append((time.perf_counter() - begin) * 1e3)
    return took


def main(connections: int = 4, seconds: float = 5.0) -> None:
    """Print a row a flood: the median and the slowest export of a bot in ms, CPU seconds and MB of the product."""
    with tempfile.TemporaryDirectory() as folder, running_product(Path(folder)) as product:
        process, bot = psutil.Process(product.process.pid), Bot(product.otlp_grpc)
        bot.send()
        print("| beside | p50 | longest | CPU | MB |\n|---|---|---|---|---|")
        for kind in ("nothing", *FLOODS):
            port, before_s = product.otlp_grpc.rpartition(":")[2], sum(process.cpu_times()[:2])
            flood = contextlib.nullcontext() if kind == "nothing" else _beside(port, kind, connections, seconds + 5)
            with flood:
                p50, longest = np.percentile(_exports_ms(bot, seconds), [50, 100])
            cpu_s = sum(process.cpu_times()[:2]) - before_s
            print(
                f"| {kind} | {p50:.0f} | {longest:.0f} | {cpu_s:.1f} | {process.memory_info().rss >> 20} |",
                flush=True,
            )
        bot.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["flood"]:
        _flood_all(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    else:
        main(*map(int, sys.argv[1:]))
