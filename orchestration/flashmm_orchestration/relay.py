"""A process without a ledger of its own: page, stream and API over the ledgers of other processes, and no receiver.

It holds nothing that is not theirs, so there may be as many as clients need. Live values are those of the ledgers'
taps, followed over their streams; history, events and orders are asked of all ledgers, metrics of their store.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from flashmm_backends.shards import LedgersSettings, ShardedEvents, ShardedTraces, connected
from flashmm_orchestration._web import http_service, limits, new_registry
from flashmm_orchestration.api._wire import Json
from flashmm_orchestration.api.events import events_router
from flashmm_orchestration.api.logs import no_logs_router
from flashmm_orchestration.api.orders import orders_router
from flashmm_orchestration.api.probes import probes_router
from flashmm_orchestration.api.prometheus import prometheus_router
from flashmm_orchestration.api.telemetry import HttpTelemetry
from flashmm_orchestration.api.traces import traces_router
from flashmm_orchestration.embedded import VERSION
from flashmm_orchestration.health import Health
from flashmm_orchestration.services import HttpService, bind
from flashmm_orchestration.settings import Settings
from flashmm_orchestration.stores import relayed_stores
from flashmm_orchestration.supervisor import CannotStart, Service
from flashmm_streaming import Follower, FollowerMetrics, Hub, Opening, Source


@dataclass
class FollowersService:
    """Live values in. Up once each ledger has told what it knows or could not be reached; one away stops no other."""

    followers: Sequence[Follower]
    opening: Opening
    name: str = "followers"

    async def run(self, started: Callable[[], None]) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            for follower in self.followers:
                group.create_task(follower.follow(), name=f"follow {follower.source.url}")
            for follower in self.followers:
                await follower.settled.wait()
            self.opening.release()
            started()

    def report(self) -> list[Json]:
        """Each ledger, and why it is not followed."""
        return [
            {"url": each.source.url, "followed": not each.detail, "detail": each.detail} for each in self.followers
        ]


@dataclass(frozen=True, slots=True)
class Relay:
    """Everything that runs in the process, built and not yet serving."""

    health: Health
    followers: FollowersService
    http: HttpService

    @property
    def services(self) -> Sequence[Service]:
        """In the order of the flow."""
        return (self.followers, self.http)

    def addresses(self) -> dict[str, str]:
        """Where it answers, once it serves."""
        return {"http": self.http.url}


@asynccontextmanager
async def relay(settings: Settings) -> AsyncGenerator[Relay]:
    """Build everything; close it in the opposite order. Raises CannotStart."""
    registry = new_registry()
    health, telemetry = Health(time.time_ns), HttpTelemetry(registry)
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(bind(settings))
        clients = await _clients(settings, stack)
        events = ShardedEvents(clients)
        stores = await stack.enter_async_context(relayed_stores(settings, events, ShardedTraces(clients)))
        hub = Hub(str(time.time_ns()), registry, settings.stream_history, settings.stream_outbox)
        followers = _followers(settings.ledgers, hub, FollowerMetrics(registry))
        told = limits(settings.http, telemetry)
        routers = (
            events_router(events, time.time_ns, told.rows, told.size),
            orders_router(stores.traces, time.time_ns, told.rows, told.size),
            traces_router(stores.traces, told.rows),
            no_logs_router(),
            prometheus_router(stores.prometheus, told.promql),
            probes_router(health, registry, lambda: _about(followers)),
        )
        yield Relay(health, followers, http_service(settings, bound, hub, routers, telemetry, VERSION))


async def _clients(settings: Settings, stack: AsyncExitStack) -> Sequence[httpx.AsyncClient]:
    try:
        return await stack.enter_async_context(connected(settings.ledgers))
    except OSError as error:
        raise CannotStart("ledgers", f"{settings.told('ledgers.ca_file')}: {error}") from error


def _followers(ledgers: LedgersSettings, hub: Hub, metrics: FollowerMetrics) -> FollowersService:
    opening = Opening(hub)
    sources = [Source(url, ledgers.headers, ledgers.trust(url)) for url in ledgers.urls]
    return FollowersService([Follower(source, opening, metrics) for source in sources], opening)


def _about(followers: FollowersService) -> Json:
    """What `/health` tells besides the components."""
    return {"version": VERSION, "now_ns": time.time_ns(), "ledgers": followers.report()}
