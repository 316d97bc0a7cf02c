"""The ASGI application on the HTTP port: the page, the API, the stream, behind the access check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import WebSocketRoute

from flashmm_orchestration.access import Access, App, NoSniff
from flashmm_orchestration.api import _errors, _nowhere
from flashmm_orchestration.api._parameters import only_known
from flashmm_orchestration.api._prometheus_paths import PATHS
from flashmm_orchestration.api.docs import docs_router
from flashmm_orchestration.api.telemetry import HttpTelemetry


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is put together from.

    routers: API routes. socket: answers WebSockets at `/stream`. page: answers whatever is left.
    """

    routers: Sequence[APIRouter]
    socket: App
    page: App


def build_app(parts: Parts, *, version: str, hosts: Sequence[str], token: str, telemetry: HttpTelemetry) -> App:
    """The whole application.

    hosts: what Host headers may name besides loopback's names. token: empty asks for none. telemetry: where clients
    that go away are counted.
    """
    app = FastAPI(
        title="FlashMM Observability",
        version=version,
        description="P&L, spreads and order latency of market makers: metrics, events, orders.",
        docs_url=None,
        redoc_url=None,
    )
    _errors.install(app, telemetry)
    app.openapi = _with_prometheus(app.openapi)
    for router in (*parts.routers, docs_router(app.openapi)):
        app.include_router(router, dependencies=[Depends(only_known)])
    _nowhere.install(app, parts.routers)
    app.router.routes.append(WebSocketRoute("/stream", parts.socket))
    app.mount("/", parts.page)
    return Access(NoSniff(app), hosts=hosts, token=token)


def _with_prometheus(own: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def document() -> dict[str, Any]:
        described = own()
        described["paths"].update(PATHS)
        return described

    return document


Clock = Callable[[], int]
"""UTC nanoseconds."""
