"""Clients that hang up while an Arrow stream is on its way."""

import socket
from pathlib import Path

from tests.bench.stall import fills, read, send
from tests.product import Product, running_product

PATH = "/api/events/flashmm.fill?start=0"
EVENTS = 30_000


def _hang_up(product: Product, after_bytes: int) -> None:
    """Ask for the stream, read so much of it, and reset the connection."""
    host, _, port = product.http.removeprefix("http://").rpartition(":")
    asked = f"GET {PATH} HTTP/1.1\r\nhost: localhost\r\naccept: application/vnd.apache.arrow.stream\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(asked.encode())
        left = after_bytes
        while left > 0:
            left -= len(connection.recv(min(left, 4_096))) or left
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def test_streams_that_nobody_reads_to_the_end(tmp_path: Path) -> None:
    """However far they came, the next reader gets everything, and every place behind the gate is free again."""
    with running_product(tmp_path) as product:
        address = product.http.removeprefix("http://")
        headers = {"content-type": "application/x-protobuf"}
        assert send(product.otlp_http, "/v1/logs", headers, fills(EVENTS).SerializeToString()) == 200
        whole = read(address, PATH)
        for number in range(20):
            _hang_up(product, number * 5_000)
        assert read(address, PATH) == whole
        assert product.process.poll() is None
