"""`/api/events/<kind>`: events of one kind."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from flashmm_backends.ledger import Ledger
from flashmm_backends.ports import NotFound
from flashmm_instrumentation.semconv import EVENT_KINDS
from flashmm_orchestration.api._errors import problem
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._times import parse_window
from flashmm_orchestration.api._wire import event_table
from flashmm_orchestration.api.app import Clock


def events_router(ledger: Ledger, clock: Clock) -> APIRouter:
    """Routes over the ledger's events."""
    router = APIRouter(prefix="/api/events", tags=["events"])

    @router.get("")
    async def kinds() -> Response:
        """The kinds of events, with their fields."""
        return json(
            {"kinds": [{"name": kind.name, "description": kind.description} for kind in EVENT_KINDS.values()]}
        )

    @router.get("/{kind}")
    async def events(
        kind: str,
        start: Annotated[str, Query(description="Nanoseconds, RFC 3339, or a duration back from now.")] = "15m",
        end: Annotated[str, Query(description="The same; empty is now.")] = "",
        where: Annotated[list[str] | None, Query(description="field:value; may be repeated.")] = None,
    ) -> Response:
        """Events of one kind in a window with their completeness, in columns."""
        if kind not in EVENT_KINDS:
            raise NotFound(f"event kind {kind!r}")
        window = parse_window(start, end, clock())
        conditions = dict(_condition(each) for each in where or ())
        if unknown := conditions.keys() - {field.name for field in EVENT_KINDS[kind].fields}:
            return problem(400, "bad_request", f"where: {kind} has no field {min(unknown)!r}")
        return json(event_table(await ledger.events(kind, window, conditions)))

    del kinds, events
    return router


def _condition(text: str) -> tuple[str, str]:
    field, _, value = text.partition(":")
    return field, value
