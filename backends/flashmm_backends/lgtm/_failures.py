"""What went wrong between us and a store, told so that its reader knows which setting to change."""

from dataclasses import dataclass

import httpx

from flashmm_backends.certificates import certificate_problem


@dataclass(frozen=True, slots=True)
class Story:
    """Names the settings of one store. product: as in Prometheus. section: of the settings, as in metrics."""

    product: str
    section: str

    def setting(self, name: str) -> str:
        """A setting in both its spellings."""
        return f"{self.section}.{name} (FLASHMM_{self.section.upper()}__{name.upper()})"

    def of_transport(self, error: httpx.HTTPError | httpx.InvalidURL) -> str:
        """Why a request got no answer, and the remedy."""
        if reason := certificate_problem(error):
            return (
                f"its certificate isn't trusted ({reason}): give the PEM file of the authority that signed it in "
                f"{self.setting('ca_file')}, and use the host name that the certificate is for"
            )
        if isinstance(error, httpx.TimeoutException):
            return (
                f"no answer in time ({type(error).__name__}): is it overloaded? "
                f"{self.setting('attempt_s')} is how long an attempt may take"
            )
        if isinstance(error, httpx.ConnectError):
            return f"cannot connect ({error}): is {self.product} running there? check {self.setting('url')}"
        return f"the connection failed ({error or type(error).__name__}): check {self.setting('url')}"

    def of_status(self, response: httpx.Response) -> str:
        """Why an answer is of no use, and the remedy."""
        status, excerpt = response.status_code, _excerpt(response)
        if status in (401, 403):
            return (
                f"HTTP {status}: the credentials are missing, expired or not allowed to read ({excerpt}): renew "
                f"{self.setting('token')}, or {self.setting('username')} and password; "
                f"or is {self.setting('tenant')} wrong?"
            )
        if response.is_redirect:
            target = response.headers.get("location", "")
            return (
                f"HTTP {status} sends elsewhere ({target}), as a login page does: give the API's own address in "
                f"{self.setting('url')}"
            )
        if status in (404, 405):
            return f"HTTP {status}: there is no {self.product} API at this path: {self._wrong_address()}"
        if "no org id" in excerpt.lower():
            return f"HTTP {status} ({excerpt}): it keeps tenants apart: set {self.setting('tenant')}"
        return f"HTTP {status} ({excerpt})"

    def of_content(self, response: httpx.Response) -> str:
        """Why an answer that should be JSON of the API is of no use."""
        kind = response.headers.get("content-type", "no content type")
        return f"the answer isn't {self.product}'s JSON ({kind}: {_excerpt(response)}): {self._wrong_address()}"

    def _wrong_address(self) -> str:
        return f"check {self.setting('url')}, its base path included (Mimir's mostly ends in /prometheus)"


def _excerpt(response: httpx.Response) -> str:
    text = " ".join(response.text[:400].split())
    return text[:160] or "empty"
