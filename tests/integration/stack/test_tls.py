"""collector-config/tls-auth.yaml: who gets in, who is trusted, and flashmm over TLS behind it."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from tests.integration.stack.queries import eventually, get
from tests.integration.stack.telemetry import Request, Sender, event, gauge, line, logs, metrics, sender
from tests.parts import SINK_TOKEN, Server, running_collector
from tests.parts.sink import running_sink
from tests.product import running_product

pytestmark = pytest.mark.real


@contextmanager
def _certificate(folder: Path) -> Generator[tuple[Path, Path]]:
    """A certificate for localhost of its own authority, and its key."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    yield certificate, key


@pytest.fixture
def guarded(tmp_path: Path) -> Generator[tuple[Server, bytes]]:
    """A Collector behind TLS and two tokens, and the authority that bots trust."""
    tokens = tmp_path / "tokens"
    tokens.write_text("old-token\nnew-token\n")
    with _certificate(tmp_path) as (certificate, key), running_sink() as flashmm:
        environment = {
            "COLLECTOR_TLS_CERT": str(certificate),
            "COLLECTOR_TLS_KEY": str(key),
            "COLLECTOR_TOKENS_FILE": str(tokens),
            "FLASHMM_OTLP_URL": flashmm.http_url,
        }
        with running_collector(tmp_path, "tls-auth", environment=environment) as collector:
            yield collector, certificate.read_bytes()


def _secure_status(
    collector: Server, authority: bytes, token: str, request: Request | None = None
) -> grpc.StatusCode:
    """The answer to a bot that trusts the authority and shows the token. request: a line unless told otherwise."""
    transport = grpc.ssl_channel_credentials(authority)
    both = grpc.composite_channel_credentials(transport, grpc.access_token_call_credentials(token))
    with grpc.secure_channel(f"localhost:{collector.ports['grpc']}", both) as channel:
        return Sender(channel).try_once(request or logs(line("hello")))


def test_flashmm_is_reached_over_tls(tmp_path: Path) -> None:
    """With an authority of one's own for both: an event, a point and the Collector's own metrics get through."""
    (tmp_path / "tokens").write_text("a-token")
    with (
        _certificate(tmp_path) as (certificate, key),
        running_product(
            tmp_path / "data",
            FLASHMM_RECEIVER__TOKEN=SINK_TOKEN,
            FLASHMM_RECEIVER__TLS_CERTIFICATE=str(certificate),
            FLASHMM_RECEIVER__TLS_KEY=str(key),
        ) as product,
    ):
        environment = {
            "COLLECTOR_TLS_CERT": str(certificate),
            "COLLECTOR_TLS_KEY": str(key),
            "COLLECTOR_TOKENS_FILE": str(tmp_path / "tokens"),
            "FLASHMM_OTLP_URL": f"https://{product.otlp_http}",
            "SSL_CERT_FILE": str(certificate),
        }
        with running_collector(tmp_path, "tls-auth", environment=environment) as collector:
            transfer = event("flashmm.transfer", 1, venue="binance", transfer_id="t-1", amount="1", currency="USDT")
            for request in (logs(transfer), metrics(gauge("flashmm.pnl.realized", 1, unit=""))):
                answer = _secure_status(collector, certificate.read_bytes(), "a-token", request)
                assert answer is grpc.StatusCode.OK
            for name in ("flashmm_pnl_realized", "otelcol_exporter_queue_size"):
                eventually(lambda name=name: get(f"{product.http}/api/v1/query", query=name)["data"]["result"])
            eventually(lambda: get(f"{product.http}/api/events/flashmm.transfer", start="15m")["columns"]["seq"])


def test_tokens_open_the_door_and_nothing_else_does(guarded: tuple[Server, bytes]) -> None:
    """Each listed token is taken over TLS; another one, or no TLS at all, is turned away."""
    collector, authority = guarded
    assert _secure_status(collector, authority, "old-token") is grpc.StatusCode.OK
    assert _secure_status(collector, authority, "new-token") is grpc.StatusCode.OK
    assert _secure_status(collector, authority, "guessed") is grpc.StatusCode.UNAUTHENTICATED
    with sender(collector) as bot:
        assert bot.try_once(logs(line("hello"))) is grpc.StatusCode.UNAVAILABLE


def test_an_unknown_authority_is_not_trusted(guarded: tuple[Server, bytes], tmp_path: Path) -> None:
    """A bot that doesn't know the certificate's authority doesn't talk to it."""
    collector, _ = guarded
    other = tmp_path / "other"
    other.mkdir()
    with _certificate(other) as (stranger, _key):
        assert _secure_status(collector, stranger.read_bytes(), "old-token") is grpc.StatusCode.UNAVAILABLE
