"""`/api/v1`: Prometheus's own HTTP API, answered by the store that the settings choose."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from flashmm_orchestration.api._gate import Busy, Gate
from flashmm_orchestration.api._rest import rest
from flashmm_orchestration.stores import PrometheusAnswers

_BODY_BYTES_MAX: Final = 65_536
"""A form with the longest expression, percent-encoded, and room for the rest."""

_UNAVAILABLE: Final = 503


def prometheus_router(api: PrometheusAnswers, gate: Gate) -> APIRouter:
    """The route; its parameters are Prometheus's: `_prometheus_paths` describes them."""
    router = APIRouter(prefix="/api/v1", include_in_schema=False)

    @router.api_route("/" + rest("path"), methods=["GET", "POST", "OPTIONS"])
    async def prometheus(request: Request, path: str) -> Response:
        body = await _bounded_body(request)
        if body is None:
            return _failure(413, "bad_data", f"a form may have {_BODY_BYTES_MAX} bytes")
        query = request.scope["query_string"].decode("latin-1")
        content_type = request.headers.get("content-type", "")
        try:
            async with gate.passed():
                answer = await api.handle(request.method, path, query, body, content_type)
            if answer.status == _UNAVAILABLE:
                gate.failed()
        except Busy as busy:
            return _failure(_UNAVAILABLE, "unavailable", str(busy), **{"retry-after": "1"})
        return Response(answer.body, answer.status, dict(answer.headers))

    del prometheus
    return router


def _failure(status: int, kind: str, message: str, **headers: str) -> Response:
    """In Prometheus's own form."""
    return JSONResponse({"status": "error", "errorType": kind, "error": message}, status, headers or None)


async def _bounded_body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            return None
    return bytes(body)
