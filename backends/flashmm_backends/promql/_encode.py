"""Answers in exactly Prometheus's JSON: numbers as text, times in seconds, histograms with their buckets.

Written as text by hand: a range query answers with ten thousands of [time, "value"] pairs, whose form no JSON
library knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import orjson

from flashmm_backends._text import decimal_text
from flashmm_backends.batch import Exemplar, Labels
from flashmm_backends.histogram import NativeHistogram
from flashmm_backends.ports import InstantResult, RangeSeries, VectorSample
from flashmm_backends.promql._histograms import json_buckets


def sample_text(value: float) -> str:
    """A sample's value: shortest that reads back, with an exponent below 1e-6 and from 1e21 on."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" not in text and "n" not in text:
        return text
    magnitude = abs(value)
    if magnitude < 1e-6 or 1e21 <= magnitude < _INFINITY:
        return _with_exponent(text)
    return decimal_text(value)


_INFINITY = float("inf")
_repeated_text = lru_cache(maxsize=16_384)(sample_text)


def _bound_text(bound: float) -> str:
    """Bounds of buckets repeat from sample to sample and from series to series. (0 and -0 are one key.)"""
    return _repeated_text(bound) if bound else sample_text(bound)


def _with_exponent(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        mantissa, _, exponent = f"{Decimal(text).normalize():e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}"


@lru_cache(maxsize=16_384)
def time_text(time_ms: int) -> str:
    """Milliseconds as seconds, with as many decimals as it takes."""
    seconds, milliseconds = divmod(abs(time_ms), 1000)
    sign = "-" if time_ms < 0 else ""
    return f"{sign}{seconds}.{milliseconds:03d}" if milliseconds else f"{sign}{seconds}"


def json_text(value: object) -> str:
    """Any plain value as JSON."""
    return orjson.dumps(value).decode()


def instant(result: InstantResult, at_ms: int) -> str:
    """The data of an instant query's answer."""
    return _query_data(result.type, _instant_value(result, at_ms))


def _instant_value(result: InstantResult, at_ms: int) -> str:
    if result.type == "matrix":
        return _array(map(series, result.matrix))
    if result.type == "vector":
        return _array(map(_vector_sample, result.samples))
    if result.type == "scalar":
        value = result.samples[0].value
        assert isinstance(value, float)
        return f'[{time_text(at_ms)},"{decimal_text(value)}"]'
    return f"[{time_text(at_ms)},{json_text(result.text)}]"


def matrix(rows: Iterable[RangeSeries]) -> str:
    """The data of a range query's answer."""
    return _query_data("matrix", _array(map(series, rows)))


def _query_data(kind: str, result: str) -> str:
    return f'{{"resultType":"{kind}","result":{result}}}'


def _array(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"


def labels_json(labels: Labels) -> str:
    """Labels as an object, in order."""
    return json_text(dict(labels))


def _vector_sample(sample: VectorSample) -> str:
    time = time_text(sample.time_ms)
    if isinstance(sample.value, NativeHistogram):
        return f'{{"metric":{labels_json(sample.labels)},"histogram":[{time},{_histogram(sample.value)}]}}'
    return f'{{"metric":{labels_json(sample.labels)},"value":[{time},"{sample_text(sample.value)}"]}}'


def series(row: RangeSeries) -> str:
    """One series of a matrix."""
    parts = [f'"metric":{labels_json(row.labels)}']
    if len(row.values):
        parts.append('"values":' + _points(row.times_ms.tolist(), row.values.tolist()))
    if len(row.histograms):
        held = zip(row.histogram_times_ms, row.histograms, strict=True)
        parts.append('"histograms":' + _array(f"[{time_text(t)},{_histogram(h)}]" for t, h in held))
    return "{" + ",".join(parts) + "}"


def _points(times_ms: list[int], values: list[float]) -> str:
    # orjson writes the same shortest digits ten times faster than repr; it differs in ".0", exponents, infinity
    # and NaN (null), which one look at the whole text finds.
    digits = json_text(values)
    if "e" in digits or "n" in digits:
        return _array(f'[{time_text(t)},"{sample_text(v)}"]' for t, v in zip(times_ms, values, strict=True))
    pairs = zip(map(time_text, times_ms), digits[1:-1].split(","), strict=True)
    return "[" + ",".join([f'[{time},"{text}"]' for time, text in pairs]).replace('.0"]', '"]') + "]"


def _histogram(histogram: NativeHistogram) -> str:
    head = f'"count":"{sample_text(histogram.count)}","sum":"{sample_text(histogram.sum)}"'
    buckets = _array(
        f'[{rule},"{_bound_text(lower)}","{_bound_text(upper)}","{sample_text(count)}"]'
        for rule, lower, upper, count in json_buckets(histogram)
    )
    return f"{{{head}}}" if buckets == "[]" else f'{{{head},"buckets":{buckets}}}'


def exemplars(found: Iterable[tuple[Labels, Sequence[Exemplar]]]) -> str:
    """The data of an exemplar query's answer."""
    return _array(
        f'{{"seriesLabels":{labels_json(labels)},"exemplars":{_array(map(_exemplar, held))}}}'
        for labels, held in found
    )


def _exemplar(exemplar: Exemplar) -> str:
    ids = {"trace_id": exemplar.trace_id.hex(), "span_id": exemplar.span_id.hex()}
    labels = {**dict(exemplar.labels), **{name: text for name, text in ids.items() if text}}
    return (
        f'{{"labels":{json_text(dict(sorted(labels.items())))},"value":"{sample_text(exemplar.value)}",'
        f'"timestamp":{time_text(exemplar.time_ms)}}}'
    )


def success(data: str, annotations: Sequence[str] = ()) -> bytes:
    """The whole answer. annotations: infos begin with `PromQL info`, all others are warnings."""
    infos = [note for note in annotations if note.startswith("PromQL info")]
    warnings = [note for note in annotations if not note.startswith("PromQL info")]
    notes = "".join(
        f',"{kind}":{json_text(list(held)[:10])}' for kind, held in (("warnings", warnings), ("infos", infos)) if held
    )
    return f'{{"status":"success","data":{data}{notes}}}'.encode()


def failure(kind: str, message: str) -> bytes:
    """The whole answer that tells an error. kind: Prometheus's errorType."""
    body: Mapping[str, str] = {"status": "error", "errorType": kind, "error": message}
    return orjson.dumps(body)
