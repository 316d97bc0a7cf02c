"""One store's HTTP API: credentials, attempts within a deadline, failures that say what to change."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final

import httpx

from flashmm_backends.certificates import certificate_problem
from flashmm_backends.lgtm._failures import Story
from flashmm_backends.lgtm._retry import Backoff, is_retryable, retry_after_s
from flashmm_backends.lgtm._settings import EndpointSettings
from flashmm_backends.ports import BackendError, Unavailable

_TENANT: Final = "X-Scope-OrgID"
_CONNECTIONS: Final = 16


@dataclass
class NotConfigured(BackendError):
    """The settings cannot be used; the message names which."""

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Time:
    """What passes time, and the randomness of waits: passed in, so that tests decide."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Random = field(default_factory=Random)


Form = Mapping[str, str | list[str]]


class Endpoint:
    """Asks, and asks again while that can help. final: which answers besides success the caller reads itself."""

    def __init__(self, client: httpx.AsyncClient, settings: EndpointSettings, story: Story, passing: Time) -> None:
        self._client = client
        self._settings = settings
        self.story = story
        self.passing = passing

    async def get(self, path: str, parameters: Form, final: Callable[[httpx.Response], bool]) -> httpx.Response:
        """GET with a query string. Raises Unavailable."""
        return await self._ask(self._client.build_request("GET", path, params=parameters), final)

    async def post(self, path: str, form: Form, final: Callable[[httpx.Response], bool]) -> httpx.Response:
        """POST a form. Raises Unavailable."""
        return await self._ask(self._client.build_request("POST", path, data=form), final)

    def unusable(self, response: httpx.Response) -> Unavailable:
        """The error for an answer that succeeded and isn't the API's."""
        return Unavailable(self._what(response.request), self.story.of_content(response))

    def _what(self, request: httpx.Request) -> str:
        return f"{self.story.product} at {request.url.copy_with(query=None)}"

    async def _ask(self, request: httpx.Request, final: Callable[[httpx.Response], bool]) -> httpx.Response:
        backoff = Backoff(self._settings.backoff_s, self._settings.backoff_max_s, self.passing.random)
        begin_s = self.passing.monotonic()
        attempts = 0
        while True:
            attempts += 1
            left_s = self._settings.deadline_s - (self.passing.monotonic() - begin_s)
            outcome = await self._attempt(request, left_s)
            if isinstance(outcome, httpx.Response) and (outcome.is_success or final(outcome)):
                return outcome
            wait_s = backoff.next_s(self._asked_wait_s(outcome))
            spent_s = self.passing.monotonic() - begin_s
            if not _may_pass(outcome) or spent_s + wait_s >= self._settings.deadline_s:
                raise self._given_up(request, outcome, attempts, spent_s)
            await self.passing.sleep(wait_s)

    async def _attempt(self, request: httpx.Request, left_s: float) -> httpx.Response | httpx.HTTPError:
        # httpx limits single reads; a server that trickles is ended here.
        limit_s = max(0.001, min(self._settings.attempt_s, left_s))
        try:
            async with asyncio.timeout(limit_s):
                return await self._client.send(request)
        except TimeoutError:
            return httpx.ReadTimeout(f"nothing within {limit_s:.1f} s", request=request)
        except httpx.HTTPError as error:
            return error

    def _asked_wait_s(self, outcome: httpx.Response | httpx.HTTPError) -> float | None:
        if isinstance(outcome, httpx.Response) and "retry-after" in outcome.headers:
            return retry_after_s(outcome.headers["retry-after"], self.passing.wall)
        return None

    def _given_up(
        self, request: httpx.Request, outcome: httpx.Response | httpx.HTTPError, attempts: int, spent_s: float
    ) -> Unavailable:
        of = self.story.of_status if isinstance(outcome, httpx.Response) else self.story.of_transport
        why = of(outcome)  # pyright: ignore[reportArgumentType] - the two are chosen together
        tried = f"; tried {attempts} times in {spent_s:.1f} s" if attempts > 1 else "; tried once"
        return Unavailable(self._what(request), f"{why}{tried}")


def _may_pass(outcome: httpx.Response | httpx.HTTPError) -> bool:
    if isinstance(outcome, httpx.Response):
        return is_retryable(outcome.status_code)
    return isinstance(outcome, httpx.TransportError) and not certificate_problem(outcome)


@asynccontextmanager
async def connected(
    settings: EndpointSettings, story: Story, passing: Time | None = None
) -> AsyncGenerator[Endpoint]:
    """The endpoint, with connections that are closed here; nothing is asked yet. Raises NotConfigured."""
    async with httpx.AsyncClient(
        base_url=_base_url(settings, story),
        headers={_TENANT: settings.tenant} if settings.tenant else {},
        auth=_credentials(settings),
        verify=_trust(settings, story),
        timeout=settings.attempt_s,
        limits=httpx.Limits(max_connections=_CONNECTIONS),
    ) as client:
        yield Endpoint(client, settings, story, passing or Time())


def _base_url(settings: EndpointSettings, story: Story) -> str:
    try:
        url = httpx.URL(settings.url)
    except httpx.InvalidURL as error:
        raise NotConfigured(f"{story.setting('url')} is not a valid address ({error}): {settings.url!r}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise NotConfigured(
            f"{story.setting('url')} must be {story.product}'s address, such as http://127.0.0.1:9090; "
            f"it is {settings.url!r}"
        )
    return settings.url.rstrip("/") + "/"


def _credentials(settings: EndpointSettings) -> httpx.Auth | None:
    if settings.token:
        return _Bearer(settings.token)
    return httpx.BasicAuth(settings.username, settings.password) if settings.username else None


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header; unlike a default header it stays with this host."""
        request.headers["Authorization"] = self._header
        yield request


def _trust(settings: EndpointSettings, story: Story) -> ssl.SSLContext | bool:
    if not settings.ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise NotConfigured(
            f"{story.setting('ca_file')}: {settings.ca_file} can't be read as PEM certificates ({error})"
        ) from error
