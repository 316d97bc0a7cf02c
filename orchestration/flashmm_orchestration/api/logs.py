"""`/api/logs`: log lines in pages, those of a trace too."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from flashmm_backends.ports import LogLine, LogReader, QueryRefused
from flashmm_orchestration.api._described import LogsForm, answers
from flashmm_orchestration.api._errors import problem
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._latest import Asked, LatestPage, latest_page
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api._wire import log_line
from flashmm_orchestration.api.app import Clock

_SEVERITIES: Final = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
"""OpenTelemetry's least number of each."""
_SEVERITY_MAX: Final = 24
_TRACE_ID: Final = re.compile("[0-9a-fA-F]{32}")


def logs_router(logs: LogReader, clock: Clock, gate: Gate, size: PageSize) -> APIRouter:
    """The route over the logs port. size: how long a page is."""
    router = APIRouter(prefix="/api/logs", tags=["logs"])

    @router.get("", responses=answers(LogsForm))
    async def log_lines(
        start: Annotated[str, Query(description="Nanoseconds, RFC 3339, or a duration back from now.")] = "15m",
        end: Annotated[str, Query(description="The same; empty is now.")] = "",
        trace_id: Annotated[str, Query(description="Only those of this trace, in hexadecimal.")] = "",
        severity: Annotated[str, Query(description=f"At least {', '.join(_SEVERITIES)}, or a number to 24.")] = "",
        service: Annotated[str, Query(description="Only those of this `service.name`.")] = "",
        bot: Annotated[str, Query(description="Only those of this `flashmm.bot`.")] = "",
        contains: Annotated[str, Query(description="Occurs in the body, in capitals or not.")] = "",
        limit: Annotated[int, Query(ge=1, description="Lines of this page.")] = size.default,
        cursor: Annotated[str, Query(description="From `next`; start and end are those of the first page.")] = "",
    ) -> Response:
        """The log lines of a window, latest first, in pages: `next` is the address of the following one.

        Those that programs sent here by OTLP. What a Collector sends to a Loki is read there.
        """
        page = latest_page(Asked(start, end, limit, cursor), size, clock())
        sender = {"service": service, "bot": bot}
        filters = {"trace_id": trace_id, "severity": severity, **sender, "contains": contains}
        given = {name: each for name, each in filters.items() if each}
        where = _where(given)
        async with gate.passed():
            found = await logs.logs(page.window, where, page.limit)
            return await asyncio.to_thread(_answer, found[page.given :], page, given)

    del log_lines
    return router


def no_logs_router() -> APIRouter:
    """Where there is no store of log lines: says so, and where to look."""
    router = APIRouter(prefix="/api/logs", tags=["logs"])

    @router.get("", include_in_schema=False)
    async def log_lines() -> Response:
        told = "log lines are not read over several ledgers: ask /api/logs of each, or the Loki that they are sent to"
        return problem(501, "not_implemented", told)

    del log_lines
    return router


def _where(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """The filters in the words of the port. Raises QueryRefused for what cannot be."""
    names = {"severity": "severity_min", "contains": "text"}
    where = {names.get(name, name): value for name, value in parameters.items()}
    if "trace_id" in where:
        where["trace_id"] = _trace_id(where["trace_id"])
    if "severity_min" in where:
        where["severity_min"] = str(_severity(where["severity_min"]))
    return where


def _trace_id(text: str) -> str:
    if not _TRACE_ID.fullmatch(text):
        raise QueryRefused("bad_data", f"trace_id, {text[:64]!r}: give its 32 hexadecimal digits")
    return text.lower()


def _severity(text: str) -> int:
    if number := _SEVERITIES.get(text.lower()):
        return number
    if re.fullmatch("[0-9]{1,2}", text) and 1 <= int(text) <= _SEVERITY_MAX:
        return int(text)
    raise QueryRefused("bad_data", f"severity, {text[:64]!r}: give one of {', '.join(_SEVERITIES)}, or 1 to 24")


def _answer(found: Sequence[LogLine], page: LatestPage, given: Mapping[str, str]) -> Response:
    following = page.next("/api/logs", [(line.record.time_ns, "") for line in found], *given.items())
    return json({"logs": [log_line(line) for line in found[: page.rows]], "next": following})
