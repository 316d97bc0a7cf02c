"""The ports over the stores of a team that runs its own: Prometheus or Mimir for metrics, Tempo for traces."""

from typing import TYPE_CHECKING

from flashmm_instrumentation.late import late

if TYPE_CHECKING:
    from flashmm_backends.lgtm._endpoint import Endpoint, NotConfigured, Time
    from flashmm_backends.lgtm._prometheus import HandedThrough, PrometheusMetrics, prometheus_endpoint
    from flashmm_backends.lgtm._settings import EndpointSettings, TempoSettings
    from flashmm_backends.lgtm._tempo import TempoTraces, tempo_traces
else:
    __getattr__ = late(
        __name__,
        {
            "Endpoint": "_endpoint",
            "NotConfigured": "_endpoint",
            "Time": "_endpoint",
            "HandedThrough": "_prometheus",
            "PrometheusMetrics": "_prometheus",
            "prometheus_endpoint": "_prometheus",
            "EndpointSettings": "_settings",
            "TempoSettings": "_settings",
            "TempoTraces": "_tempo",
            "tempo_traces": "_tempo",
        },
    )

__all__ = [
    "Endpoint",
    "EndpointSettings",
    "HandedThrough",
    "NotConfigured",
    "PrometheusMetrics",
    "TempoSettings",
    "TempoTraces",
    "Time",
    "prometheus_endpoint",
    "tempo_traces",
]
