"""Numbers and histograms as Go writes them, where they become label values."""

import math

import numpy as np

from flashmm_backends._text import decimal_text
from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.promql._histograms import table


def general(value: float) -> str:
    """The shortest decimal, with an exponent where it is below -4 or above 20 (Go's %g)."""
    if not math.isfinite(value) or value == 0:
        return decimal_text(value)
    exponent = math.floor(math.log10(abs(value)))
    return (
        np.format_float_scientific(value, trim="-", exp_digits=2) if not -5 < exponent < 21 else decimal_text(value)
    )


def printed(histogram: NativeHistogram) -> str:
    """A histogram as Prometheus prints it: {count:…, sum:…, (lower,upper]:…}."""
    buckets = table(histogram)
    parts = [f"count:{general(float(histogram.count))}", f"sum:{general(float(histogram.sum))}"]
    for lower, upper, count in zip(buckets.lower, buckets.upper, buckets.count, strict=True):
        if count:
            left, right = _brackets(float(lower), float(upper))
            parts.append(f"{left}{general(float(lower))},{general(float(upper))}{right}:{general(float(count))}")
    return "{" + ", ".join(parts) + "}"


def _brackets(lower: float, upper: float) -> tuple[str, str]:
    if lower < 0 < upper:
        return "[", "]"
    return ("[", ")") if upper < 0 else ("(", "]")
