"""Bearer tokens and TLS over real connections."""

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.unit.receiver.otlp import gauge, metrics_request, number

from flashmm_backends.testing import MemoryStore
from flashmm_receiver import NotConfigured, Receiver, ReceiverSettings

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
FREE = {"grpc_bind": "127.0.0.1:0", "http_bind": "127.0.0.1:0"}
BODY = metrics_request(gauge("g", number(1.0))).SerializeToString()
PROTOBUF = {"content-type": "application/x-protobuf"}


def running(store: MemoryStore, **settings) -> Receiver:
    return Receiver(ReceiverSettings(**FREE, **settings), store, clock=time.time_ns, registry=CollectorRegistry())


@pytest.mark.parametrize(
    ("authorization", "allowed"),
    [("Bearer secret", True), ("bearer secret", True), ("Bearer wrong", False), ("Basic secret", False), ("", False)],
)
async def test_tokens(authorization: str, allowed: bool, store: MemoryStore) -> None:
    """Without the right bearer token: 401 and UNAUTHENTICATED, and nothing is stored."""
    async with running(store, token="secret") as receiver:
        headers = {**PROTOBUF, "authorization": authorization} if authorization else PROTOBUF
        async with httpx.AsyncClient(timeout=30) as client:
            url = f"http://127.0.0.1:{receiver.http_port}/v1/metrics"
            response = await client.post(url, content=BODY, headers=headers)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
            call = channel.unary_unary(METHOD)(BODY, metadata=(("authorization", authorization),))
            code = await call.code()
    assert response.status_code == (200 if allowed else 401)
    assert code == (grpc.StatusCode.OK if allowed else grpc.StatusCode.UNAUTHENTICATED)
    assert len(store.batches) == int(allowed)
    assert ("www-authenticate" in response.headers) is not allowed


def _client_context(folder: Path, *, with_certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    if with_certificate:
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def _https(receiver: Receiver, folder: Path, *, with_certificate: bool) -> int:
    context = _client_context(folder, with_certificate=with_certificate)
    async with httpx.AsyncClient(verify=context, timeout=30) as client:
        url = f"https://localhost:{receiver.http_port}/v1/metrics"
        return (await client.post(url, content=BODY, headers=PROTOBUF)).status_code


async def _grpcs(receiver: Receiver, folder: Path, *, with_certificate: bool) -> grpc.StatusCode:
    root, key = (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()
    own = (key, root) if with_certificate else (None, None)
    async with grpc.aio.secure_channel(
        f"localhost:{receiver.grpc_port}", grpc.ssl_channel_credentials(root, *own)
    ) as channel:
        return await channel.unary_unary(METHOD)(BODY, timeout=30).code()


async def test_tls(certificates: Path, store: MemoryStore) -> None:
    """Both ports speak TLS, and plain text is not served."""
    files = {"tls_certificate": certificates / "cert.pem", "tls_key": certificates / "key.pem"}
    async with running(store, **files) as receiver:
        assert await _https(receiver, certificates, with_certificate=False) == 200
        assert await _grpcs(receiver, certificates, with_certificate=False) == grpc.StatusCode.OK
        async with httpx.AsyncClient(timeout=30) as client:
            with pytest.raises(httpx.TransportError):
                await client.post(f"http://localhost:{receiver.http_port}/v1/metrics", content=BODY)


async def test_client_certificates(certificates: Path, store: MemoryStore) -> None:
    """With an authority for clients, those without its certificate are turned away."""
    files = {"tls_certificate": certificates / "cert.pem", "tls_key": certificates / "key.pem"}
    async with running(store, **files, tls_client_ca=certificates / "cert.pem") as receiver:
        assert await _https(receiver, certificates, with_certificate=True) == 200
        assert await _grpcs(receiver, certificates, with_certificate=True) == grpc.StatusCode.OK
        with pytest.raises(httpx.TransportError):
            await _https(receiver, certificates, with_certificate=False)
        assert await _grpcs(receiver, certificates, with_certificate=False) == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"tls_certificate": Path("a")}, "tls_certificate and tls_key: set both or none"),
        ({"tls_client_ca": Path("a")}, "tls_client_ca: client certificates need"),
        ({"tls_certificate": Path("/absent"), "tls_key": Path("/absent")}, "No such file"),
    ],
)
async def test_incomplete_settings_are_named(settings: dict[str, Path], told: str, store: MemoryStore) -> None:
    """Half a configuration doesn't start."""
    with pytest.raises(NotConfigured, match=told):
        async with running(store, **settings):
            pass


async def test_handshakes_that_do_not_end_make_room(certificates: Path, store: MemoryStore) -> None:
    """They have taken their places before they have agreed on anything."""
    files = {"tls_certificate": certificates / "cert.pem", "tls_key": certificates / "key.pem"}
    few = {"connections_max": 3, "grpc_connections_max": 3}
    async with running(store, **files, **few) as receiver, contextlib.AsyncExitStack() as crowd:
        for port in (receiver.http_port, receiver.grpc_port) * 9:
            opened = crowd.enter_context(socket.socket())
            opened.settimeout(0)
            await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
            opened.send(b"\x16\x03\x01")
        assert await _https(receiver, certificates, with_certificate=False) == 200
        assert await _grpcs(receiver, certificates, with_certificate=False) == grpc.StatusCode.OK
