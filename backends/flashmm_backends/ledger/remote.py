"""Events of a ledger that another process owns, over its HTTP API."""

from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from flashmm_backends.ledger._arrow import MEDIA_TYPE, read_events_stream
from flashmm_backends.ports import Completeness, EventTable, QueryRefused, Unavailable, Window

__all__ = ["PATH", "RemoteEvents", "parse_where"]

PATH: Final = "/api/events/{kind}"
"""GET, with `start` and `end` in nanoseconds, `where=<field>=<value>` any number of times, `rows=false` for the
completeness alone. Answers an Arrow stream when `Accept` names it; 400 with {"error": {"message": …}} when refused,
503 when it cannot serve now."""


class RemoteEvents:
    """An `EventReader` over HTTP. The client's base URL is the ledger's process; the caller closes it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def events(self, kind: str, window: Window, where: Mapping[str, str] | None = None) -> EventTable:
        """See EventReader. Raises QueryRefused, Unavailable."""
        return await self._get(kind, window, where or {}, rows=True)

    async def completeness(self, kind: str, window: Window) -> Completeness:
        """See EventReader. Raises QueryRefused, Unavailable."""
        return (await self._get(kind, window, {}, rows=False)).completeness

    async def _get(self, kind: str, window: Window, where: Mapping[str, str], *, rows: bool) -> EventTable:
        parameters = {
            "start": str(window.start_ns),
            "end": str(window.end_ns),
            "rows": str(rows).lower(),
            "where": [f"{name}={value}" for name, value in where.items()],
        }
        try:
            response = await self._client.get(
                PATH.format(kind=kind), params=parameters, headers={"accept": MEDIA_TYPE}
            )
        except httpx.TransportError as error:
            raise Unavailable("the ledger's API", str(error) or type(error).__name__) from error
        return _table(response)


def _table(response: httpx.Response) -> EventTable:
    if response.status_code in (400, 422):
        raise QueryRefused("bad_data", _reason(response))
    if response.is_error:
        raise Unavailable("the ledger's API", f"HTTP {response.status_code}")
    try:
        return read_events_stream(response.content)
    except (ValueError, KeyError) as error:
        raise Unavailable("the ledger's API", f"its answer is not an Arrow stream of events: {error}") from error


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text


def parse_where(parameters: Sequence[str]) -> dict[str, str]:
    """The `where` parameters of a request by field. Raises QueryRefused where one has no `=`."""
    pairs = [parameter.partition("=") for parameter in parameters]
    if any(not equals for _, equals, _ in pairs):
        raise QueryRefused("bad_data", "where must be <field>=<value>")
    return {name: value for name, _, value in pairs}
