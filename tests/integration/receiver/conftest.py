"""A receiver over a store in memory, on free ports."""

import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from flashmm_backends.testing import MemoryStore
from flashmm_receiver import Receiver, ReceiverSettings

FREE = {"grpc_bind": "127.0.0.1:0", "http_bind": "127.0.0.1:0"}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def settings() -> ReceiverSettings:
    return ReceiverSettings(**FREE)


@pytest.fixture
async def receiver(
    store: MemoryStore, registry: CollectorRegistry, settings: ReceiverSettings
) -> AsyncIterator[Receiver]:
    async with Receiver(settings, store, clock=time.time_ns, registry=registry) as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cert.pem` and `key.pem` for localhost: self-signed, so the certificate is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    subprocess.run(["openssl", "req", *kind, *name, *files], check=True, capture_output=True)
    return folder
