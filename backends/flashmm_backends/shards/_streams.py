"""`/api/streams/<kind>` of one ledger: which numbers of each stream it has, and what bounds a gap in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx

from flashmm_backends.ledger.asking import answer, unavailable
from flashmm_backends.ledger.streams import Anchors, Gap, RunState, StreamState

PATH: Final = "/api/streams/{kind}"
"""GET answers {"streams": {run: {"received": [[first, last], …], "high_water": n}}, "runs": {run: {"last_ns": t,
"closed": …, "followed": …}}}; POST of {run: [[first, last],
…]}, gaps, answers {"anchors": {run: {"begin_ns": t, "events": [[seq, t], …], "marks": [[high, t, t], …]}}}."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a ledger knows of a kind's streams, and of how runs ended, by run."""

    streams: Mapping[str, StreamState]
    runs: Mapping[str, RunState]


async def states(client: httpx.AsyncClient, kind: str) -> Told:
    """The ledger's streams of a kind. Raises Unavailable."""
    streams, runs = await _asked(client, client.build_request("GET", PATH.format(kind=kind)), "streams", "runs")
    return Told(
        {run: _stream(each) for run, each in streams.items()}, {run: _run(each) for run, each in runs.items()}
    )


def _stream(told: Mapping[str, Any]) -> StreamState:
    return StreamState([(first, last) for first, last in told["received"]], told["high_water"])


def _run(told: Mapping[str, Any]) -> RunState:
    return RunState(told["last_ns"], told["closed"], told["followed"])


async def anchors(client: httpx.AsyncClient, kind: str, gaps: Mapping[str, Sequence[Gap]]) -> Mapping[str, Anchors]:
    """What the ledger knows of the gaps, by run. Raises Unavailable."""
    (told,) = await _asked(client, client.build_request("POST", PATH.format(kind=kind), json=gaps), "anchors")
    return {run: _anchors(each) for run, each in told.items()}


def _anchors(told: Mapping[str, Any]) -> Anchors:
    return Anchors(
        told["begin_ns"], dict(told["events"]), [(high, first, last) for high, first, last in told["marks"]]
    )


async def _asked(client: httpx.AsyncClient, request: httpx.Request, *keys: str) -> list[dict[str, Any]]:
    response = await answer(client, request)
    try:
        told = response.json()
        return [cast("dict[str, Any]", told[key]) for key in keys]
    except (ValueError, KeyError, TypeError) as error:
        raise unavailable(client, "it tells of no streams: is it older?") from error
