"""The access check."""

import base64

import httpx
import pytest

from flashmm_orchestration.access import Access, Receive, Scope, Send, presented_token
from flashmm_receiver.hosts import KnownHosts, host_name, is_loopback, is_own_origin


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers everything."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def ask(path: str, token: str = "", host: str = "localhost:8080", **headers: str) -> httpx.Response:
    app = Access(hello, hosts=["localhost", "127.0.0.1", "::1"], token=token)
    transport = httpx.ASGITransport(app)  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"])
async def test_own_names_are_answered(host: str) -> None:
    """With and without a port, IPv6 in brackets."""
    assert (await ask("/", host=host)).status_code == 200


async def test_a_foreign_host_is_misdirected() -> None:
    """A name that some other site's DNS points here gets nothing."""
    answer = await ask("/", host="evil.example")
    assert answer.status_code == 421
    assert "allowed_hosts" in answer.text


@pytest.mark.parametrize(
    "authorization", ["Bearer s3cret", "bearer s3cret", "Basic " + base64.b64encode(b"any:s3cret").decode()]
)
async def test_the_token_opens(authorization: str) -> None:
    """As a bearer token, or as the password of HTTP Basic."""
    assert (await ask("/", "s3cret", authorization=authorization)).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer wrong", "Basic !!!", "Basic " + base64.b64encode(b"\xff").decode()]
)
async def test_anything_else_is_asked_for_the_token(authorization: str) -> None:
    """Garbage in the header is no error of ours."""
    answer = await ask("/", "s3cret", authorization=authorization)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_probes_need_no_token() -> None:
    """An orchestrator's probe has none."""
    assert (await ask("/livez", "s3cret")).status_code == 200


async def test_a_websocket_without_the_token_is_closed() -> None:
    """The stream is as protected as the page."""
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        sent.append(message)  # pyright: ignore[reportArgumentType]

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/stream", "headers": [(b"host", b"localhost")]}
    await Access(hello, hosts=["localhost"], token="s3cret")(scope, receive, send)
    assert sent[0]["type"] == "websocket.close"


@pytest.mark.parametrize(
    ("host", "loopback"), [("localhost", True), ("127.3.2.1", True), ("::1", True), ("0.0.0.0", False), ("x", False)]
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only what no other machine reaches."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (" LocalHost:80 ", "localhost"),
        ("[::1]:80", "::1"),
        ("[0:0::1]", "::1"),
        ("::1", ""),
        ("", ""),
        ("localhost:80.evil.com", ""),
        ("localhost:", ""),
        ("localhost:99999", ""),
        ("evil@localhost", ""),
        ("localhost,evil.example", ""),
        ("[localhost]", ""),
        ("localhost/x", ""),
        ("localhost\x00", ""),
        ("[::1", ""),
        ("flash_mm-1.example:8080", "flash_mm-1.example"),
    ],
)
def test_a_host_header_is_read_strictly(header: str, name: str) -> None:
    """A name or an address in brackets, and a port; anything else is nobody's name."""
    assert host_name(header) == name
    assert KnownHosts(["*"]).knows(header) is bool(name)


async def test_two_host_headers_are_none() -> None:
    """The one that a proxy checks need not be the one that we read."""
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        sent.append(message)  # pyright: ignore[reportArgumentType]

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    scope = {"type": "http", "path": "/", "headers": [(b"host", b"localhost"), (b"host", b"localhost")]}
    await Access(hello, hosts=[], token="")(scope, receive, send)
    assert sent[0]["status"] == 421


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://localhost:4318", True),
        ("http://LOCALHOST:4318", True),
        ("https://localhost:4318", False),
        ("http://localhost:8080", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_is_scheme_name_and_port(origin: str, own: bool) -> None:
    """All three, or it is another page's."""
    assert is_own_origin(origin, "http", "localhost:4318") is own


def test_an_unknown_scheme_presents_no_token() -> None:
    """Only bearer and basic."""
    assert presented_token("Digest abc") == ""
