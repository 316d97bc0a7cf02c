"""`flashmm doctor` and its neighbours against real peers: each classic mistake is called by its name."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.product import Product, running_product

from flashmm_backends.testing import MemoryStore
from flashmm_orchestration.cli._client import Client
from flashmm_orchestration.cli._journey import Finding, Journey, examine, not_up
from flashmm_orchestration.cli._otlp import Otlp
from flashmm_orchestration.cli._probe import Probe
from flashmm_orchestration.cli._reach import NoAnswer
from flashmm_orchestration.cli._spoken import Spoken, Unreachable, spoken_at
from flashmm_receiver import Receiver, ReceiverSettings

FREE = ReceiverSettings(grpc_bind="127.0.0.1:0", http_bind="127.0.0.1:0")


def receiver(settings: ReceiverSettings) -> AbstractAsyncContextManager[Receiver]:
    """A running receiver over a store in memory."""
    return Receiver(settings, MemoryStore(), clock=time.time_ns, registry=CollectorRegistry())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a self-signed `cert.pem` for localhost, and its `key.pem`."""
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    return folder


@pytest.fixture
async def plain() -> AsyncIterator[Receiver]:
    """Plain OTLP that asks for a token."""
    async with receiver(replace(FREE, token="right")) as running:
        yield running


@pytest.fixture
async def encrypted(certificate: Path) -> AsyncIterator[Receiver]:
    """OTLP over TLS."""
    files = {"tls_certificate": certificate / "cert.pem", "tls_key": certificate / "key.pem"}
    async with receiver(replace(FREE, **files)) as running:
        yield running


async def told(otlp: Otlp) -> str:
    """What sending there is told; empty where it succeeds."""

    def send() -> str:
        try:
            otlp.send(Probe(time.time_ns()).requests())
        except NoAnswer as error:
            return str(error)
        return ""

    return await asyncio.to_thread(send)


async def test_a_port_tells_what_it_speaks(plain: Receiver, encrypted: Receiver) -> None:
    """HTTP, gRPC, each with TLS and without."""
    ports = (plain.http_port, plain.grpc_port, encrypted.http_port, encrypted.grpc_port)
    seen = [await asyncio.to_thread(spoken_at, "localhost", port) for port in ports]
    assert seen == [Spoken.HTTP, Spoken.GRPC, Spoken.TLS, Spoken.TLS_GRPC]


@pytest.mark.parametrize(
    ("host", "words"), [("127.0.0.1", "nothing listens"), ("no.such.host.invalid", "name"), ("a" * 70, "name")]
)
def test_an_address_where_nobody_is_says_which_part_of_it_is_wrong(host: str, words: str) -> None:
    """The port or the name."""
    with pytest.raises(Unreachable, match=words):
        spoken_at(host, 1)


def test_a_port_that_never_speaks_is_neither() -> None:
    """Within the time that it is given."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert spoken_at("127.0.0.1", silent.getsockname()[1]) is Spoken.OTHER


@pytest.mark.parametrize("grpc", [False, True])
async def test_a_probe_is_taken(plain: Receiver, grpc: bool) -> None:
    """Over both of OTLP's transports."""
    port = plain.grpc_port if grpc else plain.http_port
    assert await told(Otlp(f"http://127.0.0.1:{port}", "right", grpc=grpc)) == ""


@pytest.mark.parametrize("grpc", [False, True])
async def test_the_wrong_one_of_the_two_ports_is_named(plain: Receiver, grpc: bool) -> None:
    """gRPC's where HTTP is meant, and the reverse."""
    port = plain.http_port if grpc else plain.grpc_port
    answer = await told(Otlp(f"http://127.0.0.1:{port}", "right", grpc=grpc))
    assert ("that port speaks plain HTTP." if grpc else "plain HTTP/2, as gRPC does") in answer
    assert ("mostly 4317" if grpc else "mostly 4318") in answer
    assert f"--protocol {'http/protobuf' if grpc else 'grpc'}." in answer


@pytest.mark.parametrize("grpc", [False, True])
async def test_plain_where_tls_is_spoken_and_the_reverse(plain: Receiver, encrypted: Receiver, grpc: bool) -> None:
    """Says which scheme to write."""
    port = encrypted.grpc_port if grpc else encrypted.http_port
    assert "https://" in (await told(Otlp(f"http://localhost:{port}", grpc=grpc))).partition("TLS")[2]
    port = plain.grpc_port if grpc else plain.http_port
    assert "not TLS" in await told(Otlp(f"https://localhost:{port}", grpc=grpc))


@pytest.mark.parametrize("grpc", [False, True])
async def test_a_self_signed_certificate_is_named_and_can_be_trusted(
    encrypted: Receiver, certificate: Path, grpc: bool
) -> None:
    """With the option that takes it."""
    port = encrypted.grpc_port if grpc else encrypted.http_port
    there = Otlp(f"https://localhost:{port}", grpc=grpc)
    answer = await told(there)
    assert "certificate isn't trusted" in answer
    assert "--otlp-ca-file" in answer
    assert await told(replace(there, ca_file=certificate / "cert.pem")) == ""


@pytest.mark.parametrize("grpc", [False, True])
@pytest.mark.parametrize(("token", "words"), [("", "none was sent"), ("wrong", "wrong or expired")])
async def test_a_missing_and_a_wrong_token_are_told_apart(
    plain: Receiver, grpc: bool, token: str, words: str
) -> None:
    """And where the right one is set."""
    port = plain.grpc_port if grpc else plain.http_port
    answer = await told(Otlp(f"http://127.0.0.1:{port}", token, grpc=grpc))
    assert words in answer
    assert "FLASHMM_RECEIVER__TOKEN" in answer


@pytest.mark.parametrize("url", ["localhost:4318", "http://", "ftp://x", "http://[::1", "http://x:99999"])
@pytest.mark.parametrize("grpc", [False, True])
async def test_what_is_no_address_is_refused_as_such(url: str, grpc: bool) -> None:
    """With the option that gave it."""
    assert "--otlp" in await told(Otlp(url, grpc=grpc))


# The whole path.


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product with a token."""
    with running_product(tmp_path_factory.mktemp("product") / "data", FLASHMM_HTTP__TOKEN="page") as running:
        yield running


def journey(product: Product) -> Journey:
    """To it and back."""
    return Journey(Otlp(f"http://{product.otlp_http}"), Client(product.http, "page"))


def broken(findings: list[Finding]) -> str:
    """The one step that breaks, with its remedy."""
    (finding,) = [each for each in findings if not each.ok]
    return f"{finding.step}: {finding.seen} → {finding.fix}"


def test_the_whole_path_holds(product: Product) -> None:
    """Emitted, and found again as metric, event and span."""
    findings = list(examine(journey(product)))
    assert [each.step for each in findings if each.ok] == ["server", "emit", "query", "ledger", "traces"]


def test_the_probe_leaves_every_window_complete(product: Product) -> None:
    """Its stream begins and ends with its one mark."""
    list(examine(journey(product)))
    answer = Client(product.http, "page").get("/api/events/flashmm.stream", {"start": "1h"})
    assert answer["completeness"]["received"] == answer["completeness"]["expected"] > 0


def test_clocks_that_disagree_are_told(product: Product) -> None:
    """By how much, and which is ahead."""
    ahead = replace(journey(product), wall_ns=lambda: time.time_ns() + 90 * 10**9)
    first = next(iter(examine(ahead)))
    assert "ahead of the server's" in first.seen
    assert "NTP" in first.fix


def test_a_record_from_the_far_future_is_refused_with_the_reason(product: Product) -> None:
    """The receiver's own words, and the clock as the remedy."""
    ahead = replace(journey(product), wall_ns=lambda: time.time_ns() + 86_400 * 10**9)
    findings = list(examine(ahead))
    assert [each.step for each in findings] == ["server", "emit"]
    assert "clock" in findings[1].fix


@pytest.mark.parametrize(("token", "words"), [("", "Give the server's token"), ("x", "The token is wrong")])
def test_the_pages_token_is_told(product: Product, token: str, words: str) -> None:
    """Missing and wrong; what was emitted is not lost sight of."""
    findings = list(examine(replace(journey(product), client=Client(product.http, token))))
    assert words in broken(findings)
    assert [each.step for each in findings] == ["server", "emit"]


def test_only_components_that_are_not_up_are_told() -> None:
    """What serves is not among them; one that says nothing of itself has no brackets."""
    seen = [("http", "ok", ""), ("ledger", "permanent_error", "the disk is full"), ("demo", "starting", "")]
    components = [{"name": name, "status": status, "detail": detail} for name, status, detail in seen]
    assert not_up(components) == "ledger is permanent_error (the disk is full); demo is starting"


def test_ports_that_were_mixed_up_are_told(product: Product) -> None:
    """OTLP's where the page's is meant, both ways, and gRPC's for either."""
    page, grpc, http = product.http, f"http://{product.otlp_grpc}", f"http://{product.otlp_http}"
    for client in (Client(grpc), Client(http)):
        assert "http.port" in broken(list(examine(replace(journey(product), client=client))))
    for otlp in (Otlp(grpc), Otlp(page, "page")):
        assert "--otlp" in broken(list(examine(replace(journey(product), otlp=otlp))))


async def test_two_servers_that_are_not_connected_are_told(product: Product) -> None:
    """What one took does not show up in the other."""
    async with receiver(FREE) as elsewhere:
        otlp = Otlp(f"http://127.0.0.1:{elsewhere.http_port}")
        findings = await asyncio.to_thread(lambda: list(examine(replace(journey(product), otlp=otlp, within_s=0.3))))
    assert [(each.step, each.ok) for each in findings] == [
        ("server", True),
        ("emit", True),
        ("query", False),
        ("ledger", False),
        ("traces", False),
    ]
    assert "Collector" in findings[2].fix
