"""`/livez`, `/readyz`, `/health`, `/metrics`: what an operator and a scraper ask."""

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from flashmm_orchestration.api._described import HealthForm, answers
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._wire import Json
from flashmm_orchestration.health import Component, Health, Status


def probes_router(health: Health, registry: CollectorRegistry, more: Callable[[], Json]) -> APIRouter:
    """Routes over the health board and the registry. more: what else `/health` tells, by name."""
    router = APIRouter(tags=["operation"])

    @router.get("/livez")
    async def livez() -> Response:
        """200 while the process answers at all, 503 where only its restart mends a component."""
        lost = _told(health, lambda status: status is Status.PERMANENT_ERROR)
        return PlainTextResponse(lost or "ok\n", 503 if lost else 200)

    @router.get("/readyz")
    async def readyz() -> Response:
        """200 when every component is up, else 503 with those that are not."""
        missing = _told(health, lambda status: status is not Status.OK)
        return PlainTextResponse(missing or "ok\n", 503 if missing else 200)

    @router.get("/health", responses=answers(HealthForm))
    async def report() -> Response:
        """Every component's state, and the state of the data."""
        components: list[Json] = [_component(item) for item in health.components]
        return json({"ready": health.ready, "components": components, **more()})

    @router.get("/metrics")
    async def metrics() -> Response:
        """This program's own metrics in Prometheus's text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    del livez, readyz, report, metrics
    return router


def _told(health: Health, wanted: Callable[[Status], bool]) -> str:
    return "".join(f"{item.name}: {item.status}\n" for item in health.components if wanted(item.status))


def _component(item: Component) -> Json:
    return {
        "name": item.name,
        "status": item.status.value,
        "since_ns": item.since_ns,
        "detail": item.detail,
        "restarts": item.restarts,
    }
