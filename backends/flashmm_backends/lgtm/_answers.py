"""Prometheus's JSON answers as the port's results. Pure. Raises NotAnAnswer where the form is another.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import orjson

from flashmm_backends.batch import Labels
from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.lgtm._native import NotExponential, native_histogram
from flashmm_backends.ports import InstantResult, QueryRefused, RangeResult, RangeSeries, VectorSample

_SHAPE_ERRORS: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError)

T = TypeVar("T")


class NotAnAnswer(Exception):
    """The bytes aren't an answer of the API."""


def refusal(body: bytes) -> QueryRefused | None:
    """What an error answer says, where it is the API's own."""
    try:
        told = orjson.loads(body)
        if told["status"] != "error":
            return None
        return QueryRefused(str(told["errorType"]), str(told["error"]))
    except _SHAPE_ERRORS:
        return None


def instant_result(body: bytes) -> InstantResult:
    """The answer of an instant query. Raises NotAnAnswer, and QueryRefused for custom histogram buckets."""
    return _read(_instant, body)


def range_result(body: bytes) -> RangeResult:
    """The answer of a range query, sorted by labels. Raises as `instant_result` does."""
    return _read(_range, body)


def _read(reader: Callable[[dict[str, Any]], T], body: bytes) -> T:
    try:
        answer = orjson.loads(body)
        if answer["status"] != "success":
            raise NotAnAnswer
        return reader(answer)
    except NotExponential as error:
        raise QueryRefused("execution", f"the answer holds a histogram with custom buckets: {error}") from error
    except _SHAPE_ERRORS as error:
        raise NotAnAnswer from error


def _instant(answer: dict[str, Any]) -> InstantResult:
    kind, result = answer["data"]["resultType"], answer["data"]["result"]
    made = partial(InstantResult, kind, annotations=_annotations(answer))
    if kind == "vector":
        return made(samples=[_sample(row) for row in result])
    if kind == "matrix":
        return made(matrix=_matrix(result))
    time, text = result
    if kind == "scalar":
        return made(samples=[VectorSample((), _time_ms(time), float(text))])
    if kind == "string":
        return made(text=text)
    raise NotAnAnswer


def _range(answer: dict[str, Any]) -> RangeResult:
    if answer["data"]["resultType"] != "matrix":
        raise NotAnAnswer
    return RangeResult(sorted(_matrix(answer["data"]["result"]), key=lambda row: row.labels), _annotations(answer))


def _annotations(answer: dict[str, Any]) -> Sequence[str]:
    return (*answer.get("warnings", ()), *answer.get("infos", ()))


def _labels(metric: dict[str, str]) -> Labels:
    return tuple(sorted(metric.items()))


def _time_ms(seconds: float) -> int:
    return round(seconds * 1000)


def _sample(row: dict[str, Any]) -> VectorSample:
    time, held = row["histogram"] if "histogram" in row else row["value"]
    value: float | NativeHistogram = native_histogram(held) if "histogram" in row else float(held)
    return VectorSample(_labels(row["metric"]), _time_ms(time), value)


def _matrix(rows: Sequence[dict[str, Any]]) -> list[RangeSeries]:
    return [_series(row) for row in rows]


def _series(row: dict[str, Any]) -> RangeSeries:
    points, natives = row.get("values", ()), row.get("histograms", ())
    return RangeSeries(
        _labels(row["metric"]),
        np.rint(np.array([time for time, _ in points], np.float64) * 1000).astype(np.int64),
        np.array([float(text) for _, text in points], np.float64),
        [_time_ms(time) for time, _ in natives],
        [native_histogram(held) for _, held in natives],
    )
