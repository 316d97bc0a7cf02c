"""Events of a ledger that another process owns, over its HTTP API."""

from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from flashmm_backends.ledger._arrow import MEDIA_TYPE, read_events_stream
from flashmm_backends.ledger.asking import answer, unavailable
from flashmm_backends.ports import Completeness, EventPosition, EventTable, Page, QueryRefused, Window

__all__ = ["PATH", "RemoteEvents", "parse_position", "parse_where"]

PATH: Final = "/api/events/{kind}"
"""GET, with `start` and `end` in nanoseconds, `where=<field>=<value>` any number of times; of a page also `limit`,
and `after=<time_ns>,<run>,<seq>`, the event before it; `rows=false` for the completeness alone. Answers an Arrow
stream when `Accept` names it; 400 with {"error": {"message": …}} when refused, 503 when it cannot serve now."""


class RemoteEvents:
    """An `EventReader` over HTTP. The client's base URL is the ledger's process; the caller closes it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def events(
        self, kind: str, window: Window, where: Mapping[str, str] | None = None, page: Page | None = None
    ) -> EventTable:
        """See EventReader. page: a part of them, None for all. Raises QueryRefused, Unavailable."""
        told = [("where", f"{name}={value}") for name, value in (where or {}).items()]
        return await self._get(kind, window, told + _of_page(page))

    async def completeness(self, kind: str, window: Window) -> Completeness:
        """See EventReader. Raises QueryRefused, Unavailable."""
        return (await self._get(kind, window, [("rows", "false")])).completeness

    async def _get(self, kind: str, window: Window, more: Sequence[tuple[str, str]]) -> EventTable:
        parameters = httpx.QueryParams([("start", str(window.start_ns)), ("end", str(window.end_ns)), *more])
        request = self._client.build_request(
            "GET", PATH.format(kind=kind), params=parameters, headers={"accept": MEDIA_TYPE}
        )
        response = await answer(self._client, request)
        try:
            return read_events_stream(response.content)
        except (ValueError, KeyError) as error:
            why = f"its answer is not an Arrow stream of events: {error}"
            raise unavailable(self._client, why) from error


def _of_page(page: Page | None) -> list[tuple[str, str]]:
    if page is None:
        return []
    if not page.limit:
        return [("rows", "false")]
    after = page.after
    begin = [("after", f"{after.time_ns},{after.run},{after.seq}")] if after else []
    return [("limit", str(page.limit)), *begin]


def parse_position(text: str) -> EventPosition:
    """The parameter `after` of a request. Raises QueryRefused."""
    time_ns, _, rest = text.partition(",")
    run, _, seq = rest.rpartition(",")
    if not (_is_int64(time_ns) and run and _is_int64(seq)):
        raise QueryRefused("bad_data", "after must be <time_ns>,<run>,<seq>")
    return EventPosition(int(time_ns), run, int(seq))


def _is_int64(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) < 2**63


def parse_where(parameters: Sequence[str]) -> dict[str, str]:
    """The `where` parameters of a request by field. Raises QueryRefused where one has no `=`, or a field has two."""
    pairs = [parameter.partition("=") for parameter in parameters]
    if any(not equals for _, equals, _ in pairs):
        raise QueryRefused("bad_data", "where must be <field>=<value>")
    found = {name: value for name, _, value in pairs}
    if len(found) < len(pairs):
        raise QueryRefused("bad_data", "where: one value a field")
    return found
