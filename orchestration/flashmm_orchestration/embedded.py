"""The embedded mode: receiver, ledger, PromQL, page and stream in one process, built here and closed here."""

import asyncio
import importlib.metadata
import logging
import socket
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from flashmm_backends.ledger import Ledger
from flashmm_backends.naming import TARGET_INFO_STEP_S
from flashmm_backends.ports import MetricsReader, QueryRefused, Window
from flashmm_instrumentation.semconv import events
from flashmm_orchestration._web import http_service, limits, new_registry
from flashmm_orchestration.api._wire import Json
from flashmm_orchestration.api.events import events_router
from flashmm_orchestration.api.logs import logs_router
from flashmm_orchestration.api.orders import orders_router
from flashmm_orchestration.api.probes import probes_router
from flashmm_orchestration.api.prometheus import prometheus_router
from flashmm_orchestration.api.streams import streams_router
from flashmm_orchestration.api.telemetry import HttpTelemetry
from flashmm_orchestration.api.traces import traces_router
from flashmm_orchestration.health import Health, Status
from flashmm_orchestration.own_metrics import OwnMetrics
from flashmm_orchestration.services import HttpService, ReceiverService, bind
from flashmm_orchestration.settings import Settings
from flashmm_orchestration.stores import Stores, chosen_stores
from flashmm_orchestration.supervisor import Service
from flashmm_receiver import Receiver
from flashmm_streaming import FOLLOWED, Hub, LiveTap

_REPLAYED: Final = (events.INSTRUMENT, events.SPREAD_SAMPLE, events.FILL, events.ORDER, events.ASSIGNMENT)
_REPLAY_S: Final = 900
"""What the page shows at first."""

_log = logging.getLogger(__name__)

VERSION: Final = importlib.metadata.version("flashmm-observability")


@dataclass(frozen=True, slots=True)
class Embedded:
    """Everything that runs in the process, built and not yet serving."""

    settings: Settings
    health: Health
    receiver: ReceiverService
    http: HttpService
    own: OwnMetrics | None
    """None where a Prometheus scrapes them."""

    @property
    def services(self) -> Sequence[Service]:
        """In the order of the flow."""
        return (self.receiver, self.http, *((self.own,) if self.own else ()))

    def addresses(self) -> dict[str, str]:
        """Where it answers, once it serves: http as a URL, otlp_grpc and otlp_http as host:port."""
        receiver, told = self.receiver.receiver, self.settings.receiver
        return {
            "http": self.http.url,
            "otlp_grpc": _reachable(told.grpc_bind, receiver.grpc_port),
            "otlp_http": _reachable(told.http_bind, receiver.http_port),
        }


@asynccontextmanager
async def embedded(settings: Settings) -> AsyncGenerator[Embedded]:
    """Build everything; close it in the opposite order. Raises CannotStart and the ledger's errors."""
    registry = new_registry()
    health = Health(time.time_ns)
    async with AsyncExitStack() as stack:
        http = stack.enter_context(bind(settings))
        ledger = await stack.enter_async_context(opened(settings, health, registry, time.time_ns))
        stores = await stack.enter_async_context(chosen_stores(settings, ledger))
        hub = Hub(str(time.time_ns()), registry, settings.stream_history, settings.stream_outbox)
        tap = LiveTap(hub, asyncio.get_running_loop(), registry)
        await _replay(ledger, tap)
        if settings.metrics.kind != "prometheus":
            await _recall(stores.metrics, tap)
        telemetry = HttpTelemetry(registry)
        routers = _routers(settings, ledger, stores, health, registry, telemetry)
        yield Embedded(
            settings,
            health,
            ReceiverService(_receiver(settings, ledger, tap, registry), settings.told),
            http_service(settings, http, hub, routers, telemetry, VERSION),
            _own(settings, ledger, http, registry),
        )


@asynccontextmanager
async def opened(
    settings: Settings, health: Health, registry: CollectorRegistry, clock: Callable[[], int]
) -> AsyncGenerator[Ledger]:
    """The ledger, on the health board. No service: where it fails, only a start of the whole process mends it."""
    loop, archive = asyncio.get_running_loop(), settings.archive

    def failed(why: str) -> None:
        loop.call_soon_threadsafe(health.move, "ledger", Status.PERMANENT_ERROR, why)

    health.add("ledger")
    async with Ledger.open(settings.data_dir, settings.ledger, clock, registry, archive, failed) as ledger:
        health.move("ledger", Status.OK)
        yield ledger


def _receiver(settings: Settings, ledger: Ledger, tap: LiveTap, registry: CollectorRegistry) -> Receiver:
    folder = settings.data_dir / "receiver"
    return Receiver(settings.receiver, ledger, [tap], clock=time.time_ns, registry=registry, folder=folder)


def _own(settings: Settings, ledger: Ledger, http: socket.socket, registry: CollectorRegistry) -> OwnMetrics | None:
    if settings.metrics.kind == "prometheus":
        return None
    host, port = http.getsockname()[:2]
    return OwnMetrics(registry, ledger, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", time.time_ns)


def _routers(
    settings: Settings,
    ledger: Ledger,
    stores: Stores,
    health: Health,
    registry: CollectorRegistry,
    telemetry: HttpTelemetry,
) -> Sequence[APIRouter]:
    told = limits(settings.http, telemetry)
    return (
        events_router(ledger, time.time_ns, told.rows, told.size),
        streams_router(ledger, told.rows),
        orders_router(stores.traces, time.time_ns, told.rows, told.size),
        traces_router(stores.traces, told.rows),
        logs_router(ledger, time.time_ns, told.rows, told.size),
        prometheus_router(stores.prometheus, told.promql),
        probes_router(health, registry, lambda: _about(settings, ledger)),
    )


async def _replay(ledger: Ledger, tap: LiveTap) -> None:
    """Let the streams begin with the last minutes of what is stored: a page opened after a restart has them."""
    now_ns = time.time_ns()
    for kind in _REPLAYED:
        tap.replay(await ledger.events(kind.name, Window(now_ns - _REPLAY_S * 10**9, now_ns)))


async def _recall(metrics: MetricsReader, tap: LiveTap) -> None:
    """And with the last values of metrics. Too many for a query are left to come anew."""
    range_s = _REPLAY_S + TARGET_INFO_STEP_S  # a run's last figures may be that much newer than its last name
    try:
        found = await metrics.query(f"{FOLLOWED}[{range_s}s]", time.time_ns() // 1_000_000)
    except QueryRefused as error:
        _log.warning("the streams begin without metrics: %s", error)
    else:
        tap.recall(found.matrix)


def _retention(settings: Settings, ledger: Ledger) -> Json:
    """How long raw points are kept, in days, and whether the size limit made that less than was asked for."""
    wanted, shortfall_s = settings.ledger.telemetry_days, ledger.retention_shortfall
    return {"target_days": wanted, "days": round(wanted - shortfall_s / 86_400, 1), "shortened": shortfall_s > 0}


def _about(settings: Settings, ledger: Ledger) -> Json:
    """What `/health` tells besides the components."""
    return {
        "version": VERSION,
        "now_ns": time.time_ns(),
        "retention": _retention(settings, ledger),
        "archive": _archive(ledger),
    }


def _archive(ledger: Ledger) -> Json | None:
    """How the archive on object storage is; null where there is none."""
    status = ledger.archive_status
    if status is None:
        return None
    return {
        "status": "waiting" if status.fault else "ok",
        "fault": status.fault,
        "waiting_files": status.waiting_files,
        "waiting_bytes": status.waiting_bytes,
    }


def _reachable(bind: str, port: int) -> str:
    """An address that a client on this machine can use."""
    host = bind.rpartition(":")[0]
    return f"{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{port}"  # noqa: S104 - compared, not bound
