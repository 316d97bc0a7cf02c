"""The page's server in miniature: hub, tap, stream, static files, and history and orders from memory.

`python -m tests.acceptance.page.site [port]` runs it with the simulation, to look at the page.
"""

import asyncio
import re
import socket
import sys
import time
from bisect import bisect_right
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

from flashmm_backends.batch import Batch, Event, Span
from flashmm_dashboards import LivePage
from flashmm_streaming import Hub, LiveTap, OutboxLimits, StreamEndpoint
from flashmm_streaming._events import verbatim


class History:
    """Every sample by series; answers the page's own range queries, which are plain selectors."""

    def __init__(self) -> None:
        self._labels: dict[int, dict[str, str]] = {}
        self._samples: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self.queries: list[str] = []

    def add(self, batch: Batch) -> None:
        self._labels |= {meta.id: dict(meta.labels) for meta in batch.series}
        points = batch.points
        for series, at, value in zip(
            points.series_id.tolist(), points.time_ms.tolist(), points.value.tolist(), strict=True
        ):
            self._samples[series].append((at, value))

    def query_range(self, query: str, start_s: float, end_s: float, step_s: float) -> list[dict[str, object]]:
        """Prometheus's matrix for a selector such as `{__name__=~"a|b",bot="x"}`."""
        self.queries.append(query)
        matchers = re.findall(r'(\w+)=(~?)"((?:[^"\\]|\\.)*)"', query)
        found = [series for series, labels in self._labels.items() if _matches(labels, matchers)]
        return [
            {"metric": self._labels[series], "values": self._values([series], start_s, end_s, step_s)}
            for series in found
        ]

    def _values(self, members: list[int], start_s: float, end_s: float, step_s: float) -> list[list[object]]:
        found: list[list[object]] = []
        at = start_s
        while at <= end_s:
            parts = [self._at(series, int(at * 1000)) for series in members]
            known = [part for part in parts if part is not None]
            if known:
                found.append([at, format(sum(known), ".15g")])
            at += step_s
        return found

    def _at(self, series: int, at_ms: int) -> float | None:
        samples = self._samples[series]
        place = bisect_right(samples, (at_ms, float("inf")))
        return samples[place - 1][1] if place and samples[place - 1][0] > at_ms - 300_000 else None


def _matches(labels: dict[str, str], matchers: list[tuple[str, str, str]]) -> bool:
    return all(
        re.fullmatch(value if regex else re.escape(value), labels.get(name, "")) for name, regex, value in matchers
    )


class Site:
    """One hub with everything that the page talks to."""

    def __init__(self, outbox: OutboxLimits | None = None, epoch: str = "epoch-1") -> None:
        self.registry = CollectorRegistry()
        self.hub = Hub(epoch, self.registry, outbox=outbox)
        self.history = History()
        self.orders: dict[str, tuple[list[Span], list[Event]]] = {}
        self.retention: dict[str, object] = {"shortened": False}
        self.tap: LiveTap | None = None
        self.fed: list[Batch] = []

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
        self._by_trace = getattr(self, "_by_trace", defaultdict(list))
        self._by_trace[span.trace_id].append(span)
        if order_id := span.attributes.get("flashmm.order.id"):
            self.orders.setdefault(str(order_id), ([], []))[0].extend(self._by_trace.pop(span.trace_id))

    def app(self, endpoint: StreamEndpoint | None = None) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/v1/query_range", self._query_range),
                Route("/api/orders", self._orders),
                Route("/api/orders/{order_id:path}", self._order),
                Route("/health", self._health),
                WebSocketRoute("/stream", endpoint or StreamEndpoint(self.hub)),
                Mount("/", LivePage()),
            ]
        )

    async def _query_range(self, request: Request) -> Response:
        asked = request.query_params
        result = self.history.query_range(
            asked["query"], float(asked["start"]), float(asked["end"]), float(asked["step"])
        )
        return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": result}})

    async def _orders(self, request: Request) -> Response:
        limit = int(request.query_params.get("limit", "100"))
        return JSONResponse(
            {"orders": [_summary(name, spans) for name, (spans, _) in self.orders.items() if spans][-limit:][::-1]}
        )

    async def _order(self, request: Request) -> Response:
        order_id = request.path_params["order_id"]
        if order_id not in self.orders:
            return JSONResponse({"detail": f"order {order_id} is not in the store"}, 404)
        spans, events = self.orders[order_id]
        body = {
            "order_id": order_id,
            "placement": [_span(span) for span in spans],
            "later": [],
            "events": [{**verbatim(event), "kind": event.kind} for event in events],
        }
        return JSONResponse(body)

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "retention": self.retention})


def _span(span: Span) -> dict[str, object]:
    return {
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


async def main(port: int) -> None:
    """Two bots with an hour of history, live from now on."""
    site = Site()
    bots = [
        Simulation(Bot(run="r1")),
        Simulation(Bot("maker-2", "alt", "production", "r2"), "ETHUSDT", 2_615.0, 11),
    ]
    now = time.time_ns() // SECOND * SECOND
    for at in range(now - 1_800 * SECOND, now, SECOND):
        for bot in bots:
            for batch in bot.second(at):
                site.feed(batch)
    async with serving(site.app(), port):
        while True:
            await asyncio.sleep(1)
            for bot in bots:
                for batch in bot.second(time.time_ns()):
                    site.feed(batch)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8099))
