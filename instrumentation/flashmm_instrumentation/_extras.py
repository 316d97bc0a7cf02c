"""What goes out beside trading: Python's logging, asyncio's and the system's metrics, OpenTelemetry's globals."""

import logging
import os
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from typing import Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor

from flashmm_instrumentation._logging import LastResort, OtlpHandler
from flashmm_instrumentation._pipeline import Pipeline

SYSTEM_METRICS: Final[dict[str, list[str] | None]] = {
    "system.cpu.utilization": ["idle", "user", "system", "irq"],
    "system.memory.usage": ["used", "free", "cached"],
    "system.memory.utilization": ["used", "free", "cached"],
    "system.network.dropped.packets": ["transmit", "receive"],
    "system.network.errors": ["transmit", "receive"],
    "system.network.io": ["transmit", "receive"],
    "process.context_switches": ["involuntary", "voluntary"],
    "process.cpu.time": ["user", "system"],
    "process.cpu.utilization": ["user", "system"],
    "process.memory.usage": None,
    "process.memory.virtual": None,
    "process.open_file_descriptor.count": None,
    "process.thread.count": None,
    "process.disk.io": ["read", "write"],
    "cpython.gc.collections": None,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which extras to attach. logging_level: None for no bridge."""

    logging_level: int | None = None
    asyncio: bool = False
    system: bool = False
    global_providers: bool = False


class Extras:
    """Attached at setup, detached at close."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted: Final = wanted
        self._handlers: tuple[logging.Handler, ...] = ()
        self._asyncio = _asyncio_instrumentor() if wanted.asyncio else None
        self._system = SystemMetricsInstrumentor(config=_system_metrics())
        self._owns_asyncio = self._owns_system = False

    def attach(self, pipeline: Pipeline) -> None:
        """Attach what is wanted. An instrumentation that someone else switched on is left alone."""
        if self._wanted.global_providers:
            _make_global(pipeline)
        if self._wanted.logging_level is not None:
            self._handlers = (OtlpHandler(pipeline.logger_provider, self._wanted.logging_level), LastResort())
        for handler in self._handlers:
            logging.getLogger().addHandler(handler)
        self.attach_meters(pipeline)

    def attach_meters(self, pipeline: Pipeline) -> None:
        """Attach to the pipeline's meters; again after a fork, when they are new."""
        self._detach_meters()
        providers = {"tracer_provider": pipeline.tracer_provider, "meter_provider": pipeline.meter_provider}
        if self._asyncio is not None and not self._asyncio.is_instrumented_by_opentelemetry:
            self._asyncio.instrument(**providers)
            self._owns_asyncio = True
        if self._wanted.system and not self._system.is_instrumented_by_opentelemetry:
            self._system.instrument(**providers)
            self._owns_system = True

    def detach(self) -> None:
        """Take off what was attached; global providers cannot be."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
        self._detach_meters()

    def _detach_meters(self) -> None:
        if self._asyncio is not None and self._owns_asyncio:
            self._asyncio.uninstrument()
        if self._owns_system:
            self._system.uninstrument()
        self._owns_asyncio = self._owns_system = False


def _asyncio_instrumentor() -> BaseInstrumentor | None:
    """None where the package's extra `asyncio` is not installed."""
    if find_spec("opentelemetry.instrumentation.asyncio") is None:
        return None
    from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

    return AsyncioInstrumentor()


def _system_metrics() -> dict[str, list[str] | None]:
    # The package's own default takes 60 ms of the interpreter at each collection, most of it to list connections.
    excluded = os.environ.get("OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS", "").split(",")
    patterns = [pattern.strip() for pattern in excluded if pattern.strip()]
    return {
        name: kinds
        for name, kinds in SYSTEM_METRICS.items()
        if not any(fnmatch(name, pattern) for pattern in patterns)
    }


def _make_global(pipeline: Pipeline) -> None:
    """The first setup of a process provides the globals: OpenTelemetry lets them be set once."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(pipeline.tracer_provider)
        metrics.set_meter_provider(pipeline.meter_provider)
        _logs.set_logger_provider(pipeline.logger_provider)
