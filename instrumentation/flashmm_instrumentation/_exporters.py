"""The three exporters, chosen and configured by OpenTelemetry's own environment variables."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from flashmm_instrumentation._listening import listened_grpc
from flashmm_instrumentation._repeats import hold_back_repeats

_BY_PROTOCOL: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_HTTP_PATHS: Final = {"traces": "v1/traces", "metrics": "v1/metrics", "logs": "v1/logs"}


@dataclass(frozen=True, slots=True)
class Exporters:
    """Where each signal goes; None where it goes nowhere."""

    traces: SpanExporter | None = None
    metrics: MetricExporter | None = None
    logs: LogRecordExporter | None = None
    events: LogRecordExporter | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """What the author said explicitly; None leaves it to `OTEL_EXPORTER_OTLP_*`."""

    endpoint: str | None = None
    protocol: str | None = None
    headers: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.endpoint is not None and "://" not in self.endpoint:
            raise ValueError(f"endpoint {self.endpoint!r} needs a scheme, e.g. http://{self.endpoint}")
        if self.protocol is not None and self.protocol not in _BY_PROTOCOL:
            raise ValueError(f"protocol {self.protocol!r} is not one of {', '.join(_BY_PROTOCOL)}")


def exporters(destination: Destination) -> Exporters:
    """Exporters as `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER`, `OTEL_LOGS_EXPORTER` name them (default otlp).

    Events and log records for people have an exporter each, so that neither waits for the other.
    Raises ValueError for an exporter or a protocol that is not installed.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Exporters()
    logs: list[LogRecordExporter | None] = [_exporter("logs", destination) for _ in range(2)]
    return Exporters(_exporter("traces", destination), _exporter("metrics", destination), *logs)


# An entry point's type is known at run time only, hence Any here and nowhere else.
def _exporter(signal: str, destination: Destination) -> Any:  # noqa: ANN401
    name = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or "otlp"
    if name == "none":
        return None
    if name != "otlp":
        return _factory(signal, name)()
    hold_back_repeats()
    protocol = destination.protocol or _protocol(signal)
    make, settings = _factory(signal, _BY_PROTOCOL[protocol]), _settings(signal, protocol, destination)
    if signal == "metrics":
        return make(**settings)  # the next values replace what was not taken: the stock exporter's tries are enough
    if protocol == "grpc":
        return listened_grpc(make, settings)
    from flashmm_instrumentation._listening_http import listened_http

    return listened_http(make, settings, signal)


def _protocol(signal: str) -> str:
    specific = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "").strip()
    protocol = specific or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or "grpc"
    if protocol not in _BY_PROTOCOL:
        raise ValueError(f"OTLP protocol {protocol!r} is not one of {', '.join(_BY_PROTOCOL)}")
    return protocol


def _settings(signal: str, protocol: str, destination: Destination) -> dict[str, object]:
    # Exports are measured by ourselves, see SdkMetrics; twice would be double.
    settings: dict[str, object] = {"meter_provider": NoOpMeterProvider()}
    if destination.endpoint is not None:
        base = destination.endpoint
        settings["endpoint"] = base if protocol == "grpc" else f"{base.rstrip('/')}/{_HTTP_PATHS[signal]}"
    if destination.headers is not None:
        settings["headers"] = dict(destination.headers)
    return settings


def _factory(signal: str, name: str) -> Callable[..., Any]:
    found = list(entry_points(group=f"opentelemetry_{signal}_exporter", name=name))
    if not found:
        raise ValueError(f"no OpenTelemetry {signal} exporter named {name!r} is installed")
    return found[0].load()
