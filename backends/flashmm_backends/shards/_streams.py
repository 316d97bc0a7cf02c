"""`/api/streams/<kind>` of one ledger: which numbers of each stream it has, and what bounds a gap in time."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import httpx

from flashmm_backends.ledger.streams import Anchors, Gap, StreamState
from flashmm_backends.ports import Unavailable

PATH: Final = "/api/streams/{kind}"
"""GET answers {"streams": {run: {"received": [[first, last], …], "high_water": n}}}; POST of {run: [[first, last],
…]}, gaps, answers {"anchors": {run: {"begin_ns": t, "events": [[seq, t], …], "marks": [[high, t, t], …]}}}."""


async def states(client: httpx.AsyncClient, kind: str) -> Mapping[str, StreamState]:
    """The ledger's streams of a kind, by run. Raises Unavailable."""
    told = await _asked(client, client.build_request("GET", PATH.format(kind=kind)), "streams")
    return {run: StreamState([(a, b) for a, b in each["received"]], each["high_water"]) for run, each in told.items()}


async def anchors(client: httpx.AsyncClient, kind: str, gaps: Mapping[str, Sequence[Gap]]) -> Mapping[str, Anchors]:
    """What the ledger knows of the gaps, by run. Raises Unavailable."""
    told = await _asked(client, client.build_request("POST", PATH.format(kind=kind), json=gaps), "anchors")
    return {run: _anchors(each) for run, each in told.items()}


def _anchors(told: Mapping[str, Any]) -> Anchors:
    return Anchors(
        told["begin_ns"], dict(told["events"]), [(high, first, last) for high, first, last in told["marks"]]
    )


async def _asked(client: httpx.AsyncClient, request: httpx.Request, key: str) -> dict[str, Any]:
    try:
        response = await client.send(request)
        response.raise_for_status()
        return cast("dict[str, Any]", response.json()[key])
    except httpx.HTTPError as error:
        raise Unavailable(f"the ledger at {client.base_url}", str(error) or type(error).__name__) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"the ledger at {client.base_url}", "it tells of no streams: is it older?") from error
