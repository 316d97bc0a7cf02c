"""The HTTP port put together from its parts, for whatever process serves it."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from flashmm_dashboards import LivePage
from flashmm_orchestration.api import Parts, build_app
from flashmm_orchestration.api._gate import Gate, GateLimits
from flashmm_orchestration.api._rows import PageSize
from flashmm_orchestration.api.telemetry import HttpTelemetry
from flashmm_orchestration.guarded import Guard
from flashmm_orchestration.services import HttpService
from flashmm_orchestration.settings import HttpSettings, Settings
from flashmm_streaming import Hub, OriginPolicy, StreamEndpoint


@dataclass(frozen=True, slots=True)
class Limits:
    """What all routes share: how many rows a page has, and the gates before events and orders, and before PromQL."""

    size: PageSize
    rows: Gate
    promql: Gate


def limits(http: HttpSettings, telemetry: HttpTelemetry) -> Limits:
    """As the settings have them."""
    told = GateLimits(http.reads_running, http.reads_waiting, http.read_wait_s)
    size = PageSize(http.rows_default, http.rows_max)
    return Limits(size, Gate("rows", told, telemetry), Gate("promql", told, telemetry))


def http_service(
    settings: Settings,
    bound: socket.socket,
    hub: Hub,
    routers: Sequence[APIRouter],
    telemetry: HttpTelemetry,
    version: str,
) -> HttpService:
    """Page, API and stream behind the access check. bound: as `bind` gives it, not closed here."""
    http = settings.http
    socket_app = StreamEndpoint(hub, settings.stream, OriginPolicy(frozenset(http.allowed_origins)))
    hosts = (http.host, *http.allowed_hosts)
    parts = Parts(routers, socket_app, LivePage())
    app = build_app(parts, version=version, hosts=hosts, token=http.token, telemetry=telemetry)
    guard = Guard(http.connections_max, http.request_timeout_s, http.send_timeout_s, telemetry.connections_ended)
    return HttpService(bound, app, hub, settings.stream, guard)


def new_registry() -> CollectorRegistry:
    """A registry with what every process tells of itself."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
