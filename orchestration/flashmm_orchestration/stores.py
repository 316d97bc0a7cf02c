"""Which store answers what: the one place that knows the choice. Everybody else sees ports."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from flashmm_backends.ledger import Ledger
from flashmm_backends.ports import EventReader, MetricsReader, TraceReader
from flashmm_backends.promql import Engine, PrometheusApi, PromqlMetrics, Response
from flashmm_orchestration.settings import Settings
from flashmm_orchestration.supervisor import CannotStart


class PrometheusAnswers(Protocol):
    """Prometheus's HTTP API, as `PrometheusApi.handle` tells."""

    async def handle(
        self, method: str, path: str, query: str = "", body: bytes = b"", content_type: str = ""
    ) -> Response: ...


@dataclass(frozen=True, slots=True)
class Stores:
    """The read side. prometheus: what answers under /api/v1."""

    metrics: MetricsReader
    prometheus: PrometheusAnswers
    traces: TraceReader


@asynccontextmanager
async def chosen_stores(settings: Settings, ledger: Ledger) -> AsyncGenerator[Stores]:
    """The stores that the settings choose, closed here. Raises CannotStart where the settings cannot be used."""
    async with AsyncExitStack() as stack:
        metrics, prometheus = await _metrics(settings, ledger, stack)
        yield Stores(metrics, prometheus, await _traces(settings, ledger, ledger, stack))


@asynccontextmanager
async def relayed_stores(settings: Settings, events: EventReader, traces: TraceReader) -> AsyncGenerator[Stores]:
    """The same for a process that reads others' ledgers. Raises CannotStart."""
    async with AsyncExitStack() as stack:
        metrics, prometheus = await _prometheus(settings, stack)
        yield Stores(metrics, prometheus, await _traces(settings, traces, events, stack))


async def _metrics(
    settings: Settings, ledger: Ledger, stack: AsyncExitStack
) -> tuple[MetricsReader, PrometheusAnswers]:
    if settings.metrics.kind == "prometheus":
        return await _prometheus(settings, stack)
    metrics = PromqlMetrics(Engine(ledger, settings.query))
    stack.callback(metrics.close)
    return metrics, PrometheusApi(metrics, ledger, exemplars=ledger, limits=settings.query)


async def _prometheus(settings: Settings, stack: AsyncExitStack) -> tuple[MetricsReader, PrometheusAnswers]:
    from flashmm_backends.lgtm import HandedThrough, NotConfigured, PrometheusMetrics, prometheus_endpoint

    try:
        endpoint = await stack.enter_async_context(prometheus_endpoint(settings.metrics))
    except NotConfigured as error:
        raise CannotStart("stores", str(error)) from error
    return PrometheusMetrics(endpoint), HandedThrough(endpoint)


async def _traces(settings: Settings, own: TraceReader, events: EventReader, stack: AsyncExitStack) -> TraceReader:
    if settings.traces.kind != "tempo":
        return own
    from flashmm_backends.lgtm import NotConfigured, tempo_traces

    try:
        return await stack.enter_async_context(tempo_traces(settings.traces, settings.traces, events))
    except NotConfigured as error:
        raise CannotStart("stores", str(error)) from error
