"""Which ledgers, and how they are reached."""

import ssl
from dataclasses import dataclass

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
