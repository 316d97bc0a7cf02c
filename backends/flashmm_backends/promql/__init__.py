"""PromQL over any source of samples: parsed by promql-parser, evaluated here in columns."""

from typing import TYPE_CHECKING

from flashmm_instrumentation.late import late

if TYPE_CHECKING:
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
else:
    __getattr__ = late(
        __name__,
        {
            "Engine": "_engine",
            "PrometheusApi": "_http",
            "Response": "_http",
            "Limits": "_limits",
            "PromqlMetrics": "_reader",
            "ExemplarSeries": "source",
            "ExemplarSource": "source",
            "HistogramSamples": "source",
            "Matcher": "source",
            "MatchOp": "source",
            "Metadata": "source",
            "SampleSource": "source",
            "Selection": "source",
        },
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
