"""The page's server in miniature: hub, tap, stream, static files, and history and orders from memory.

`python -m tests.acceptance.page.site [port [otlp port]]` runs it, to look at the page: with the simulation, or with
what a bot sends to the second port.
"""

import asyncio
import socket
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from tests.acceptance.page.batches import SECOND, Bot
from tests.acceptance.page.simulation import Simulation

from flashmm_backends.batch import Batch, Event, Labels, Span
from flashmm_backends.promql import Engine, PrometheusApi, PromqlMetrics
from flashmm_backends.promql import Response as Answer
from flashmm_backends.promql.testing import MemorySource
from flashmm_backends.testing import MemoryStore
from flashmm_dashboards import LivePage
from flashmm_receiver import Receiver, ReceiverSettings
from flashmm_streaming import Hub, LiveTap, OutboxLimits, StreamEndpoint
from flashmm_streaming._events import verbatim


class History:
    """Every sample, in memory, behind the real PromQL engine and API."""

    def __init__(self) -> None:
        self._labels: dict[int, Labels] = {}
        self._source = MemorySource()
        self._api = PrometheusApi(PromqlMetrics(Engine(self._source)), self._source)
        self.queries: list[str] = []

    def add(self, batch: Batch) -> None:
        """Keep a batch's points."""
        self._labels |= {meta.id: meta.labels for meta in batch.series}
        points = batch.points
        for series, at, value in zip(
            points.series_id.tolist(), points.time_ms.tolist(), points.value.tolist(), strict=True
        ):
            self._source.add(self._labels[series], [(at, value)])

    async def answer(self, path: str, query: str) -> Answer:
        """One request to `/api/v1/…`."""
        self.queries.append(query)
        return await self._api.handle("GET", path, query)


class Site:
    """One hub with everything that the page talks to."""

    def __init__(self, outbox: OutboxLimits | None = None, epoch: str = "epoch-1") -> None:
        self.registry = CollectorRegistry()
        self.hub = Hub(epoch, self.registry, outbox=outbox)
        self.history = History()
        self.orders: dict[str, tuple[list[Span], list[Event]]] = {}
        self.retention: dict[str, object] = {"shortened": False}
        self.tap: LiveTap | None = None
        self._by_trace: dict[bytes, list[Span]] = defaultdict(list)

    def feed(self, batch: Batch) -> None:
        """As the receiver does: the tap, and the store."""
        self.history.add(batch)
        for span in batch.spans:
            self._keep_span(span)
        for event in batch.events:
            if order_id := event.fields.get("order_id"):
                self.orders.setdefault(str(order_id), ([], []))[1].append(event)
        if self.tap is None:
            self.tap = LiveTap(self.hub, asyncio.get_running_loop(), self.registry)
        self.tap(batch)

    def _keep_span(self, span: Span) -> None:
        self._by_trace[span.trace_id].append(span)
        if order_id := span.attributes.get("flashmm.order.id"):
            spans = self.orders.setdefault(str(order_id), ([], []))[0]
            spans.extend(self._by_trace.pop(span.trace_id))

    def app(self, endpoint: StreamEndpoint | None = None) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/v1/{path:path}", self._prometheus),
                Route("/api/orders", self._orders),
                Route("/api/orders/", self._order),
                Route("/health", self._health),
                Route("/livez", self._health),
                WebSocketRoute("/stream", endpoint or StreamEndpoint(self.hub)),
                Mount("/", LivePage()),
            ]
        )

    async def _prometheus(self, request: Request) -> Response:
        answer = await self.history.answer(request.path_params["path"], request.url.query)
        return Response(answer.body, answer.status, media_type="application/json")

    async def _orders(self, request: Request) -> Response:
        limit = int(request.query_params.get("limit", "100"))
        return JSONResponse(
            {"orders": [_summary(name, spans) for name, (spans, _) in self.orders.items() if spans][-limit:][::-1]}
        )

    async def _order(self, request: Request) -> Response:
        order_id = request.query_params["id"]
        if order_id not in self.orders:
            return JSONResponse(
                {"error": {"code": "not_found", "message": f"order {order_id} is not in the store"}}, 404
            )
        spans, events = self.orders[order_id]
        placed = {span.trace_id for span in spans if span.name == "order"}
        body = {
            "order_id": order_id,
            "placement": [_span(span) for span in spans if span.trace_id in placed],
            "later": [_span(span) for span in spans if span.trace_id not in placed],
            "events": [{**verbatim(event), "kind": event.kind} for event in events],
        }
        return JSONResponse(body)

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "retention": self.retention})


def _span(span: Span) -> dict[str, object]:
    return {
        "trace_id": span.trace_id.hex(),
        "name": span.name,
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "start_ns": str(span.start_ns),
        "end_ns": str(span.end_ns),
        "attributes": dict(span.attributes),
        "status": span.status,
    }


def _summary(order_id: str, spans: list[Span]) -> dict[str, object]:
    root = next(span for span in spans if not span.parent_span_id)
    return {
        "order_id": order_id,
        "trace_id": root.trace_id.hex(),
        "symbol": root.attributes["flashmm.symbol"],
        "side": root.attributes["flashmm.side"],
        "outcome": root.attributes["flashmm.order.outcome"],
        "start_ns": str(root.start_ns),
        "duration_ns": str(root.end_ns - root.start_ns),
    }


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def serving(app: object, port: int = 0, **options: object) -> AsyncIterator[int]:
    """Run an ASGI application on the loopback, on a free port unless told; yields the port."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off", **options)
    server = _Server(config)
    running = asyncio.create_task(server._serve(), name="site")
    await server.listening.wait()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


class _SiteStore(MemoryStore):
    """Keeps nothing but what the site shows."""

    async def append(self, batch: Batch) -> None:
        """Already with the site, by its tap."""


async def simulated(site: Site) -> None:
    """Two bots with half an hour of history, live from now on."""
    bots = [
        Simulation(Bot(run="r1")),
        Simulation(Bot("maker-2", "alt", "production", "r2"), "ETHUSDT", 2_615.0, 11),
    ]
    now = time.time_ns() // SECOND * SECOND
    for at in range(now - 1_800 * SECOND, now, SECOND):
        for bot in bots:
            for batch in bot.second(at):
                site.feed(batch)
    while True:
        await asyncio.sleep(1)
        for bot in bots:
            for batch in bot.second(time.time_ns()):
                site.feed(batch)


async def received(site: Site, port: int) -> None:
    """Whatever sends OTLP over gRPC to this port."""
    settings = ReceiverSettings(grpc_bind=f"127.0.0.1:{port}", http_bind="127.0.0.1:0")
    async with Receiver(settings, _SiteStore(), [site.feed], clock=time.time_ns, registry=CollectorRegistry()):
        await asyncio.Event().wait()


async def main(port: int, otlp_port: int | None) -> None:
    """The page on one port, fed by the simulation, or by what comes to the other."""
    site = Site()
    async with serving(site.app(), port):
        await (simulated(site) if otlp_port is None else received(site, otlp_port))


if __name__ == "__main__":
    ports = [int(text) for text in sys.argv[1:]]
    asyncio.run(main(ports[0] if ports else 8099, ports[1] if len(ports) > 1 else None))
