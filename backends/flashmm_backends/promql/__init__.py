"""PromQL over any source of samples: parsed by promql-parser, evaluated here in columns."""

from flashmm_backends.promql._engine import Engine
from flashmm_backends.promql._limits import Limits
from flashmm_backends.promql._reader import PromqlMetrics
from flashmm_backends.promql.source import (
    HistogramSamples,
    Matcher,
    MatchOp,
    Metadata,
    SampleSource,
    Selection,
)

__all__ = [
    "Engine",
    "HistogramSamples",
    "Limits",
    "MatchOp",
    "Matcher",
    "Metadata",
    "PromqlMetrics",
    "SampleSource",
    "Selection",
]
