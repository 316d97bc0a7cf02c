"""Functions by name: of single values, of range vectors, and those with rules of their own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from flashmm_backends.histogram_array import COUNT, SUM, HistogramArray, concatenated
from flashmm_backends.promql import _classic, _histograms, _labels, _over_time, _rates, _regression
from flashmm_backends.promql._ast import Call, Expr, Kind, Selector, Text
from flashmm_backends.promql._dates import DATE_PARTS
from flashmm_backends.promql._elementwise import ELEMENTWISE
from flashmm_backends.promql._histogram_functions import (
    averages,
    native_fractions,
    native_quantiles,
    of_histograms,
    one_by_one,
)
from flashmm_backends.promql._histogram_range import with_histograms
from flashmm_backends.promql._over_time import Cells
from flashmm_backends.promql._relabel import absent_labels, joined, replaced
from flashmm_backends.promql._selectors import select_instant
from flashmm_backends.promql._session import Session, note_quantile
from flashmm_backends.promql._values import (
    Floats,
    Mask,
    Scalars,
    Vectors,
    any_row,
    any_step,
    histograms_of,
    merged,
    require_distinct,
    single_row,
)
from flashmm_backends.promql._windows import RangeVector, Windows

if TYPE_CHECKING:
    from flashmm_backends.promql._evaluator import Evaluator

Value = Vectors | Scalars

RANGE_FUNCTIONS: dict[str, Callable[[Windows, Sequence[Floats]], Cells]] = {
    "rate": _rates.extrapolated(is_counter=True, is_rate=True),
    "increase": _rates.extrapolated(is_counter=True, is_rate=False),
    "delta": _rates.extrapolated(is_counter=False, is_rate=False),
    "irate": _rates.instantaneous(is_counter=True),
    "idelta": _rates.instantaneous(is_counter=False),
    "deriv": _regression.slope,
    "predict_linear": _regression.prediction,
    "resets": _over_time.resets,
    "changes": _over_time.changes,
    "avg_over_time": _over_time.average,
    "count_over_time": _over_time.count,
    "last_over_time": _over_time.last,
    "max_over_time": _over_time.largest,
    "min_over_time": _over_time.smallest,
    "present_over_time": _over_time.present,
    "quantile_over_time": _over_time.quantile,
    "stddev_over_time": _over_time.deviation,
    "stdvar_over_time": _over_time.variance,
    "sum_over_time": _over_time.total,
}
_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


def is_elementwise(function: str) -> bool:
    """Whether a function maps each float of a vector by itself."""
    return function in ELEMENTWISE


def call_elementwise(evaluator: "Evaluator", node: Call) -> Value:
    """A function of single values; histograms have none and are left out."""
    vectors = evaluator.vectors(node.arguments[0]).floats_only()
    scalars = [evaluator.scalars(argument).values for argument in node.arguments[1:]]
    return _mapped(vectors, ELEMENTWISE[node.function](vectors.values, *scalars), _allowed(node, scalars))


def _mapped(vectors: Vectors, values: Floats, steps: Mask | bool = True) -> Vectors:
    result = Vectors(vectors.labels, values, vectors.present & steps)
    return merged(result.relabelled(_labels.without_metadata)).without_empty()


def _allowed(node: Call, scalars: Sequence[Floats]) -> Mask | bool:
    """clamp() of an empty interval has no result."""
    return ~(scalars[1] < scalars[0]) if node.function == "clamp" else True


def call_range_function(evaluator: "Evaluator", node: Call) -> Value:
    """A function of a range vector, with scalars before or after it."""
    ranges = evaluator.range_vector(next(a for a in node.arguments if a.kind is Kind.MATRIX))
    scalars = [evaluator.scalars(a).values for a in node.arguments if a.kind is Kind.SCALAR]
    _note_quantile(evaluator, node, scalars)
    vectors = _over_windows(node.function, ranges, scalars, evaluator.session).without_empty()
    _note_non_counters(evaluator, node, vectors)
    if node.function != "last_over_time":
        vectors = vectors.relabelled(_labels.without_metadata)
    return require_distinct(vectors)


def _over_windows(function: str, ranges: RangeVector, scalars: Sequence[Floats], session: Session) -> Vectors:
    result = Vectors(ranges.samples.labels, np.zeros(ranges.shape), np.zeros(ranges.shape, dtype=np.bool_))
    histograms: list[HistogramArray] = []
    for rows, windows in ranges.parts():
        cells = RANGE_FUNCTIONS[function](windows, scalars)
        part = with_histograms(function, windows, Vectors(windows.labels, cells.values, cells.present), session)
        result.values[rows], result.present[rows] = part.values, part.present
        histograms.append(histograms_of(part))
    return replace(result, histograms=concatenated(histograms)) if any(each.stacks for each in histograms) else result


def _note_quantile(evaluator: "Evaluator", node: Call, scalars: Sequence[Floats]) -> None:
    if node.function == "quantile_over_time":
        note_quantile(evaluator.session, scalars[0])


def _note_non_counters(evaluator: "Evaluator", node: Call, vectors: Vectors) -> None:
    if node.function not in ("rate", "increase"):
        return
    rows = zip(vectors.labels, any_step(vectors.present), strict=True)
    for name in sorted({_labels.get(labels, _labels.NAME) for labels, has_float in rows if has_float}):
        if name and not name.endswith(_COUNTER_SUFFIXES):
            evaluator.session.inform(
                f'metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "{name}"'
            )


def _absent(evaluator: "Evaluator", node: Call) -> Value:
    return _missing(evaluator, node, evaluator.vectors(node.arguments[0]))


def _missing(evaluator: "Evaluator", node: Call, found: Vectors) -> Value:
    """1 where nothing was found, with the labels that the selector names."""
    ones, labels = np.ones(len(evaluator.steps)), absent_labels(node.arguments[0])
    return single_row(ones, ~any_row(found.has_sample), labels).without_empty()


def _absent_over_time(evaluator: "Evaluator", node: Call) -> Value:
    ranges = evaluator.range_vector(node.arguments[0])
    return _missing(evaluator, node, _over_windows("present_over_time", ranges, (), evaluator.session))


def _text(expr: Expr) -> str:
    assert isinstance(expr, Text)
    return expr.value


def _label_replace(evaluator: "Evaluator", node: Call) -> Value:
    target, replacement, source, pattern = (_text(argument) for argument in node.arguments[1:])
    return replaced(evaluator.vectors(node.arguments[0]), target, replacement, source, pattern)


def _label_join(evaluator: "Evaluator", node: Call) -> Value:
    target, separator, *sources = (_text(argument) for argument in node.arguments[1:])
    return joined(evaluator.vectors(node.arguments[0]), target, separator, sources)


def _scalar(evaluator: "Evaluator", node: Call) -> Value:
    vectors = evaluator.vectors(node.arguments[0]).floats_only()
    single = np.count_nonzero(vectors.present, axis=0) == 1
    values = np.where(vectors.present, vectors.values, 0.0).sum(axis=0)
    return Scalars(np.where(single, values, np.nan))


def _vector(evaluator: "Evaluator", node: Call) -> Value:
    return single_row(evaluator.scalars(node.arguments[0]).values)


def _time(evaluator: "Evaluator", _: Call) -> Value:
    return Scalars(evaluator.steps / 1000)


def _pi(evaluator: "Evaluator", _: Call) -> Value:
    return Scalars(np.full(len(evaluator.steps), np.pi))


def _timestamp(evaluator: "Evaluator", node: Call) -> Value:
    """When each sample was taken; of a calculation, the evaluation time."""
    argument = node.arguments[0]
    if isinstance(argument, Selector):
        found = select_instant(evaluator.session, argument, evaluator.steps)
        vectors, times = found.vectors, found.times_ms
    else:
        vectors = evaluator.vectors(argument)
        times = np.broadcast_to(evaluator.steps, vectors.values.shape)
    held = Vectors(vectors.labels, vectors.values, vectors.has_sample)
    return _mapped(held, times / 1000)


def _date(evaluator: "Evaluator", node: Call) -> Value:
    part = DATE_PARTS[node.function]
    if not node.arguments:
        return single_row(part(np.floor(evaluator.steps / 1000)))
    vectors = evaluator.vectors(node.arguments[0]).floats_only()
    return _mapped(vectors, part(vectors.values))


def _sorted(evaluator: "Evaluator", node: Call) -> Value:
    """Of an instant: by value, NaN last. Ranges are ordered by labels whatever is asked."""
    vectors = evaluator.vectors(node.arguments[0]).floats_only().without_empty()
    if len(evaluator.steps) > 1:
        evaluator.session.warn("sort is ineffective for range queries since results are always ordered by labels")
        return vectors
    values = vectors.values[:, 0]
    return vectors.rows(np.argsort(-values if node.function == "sort_desc" else values, kind="stable"))


def _histogram_quantile(evaluator: "Evaluator", node: Call) -> Value:
    wanted = evaluator.scalars(node.arguments[0]).values
    note_quantile(evaluator.session, wanted)
    return of_histograms(
        evaluator.vectors(node.arguments[1]),
        evaluator.session,
        classic=lambda buckets, steps: _classic.quantile(buckets, wanted[steps], evaluator.session),
        native=lambda histograms: native_quantiles(wanted, histograms, evaluator.session),
    )


def _histogram_fraction(evaluator: "Evaluator", node: Call) -> Value:
    lower, upper = (evaluator.scalars(argument).values for argument in node.arguments[:2])
    return of_histograms(
        evaluator.vectors(node.arguments[2]),
        evaluator.session,
        classic=lambda buckets, steps: _classic.fraction(buckets, lower[steps], upper[steps]),
        native=lambda histograms: native_fractions(lower, upper, histograms, evaluator.session),
    )


def _histogram_property(function: Callable[[HistogramArray], Floats]) -> Callable[["Evaluator", Call], Value]:
    def evaluate(evaluator: "Evaluator", node: Call) -> Value:
        vectors = evaluator.vectors(node.arguments[0])
        values = function(histograms_of(vectors))
        return _mapped(Vectors(vectors.labels, values, vectors.has_histogram), values)

    return evaluate


FUNCTIONS: dict[str, Callable[["Evaluator", Call], Value]] = {
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "histogram_avg": _histogram_property(averages),
    "histogram_count": _histogram_property(lambda histograms: histograms.scalars()[..., COUNT]),
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "histogram_stddev": _histogram_property(one_by_one(_histograms.deviation)),
    "histogram_stdvar": _histogram_property(one_by_one(_histograms.variance)),
    "histogram_sum": _histogram_property(lambda histograms: histograms.scalars()[..., SUM]),
    "label_join": _label_join,
    "label_replace": _label_replace,
    "pi": _pi,
    "scalar": _scalar,
    "sort": _sorted,
    "sort_desc": _sorted,
    "time": _time,
    "timestamp": _timestamp,
    "vector": _vector,
    **dict.fromkeys(DATE_PARTS, _date),
}
