"""A client for each of the ledgers."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from flashmm_backends.shards._settings import LedgersSettings


@asynccontextmanager
async def connected(settings: LedgersSettings) -> AsyncGenerator[Sequence[httpx.AsyncClient]]:
    """A client for each ledger, closed here; nothing is asked yet. Raises OSError where `ca_file` can't be read."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_client(settings, url)) for url in settings.urls]


def _client(settings: LedgersSettings, url: str) -> httpx.AsyncClient:
    trust = settings.trust(url)
    return httpx.AsyncClient(
        base_url=url,
        headers=settings.headers,
        verify=True if trust is None else trust,
        timeout=settings.attempt_s,
    )
