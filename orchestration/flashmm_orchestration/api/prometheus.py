"""`/api/v1`: Prometheus's own HTTP API, answered by the PromQL engine."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flashmm_backends.promql import PrometheusApi


def prometheus_router(api: PrometheusApi) -> APIRouter:
    """The route; its forms are Prometheus's, so the OpenAPI document leaves them out."""
    router = APIRouter(prefix="/api/v1", include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "POST"])
    async def prometheus(request: Request, path: str) -> Response:
        query = request.scope["query_string"].decode("latin-1")
        kind = request.headers.get("content-type", "")
        answer = await api.handle(request.method, path, query, await request.body(), kind)
        return Response(answer.body, answer.status, dict(answer.headers))

    del prometheus
    return router
