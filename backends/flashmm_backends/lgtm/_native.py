"""Native histograms out of the JSON form, which has bounds where the value has a schema and indexes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from flashmm_backends.histogram import (
    NO_BUCKETS,
    SCHEMA_MAX,
    SCHEMA_MIN,
    ZERO_THRESHOLD,
    Buckets,
    NativeHistogram,
)

_CLOSED: Final = 3
_ACROSS_ZERO: Final = 2
_FLOAT_MAX: Final = float(np.finfo(np.float64).max)
_INDEXES_MAX: Final = 600_000
"""More than all float64 numbers have at the finest schema."""


@dataclass
class NotExponential(Exception):
    """Buckets that no standard schema has: a histogram with custom bounds."""

    bound: float

    def __str__(self) -> str:
        return f"its bucket bound {self.bound} belongs to no exponential schema from {SCHEMA_MIN} to {SCHEMA_MAX}"


@dataclass(frozen=True, slots=True)
class _Row:
    """One populated bucket by the size of its bounds, whatever its sign."""

    inner: float
    outer: float
    count: float


def native_histogram(held: dict[str, Any]) -> NativeHistogram:
    """The histogram of {"count", "sum", "buckets"}. Raises NotExponential, KeyError, TypeError, ValueError.

    The form omits empty buckets, and the zero bucket's width and the schema where no bucket tells: those come back
    without empty buckets, with OTLP's width, and schema 0 (or any that fits, of a lone bucket that the zero bucket
    cuts). All else is exact.
    """
    threshold, zero_count = ZERO_THRESHOLD, 0.0
    positive: list[_Row] = []
    negative: list[_Row] = []
    for rule, lower, upper, count in held.get("buckets", ()):
        low, high, populated = float(lower), float(upper), float(count)
        if rule in (_CLOSED, _ACROSS_ZERO):
            threshold, zero_count = high, populated
        elif high > 0:
            positive.append(_Row(low, high, populated))
        else:
            negative.append(_Row(-high, -low, populated))
    rows = positive + negative
    schema = _schema(rows, threshold) if rows else 0
    return NativeHistogram(
        schema,
        threshold,
        zero_count,
        float(held["count"]),
        float(held["sum"]),
        _buckets(positive, schema),
        _buckets(negative, schema),
    )


def _schema(rows: Sequence[_Row], threshold: float) -> int:
    """The one schema whose buckets all of these are: their widths propose it, then every bound is checked."""
    proposed = sorted({_proposed(row) for row in rows}, reverse=True)
    for schema in (*proposed, *range(SCHEMA_MAX, SCHEMA_MIN - 1, -1)):
        if SCHEMA_MIN <= schema <= SCHEMA_MAX and all(_fits(row, schema, threshold) for row in rows):
            return schema
    raise NotExponential(rows[0].outer)


def _proposed(row: _Row) -> int:
    if not 0 < row.inner < row.outer < math.inf:
        return SCHEMA_MAX
    return round(-math.log2(_log2(row.outer) - _log2(row.inner)))


def _fits(row: _Row, schema: int, threshold: float) -> bool:
    if row.outer == math.inf:
        return row.inner == _FLOAT_MAX
    end = _index(row.outer, schema) / 2.0**schema
    begin = end - 2.0**-schema
    inner = _log2(row.inner) if row.inner > 0 else -math.inf
    # The zero bucket cuts what reaches into it; below the least float there is only 0.
    begins = (
        _near(inner, begin) or (row.inner == threshold and begin < inner < end) or (not row.inner and begin < -1074)
    )
    return _near(_log2(row.outer), end) and begins


def _near(exponent: float, exact: float) -> bool:
    # Among the subnormal numbers a bound keeps few digits.
    tolerance = 1e-11 * max(1.0, abs(exact)) if exact > -1022 else 0.6
    return abs(exponent - exact) <= tolerance


def _index(outer: float, schema: int) -> int:
    if outer == math.inf:
        return round(1024 * 2.0**schema) + 1
    return round(_log2(outer) * 2.0**schema)


def _log2(bound: float) -> float:
    """The last bound before infinity stands for 2**1024, which no float is."""
    return 1024.0 if bound == _FLOAT_MAX else math.log2(bound)


def _buckets(rows: Sequence[_Row], schema: int) -> Buckets:
    if not rows:
        return NO_BUCKETS
    by_index = {_index(row.outer, schema): row.count for row in rows}
    first, last = min(by_index), max(by_index)
    if last - first >= _INDEXES_MAX:
        raise NotExponential(max(row.outer for row in rows))
    counts = np.zeros(last - first + 1)
    for index, count in by_index.items():
        counts[index - first] = count
    return Buckets(first, counts)
