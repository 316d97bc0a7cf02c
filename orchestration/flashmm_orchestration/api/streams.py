"""`/api/streams/<kind>`: what this ledger has of each stream, for readers over several ledgers."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Path
from fastapi.responses import Response

from flashmm_backends import ledger
from flashmm_backends.ledger.streams import Anchors
from flashmm_backends.ports import NotFound
from flashmm_instrumentation.semconv import EVENT_KINDS, events
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._where import kinds_like
from flashmm_orchestration.api._wire import Json

_Gaps = Annotated[dict[str, list[tuple[int, int]]], Body(description="Numbers that no ledger has, by run.")]


def streams_router(store: ledger.Ledger, gate: Gate) -> APIRouter:
    """Routes over the ledger's streams."""
    router = APIRouter(prefix="/api/streams", tags=["events"])

    @router.get("/{kind}")
    async def states(kind: Annotated[str, Path(examples=[events.FILL.name])]) -> Response:
        """Sequence numbers received and the highest mark of each stream of a kind, and how runs ended, by run."""
        found = store.streams(_known(kind))
        told: Json = {
            run: {"received": [list(each) for each in state.received], "high_water": state.high_water}
            for run, state in found.items()
        }
        return json({"streams": told, "runs": {run: asdict(state) for run, state in store.runs().items()}})

    @router.post("/{kind}")
    async def anchors(kind: str, gaps: _Gaps) -> Response:
        """What bounds gaps in time: the run's beginning, events beside them, marks. Changes nothing."""
        async with gate.passed():
            found = await store.anchors(_known(kind), gaps)
        return json({"anchors": {run: _anchors(each) for run, each in found.items()}})

    del states, anchors
    return router


def _known(kind: str) -> str:
    if kind not in EVENT_KINDS:
        raise NotFound(f"event kind {kind[:64]!r} ({kinds_like(kind)})")
    return kind


def _anchors(known: Anchors) -> Json:
    return {
        "begin_ns": known.begin_ns,
        "events": [list(each) for each in known.event_ns.items()],
        "marks": [list(mark) for mark in known.marks],
    }
