"""Which ledgers, and how they are reached."""

import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from flashmm_backends.ranges import Names, Seconds


@dataclass(frozen=True)
class LedgersSettings:
    """Ledgers of other processes, read as one. With any, this process receives nothing and has no ledger itself."""

    urls: Names = ()
    """Their addresses, such as http://flashmm-0:8080: page and API of each. In the environment: separated by
    commas."""

    token: str = ""
    """Their `http.token`, the same for all; empty sends none."""

    ca_file: str = ""
    """PEM file of the authority that signed their certificates; empty trusts the system's."""

    attempt_s: Seconds = 30.0
    """How long one answer may take."""

    @property
    def headers(self) -> dict[str, str]:
        """What each request carries."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def trust(self, url: str) -> ssl.SSLContext | None:
        """How an address's certificate is judged; None without TLS. Raises OSError."""
        return ssl.create_default_context(cafile=self.ca_file or None) if url.startswith("https:") else None


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
