"""The product beside a crowd of connections that ask for nothing: who still gets an answer, and what it takes.

`python -m tests.bench.crowd [CONNECTIONS]`; on each port in turn: silent ones, those that stop amid a request's head
or body, or amid HTTP/2's opening, and on the gRPC port those that have opened HTTP/2 and make no call.
"""

import contextlib
import http.client
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import grpc
import psutil
from tests.bench._load import request as metrics_of
from tests.bench.receiver import GRPC_METHOD
from tests.product import Product, running_product

OPENED = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
PARTS = {
    "otlp_grpc": (b"", OPENED[:9], OPENED),
    "otlp_http": (b"", b"POST /v1/met", b"POST /v1/logs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx"),
    "http": (b"", b"GET / HT", b"POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx"),
}


@contextlib.contextmanager
def crowd(address: str, parts: tuple[bytes, ...], count: int) -> Generator[list[socket.socket]]:
    """So many connections to an address, each with one of the parts sent."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    with contextlib.ExitStack() as stack:
        opened: list[socket.socket] = []
        for number in range(count):
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            with contextlib.suppress(ConnectionError):
                connection.sendall(parts[number % len(parts)])
            opened.append(connection)
        yield opened


class Bot:
    """A well-behaved sender with a connection of its own."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self._call = self._channel.unary_unary(GRPC_METHOD)

    def send(self) -> None:
        """One export. Raises grpc.RpcError."""
        self._call(metrics_of(0, 100, time.time_ns(), 1.0).SerializeToString(), timeout=10)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


def newcomer(address: str) -> None:
    """An export over a new connection."""
    bot = Bot(address)
    try:
        bot.send()
    finally:
        bot.close()


def get(address: str, path: str) -> None:
    """A page over a new connection."""
    post(address, path, None)


def post(address: str, path: str, body: bytes | None) -> None:
    """An answer of 200 over a new connection."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        kind = {"content-type": "application/x-protobuf"}
        connection.request("GET" if body is None else "POST", path, body, kind)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{path} was answered {answer.status}")
    finally:
        connection.close()


def worst_ms(work: Callable[[], object], times: int = 20) -> float:
    """How long the slowest took. Raises what work raises."""
    took: list[float] = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return max(took) * 1e3


def everybody(product: Product, bot: Bot) -> dict[str, float]:
    """Whoever should get an answer, and how long the slowest took. Raises where one got none."""
    return {
        "bot": worst_ms(bot.send),
        "new bot": worst_ms(lambda: newcomer(product.otlp_grpc)),
        "OTLP/HTTP": worst_ms(lambda: post(product.otlp_http, "/v1/metrics", b"")),
        "page": worst_ms(lambda: get(product.http, "/")),
        "/livez": worst_ms(lambda: get(product.http, "/livez")),
    }


def _row(name: str, product: Product, bot: Bot) -> None:
    process = psutil.Process(product.process.pid)
    took = " | ".join(f"{each:.0f}" for each in everybody(product, bot).values())
    print(f"| {name} | {took} | {process.num_fds()} | {process.memory_info().rss >> 20} |", flush=True)


def main(connections: int = 10_000) -> None:
    """Print a row a port: the slowest of twenty answers in ms, then open files and resident MB of the product."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (connections + 1_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder, running_product(Path(folder)) as product:
        bot = Bot(product.otlp_grpc)
        print(
            "| crowd on | bot | new bot | OTLP/HTTP | page | /livez | files | MB |\n|---|---|---|---|---|---|---|---|"
        )
        _row("no port", product, bot)
        for port, parts in PARTS.items():
            with crowd(getattr(product, port), parts, connections):
                _row(port, product, bot)
        print(_displaced(product))
        bot.close()


def _displaced(product: Product) -> str:
    connection = http.client.HTTPConnection(product.http.removeprefix("http://"), timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return "\n".join(line for line in text.splitlines() if "displaced" in line)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
