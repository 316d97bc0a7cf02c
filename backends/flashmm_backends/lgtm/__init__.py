"""The ports over the stores of a team that runs its own: Prometheus or Mimir for metrics, Tempo for traces."""

from flashmm_backends.lgtm._endpoint import Endpoint, NotConfigured, Time
from flashmm_backends.lgtm._prometheus import (
    HandedThrough,
    PrometheusMetrics,
    prometheus_endpoint,
    prometheus_metrics,
)
from flashmm_backends.lgtm._settings import EndpointSettings, TempoSettings
from flashmm_backends.lgtm._tempo import TempoTraces, tempo_traces

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
    "prometheus_metrics",
    "tempo_traces",
]
