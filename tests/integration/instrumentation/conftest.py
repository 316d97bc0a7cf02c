"""OTLP peers as fixtures."""

from collections.abc import Iterator

import pytest
from tests import otlp_peer
from tests.otlp_peer import GrpcPeer, HttpPeer


@pytest.fixture
def grpc_peer() -> Iterator[GrpcPeer]:
    """A running gRPC peer."""
    with otlp_peer.grpc_peer() as peer:
        yield peer


@pytest.fixture
def http_peer() -> Iterator[HttpPeer]:
    """A running HTTP peer."""
    with otlp_peer.http_peer() as peer:
        yield peer
