"""A receiver over a store in memory, on free ports."""

import time
from collections.abc import AsyncIterator

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
