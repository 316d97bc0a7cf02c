"""Garbage on the public port: an answer in the protocol, and the process stays up."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from tests.product import Product, running_product

QUERIES = [
    "",
    "(" * 5000 + "1" + ")" * 5000,
    "1" + "+1" * 5000,
    "x offset inf",
    "x @ -1e300",
    '{__name__=~"(a+)+$"}',
    'x{a=~"(?=lookahead)"}',
    "\x00\ufffd",
    "mad_over_time(x[5m])",
    "sum(rate(x[1s:1ms]))",
]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product with nothing in it."""
    with running_product(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_query_that_cannot_be_answered_gets_prometheuss_error_form(product: Product, query: str) -> None:
    """Refused or empty, in JSON, and quickly."""
    answer = httpx.post(f"{product.http}/api/v1/query", data={"query": query}, timeout=30)
    body = answer.json()
    assert body["status"] in {"success", "error"}
    if body["status"] == "error":
        assert answer.status_code in {400, 422, 503}
        assert body["errorType"]
        assert body["error"]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\x00\xff\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_bytes_that_are_no_http_end_the_connection_alone(product: Product, sent: bytes) -> None:
    """The next client is served as if nothing had been."""
    host, port = product.http.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        raw.recv(65536)
    assert httpx.get(f"{product.http}/readyz", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/events/nope", 404),
        ("/api/events/flashmm.fill?start=nonsense", 400),
        ("/api/events/flashmm.fill?where=nope%3D1", 400),
        ("/api/orders/%00%ff", 404),
        ("/api/orders?limit=999999999999999999999", 400),
        ("/nowhere", 404),
        ("/static/../../etc/passwd", 404),
        ("/static/%2e%2e/%2e%2e/etc/passwd", 404),
    ],
)
def test_wrong_addresses_are_told_so(product: Product, path: str, status: int) -> None:
    """A status that fits, and no trace of the inside."""
    answer = httpx.get(product.http + path, timeout=30)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_a_head_without_end_is_cut_off(product: Product) -> None:
    """Headers are bounded: the connection ends after some kilobytes."""
    host, port = product.http.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                raw.sendall(b"a: " + b"b" * 60_000 + b"\r\n")
    assert httpx.get(f"{product.http}/readyz", timeout=30).status_code == 200


def test_a_foreign_host_is_not_answered(product: Product) -> None:
    """A page of another site that reaches this address by DNS gets nothing."""
    assert httpx.get(product.http, headers={"host": "evil.example"}, timeout=30).status_code == 421


def test_a_posted_megabyte_of_nonsense_is_refused(product: Product) -> None:
    """Bodies are bounded."""
    answer = httpx.post(f"{product.http}/api/v1/query", content=b"query=" + b"x" * 20_000_000, timeout=30)
    assert answer.status_code == 413
    assert httpx.get(f"{product.http}/readyz", timeout=30).status_code == 200
