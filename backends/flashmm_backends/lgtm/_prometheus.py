"""The metrics port over Prometheus's HTTP API, and that API handed through for our own address of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import parse_qs, quote

import httpx
import orjson

from flashmm_backends.lgtm._answers import NotAnAnswer, instant_result, range_result, refusal
from flashmm_backends.lgtm._endpoint import Endpoint, Form, Time, connected
from flashmm_backends.lgtm._failures import Story
from flashmm_backends.lgtm._settings import EndpointSettings
from flashmm_backends.ports import InstantResult, RangeResult, Unavailable
from flashmm_backends.promql import Response

_STORY: Final = Story("Prometheus", "metrics")
_MAY_SUCCEED_LATER: Final = frozenset({"unavailable", "internal"})
_FIELDS_MAX: Final = 1000
_FORMS: Final = frozenset({"query", "query_range", "query_exemplars", "series", "labels"})
_HANDED_THROUGH: Final = _FORMS | {"metadata", "status/buildinfo", "rules", "alerts"}


class PrometheusMetrics:
    """A `MetricsReader` over a Prometheus, a Mimir, or whatever else speaks Prometheus's HTTP API."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def query(self, promql: str, at_ms: int) -> InstantResult:
        """See MetricsReader. Raises QueryRefused, Unavailable."""
        response = await self._ask("query", {"query": promql, "time": _seconds(at_ms)})
        try:
            return instant_result(response.content)
        except NotAnAnswer:
            raise self._endpoint.unusable(response) from None

    async def query_range(self, promql: str, start_ms: int, end_ms: int, step_ms: int) -> RangeResult:
        """See MetricsReader. Raises QueryRefused, Unavailable."""
        grid = {"start": _seconds(start_ms), "end": _seconds(end_ms), "step": _seconds(step_ms)}
        response = await self._ask("query_range", {"query": promql, **grid})
        try:
            return range_result(response.content)
        except NotAnAnswer:
            raise self._endpoint.unusable(response) from None

    async def _ask(self, path: str, form: Form) -> httpx.Response:
        response = await self._endpoint.post(f"api/v1/{path}", form, _is_final)
        if not response.is_success and (refused := refusal(response.content)):
            raise refused
        return response


class HandedThrough:
    """Prometheus's reading API, answered by the Prometheus behind it word for word."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def handle(
        self, method: str, path: str, query: str = "", body: bytes = b"", content_type: str = ""
    ) -> Response:
        """Answer one request: as `PrometheusApi.handle`, whose forms these are."""
        known = _known(path.strip("/"))
        if known is None:
            return _failure(404, "not_found", f"/api/v1/{path} is not served here")
        if method not in ("GET", "HEAD", "POST"):
            return _failure(405, "bad_data", f"method {method} is not allowed")
        try:
            return await self._forward(known, _parameters(query, body, content_type))
        except ValueError as error:
            return _failure(400, "bad_data", f"error parsing form values: {error}")
        except Unavailable as error:
            return _failure(503, "unavailable", str(error))

    async def _forward(self, path: str, form: Form) -> Response:
        ask = self._endpoint.post if path in _FORMS else self._endpoint.get
        response = await ask(f"api/v1/{path}", form, _is_final)
        if not _is_json(response):
            raise self._endpoint.unusable(response)
        return Response(response.status_code, response.content)


def _known(path: str) -> str | None:
    """The path to ask for, of those that only read: what is behind has administration on its address too."""
    if path in _HANDED_THROUGH:
        return path
    if path.startswith("label/") and path.endswith("/values"):
        name = path.removeprefix("label/").removesuffix("/values")
        return f"label/{quote(name, safe='')}/values" if name.strip(".") and "/" not in name else None
    return None


def _failure(status: int, kind: str, message: str) -> Response:
    return Response(status, orjson.dumps({"status": "error", "errorType": kind, "error": message}))


def _parameters(query: str, body: bytes, content_type: str) -> Form:
    """All fields of address and form. Raises ValueError where there are too many, or they aren't UTF-8."""
    found = parse_qs(query, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        posted = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
        for name, values in posted.items():
            found.setdefault(name, []).extend(values)
    return found


def _is_final(response: httpx.Response) -> bool:
    """An error that the API itself tells, and that asking again won't change."""
    refused = refusal(response.content)
    return (
        refused is not None and refused.kind not in _MAY_SUCCEED_LATER and response.status_code not in (401, 403, 429)
    )


def _is_json(response: httpx.Response) -> bool:
    return response.headers.get("content-type", "").startswith("application/json")


def _seconds(milliseconds: int) -> str:
    sign, size = "-" if milliseconds < 0 else "", abs(milliseconds)
    return f"{sign}{size // 1000}.{size % 1000:03d}"


@asynccontextmanager
async def prometheus_endpoint(settings: EndpointSettings, passing: Time | None = None) -> AsyncGenerator[Endpoint]:
    """Connections to a Prometheus, for both classes above. Raises NotConfigured."""
    async with connected(settings, _STORY, passing) as endpoint:
        yield endpoint
