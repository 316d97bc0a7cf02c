"""PromQL over any source of samples: parsed by promql-parser, evaluated here in columns."""

from flashmm_backends.promql._engine import Engine
from flashmm_backends.promql._http import PrometheusApi, Response
from flashmm_backends.promql._limits import Limits
from flashmm_backends.promql._reader import PromqlMetrics
from flashmm_backends.promql.source import (
    ExemplarSeries,
    ExemplarSource,
    HistogramSamples,
    Matcher,
    MatchOp,
    Metadata,
    SampleSource,
    Selection,
)

__all__ = [
    "Engine",
    "ExemplarSeries",
    "ExemplarSource",
    "HistogramSamples",
    "Limits",
    "MatchOp",
    "Matcher",
    "Metadata",
    "PrometheusApi",
    "PromqlMetrics",
    "Response",
    "SampleSource",
    "Selection",
]
