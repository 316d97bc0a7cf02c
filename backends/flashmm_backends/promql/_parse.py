"""From text to the syntax tree: limits, the parser library, and what it accepts though Prometheus refuses."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import promql_parser as parser

from flashmm_backends.promql._ast import (
    Aggregation,
    Anchor,
    At,
    Binary,
    Call,
    Cardinality,
    Expr,
    Kind,
    Matching,
    Negation,
    Number,
    RangeSelector,
    Selector,
    Subquery,
    Text,
)
from flashmm_backends.promql._labels import NAME
from flashmm_backends.promql._limits import Limits
from flashmm_backends.promql._regex import BadPattern
from flashmm_backends.promql._scan import parse_error, refuse_costly
from flashmm_backends.promql._strings import pattern_of, readable, told
from flashmm_backends.promql.source import Matcher, MatchOp

_EXPERIMENTAL_FUNCTIONS = frozenset(
    {
        "double_exponential_smoothing",
        "end",
        "first_over_time",
        "histogram_quantiles",
        "info",
        "mad_over_time",
        "max_of",
        "min_of",
        "range",
        "sort_by_label",
        "sort_by_label_desc",
        "start",
        "step",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
    }
)
_EXPERIMENTAL_AGGREGATIONS = frozenset({"limitk", "limit_ratio"})
_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})
_MILLISECOND = timedelta(milliseconds=1)
_DURATION_MS_MAX = 2**63 // 1_000_000
_EPOCH = datetime.fromtimestamp(0, UTC)


@lru_cache(maxsize=256)
def parse(text: str, limits: Limits) -> Expr:
    """The syntax tree of a query, kept for its return. Raises QueryRefused (bad_data) as Prometheus would."""
    refuse_costly(text, limits)
    return _contained(lambda: _expression(parser.parse(readable(text))))


def parse_selector(text: str, limits: Limits) -> tuple[Matcher, ...]:
    """The matchers of a series selector, as `match[]` takes them. Raises QueryRefused (bad_data)."""
    tree = parse(text, limits)
    if not isinstance(tree, Selector) or tree.offset_ms or tree.at:
        raise parse_error("a series selector was expected")
    return tree.matchers


def _contained(convert: Callable[[], Expr]) -> Expr:
    """The boundary around the parser library, whose panics are no Exception."""
    try:
        return convert()
    except BadPattern as error:
        raise parse_error(f"error parsing regexp: {error}") from error
    except (ValueError, OverflowError) as error:
        raise parse_error(_in_prometheus_words(told(str(error)))) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise parse_error(f"the parser cannot read this query: {told(str(error))}") from None


def _in_prometheus_words(message: str) -> str:
    quoted = re.sub(r"'([^']*)'", r'"\1"', message)
    return re.sub(
        r"(type|got|on) (matrix|vector)\b",
        lambda m: f"{m[1]} {'range' if m[2] == 'matrix' else 'instant'} vector",
        quoted,
    )


def _expression(node: parser.Expr) -> Expr:
    while isinstance(node, parser.ParenExpr):
        node = node.expr
    return _CONVERSIONS[type(node)](node)


def _number(node: parser.NumberLiteral) -> Expr:
    return Number(node.val)


def _text(node: parser.StringLiteral) -> Expr:
    return Text(node.val)


def _selector(node: parser.VectorSelector) -> Selector:
    if node.matchers.or_matchers:
        raise parse_error('unexpected identifier "or" in label matching, expected "," or "}"')
    matchers = [_matcher(m) for m in node.matchers.matchers]
    if node.name:
        matchers.append(Matcher(NAME, MatchOp.EQ, node.name))
    return Selector(tuple(matchers), _milliseconds(node.offset), _at(node.at))


def _matcher(node: parser.Matcher) -> Matcher:
    operator = next(ours for theirs, ours in _MATCH_OPS if theirs == node.op)
    by_pattern = operator in (MatchOp.RE, MatchOp.NRE)
    return Matcher(node.name, operator, pattern_of(node.value) if by_pattern else node.value)


def _range_selector(node: parser.MatrixSelector) -> Expr:
    return RangeSelector(_selector(node.vector_selector), _milliseconds(node.range))


def _subquery(node: parser.SubqueryExpr) -> Expr:
    step = None if node.step is None else _milliseconds(node.step)
    if step == 0:
        raise parse_error("duration must be greater than 0")
    return Subquery(_expression(node.expr), _milliseconds(node.range), step, _milliseconds(node.offset), _at(node.at))


def _negation(node: parser.UnaryExpr) -> Expr:
    operand = _expression(node.expr)
    return Number(-operand.value) if isinstance(operand, Number) else Negation(operand)


def _binary(node: parser.BinaryExpr) -> Expr:
    operator = str(node.op)
    modifier = node.modifier
    returns_bool = modifier is not None and modifier.return_bool
    if returns_bool and operator not in _COMPARISONS:
        raise parse_error("bool modifier can only be used on comparison operators")
    if modifier is not None and (modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None):
        raise parse_error("binop fill modifiers are experimental and not enabled")
    return Binary(operator, _expression(node.lhs), _expression(node.rhs), _matching(operator, modifier), returns_bool)


def _matching(operator: str, modifier: parser.BinModifier | None) -> Matching:
    if modifier is None:
        return Matching(Cardinality.MANY_TO_MANY if operator in SET_OPERATORS else Cardinality.ONE_TO_ONE)
    cardinality = next(ours for theirs, ours in _CARDINALITIES if theirs == modifier.card)
    if operator in SET_OPERATORS:
        cardinality = Cardinality.MANY_TO_MANY
    labels = modifier.matching
    on = labels is not None and labels.type == parser.LabelModifierType.Include
    return Matching(cardinality, on, tuple(labels.labels if labels else ()), tuple(modifier.group_labels or ()))


def _aggregation(node: parser.AggregateExpr) -> Expr:
    operator = str(node.op)
    if operator in _EXPERIMENTAL_AGGREGATIONS:
        raise parse_error(
            f"{operator}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
        )
    modifier = node.modifier
    parameter = None if node.param is None else _expression(node.param)
    without = modifier is not None and modifier.type == parser.AggModifierType.Without
    return Aggregation(
        operator, _expression(node.expr), parameter, tuple(modifier.labels) if modifier else (), without
    )


def _call(node: parser.Call) -> Expr:
    name = node.func.name
    if name in _EXPERIMENTAL_FUNCTIONS:
        raise parse_error(f'function "{name}" is not enabled')
    arguments = tuple(_expression(argument) for argument in node.args)
    return Call(name, arguments, next(ours for theirs, ours in _KINDS if theirs == node.func.return_type))


def _milliseconds(duration: timedelta | None) -> int:
    if duration is None:
        return 0
    whole = abs(duration) // _MILLISECOND
    if whole > _DURATION_MS_MAX:
        raise parse_error("duration out of range")
    return -whole if duration < timedelta(0) else whole


def _at(node: parser.AtModifier | None) -> At | None:
    if node is None:
        return None
    if node.type == parser.AtModifierType.Start:
        return At(Anchor.START)
    if node.type == parser.AtModifierType.End:
        return At(Anchor.END)
    assert node.at is not None
    return At(Anchor.TIME, round((node.at - _EPOCH) / _MILLISECOND))


_CONVERSIONS: dict[type, Callable[[Any], Expr]] = {
    parser.NumberLiteral: _number,
    parser.StringLiteral: _text,
    parser.VectorSelector: _selector,
    parser.MatrixSelector: _range_selector,
    parser.SubqueryExpr: _subquery,
    parser.UnaryExpr: _negation,
    parser.BinaryExpr: _binary,
    parser.AggregateExpr: _aggregation,
    parser.Call: _call,
}
_MATCH_OPS = (
    (parser.MatchOp.Equal, MatchOp.EQ),
    (parser.MatchOp.NotEqual, MatchOp.NE),
    (parser.MatchOp.Re, MatchOp.RE),
    (parser.MatchOp.NotRe, MatchOp.NRE),
)
_CARDINALITIES = (
    (parser.VectorMatchCardinality.OneToOne, Cardinality.ONE_TO_ONE),
    (parser.VectorMatchCardinality.ManyToOne, Cardinality.MANY_TO_ONE),
    (parser.VectorMatchCardinality.OneToMany, Cardinality.ONE_TO_MANY),
    (parser.VectorMatchCardinality.ManyToMany, Cardinality.MANY_TO_MANY),
)
_KINDS = (
    (parser.ValueType.Scalar, Kind.SCALAR),
    (parser.ValueType.Vector, Kind.VECTOR),
    (parser.ValueType.Matrix, Kind.MATRIX),
    (parser.ValueType.String, Kind.STRING),
)
