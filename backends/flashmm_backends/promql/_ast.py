"""The syntax tree that the engine evaluates: PromQL without parentheses, durations in milliseconds."""

from dataclasses import dataclass
from enum import StrEnum

from flashmm_backends.promql.source import Matcher


class Kind(StrEnum):
    """Types of PromQL expressions, in Prometheus's words."""

    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


class Anchor(StrEnum):
    """What an `@` modifier refers to."""

    TIME = "time"
    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class At:
    """An `@` modifier; time_ms counts for Anchor.TIME alone."""

    anchor: Anchor
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Number:
    """A number or duration literal."""

    value: float
    kind = Kind.SCALAR


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: str
    kind = Kind.STRING


@dataclass(frozen=True, slots=True)
class Selector:
    """An instant vector selector; the metric name is one of its matchers."""

    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at: At | None = None
    kind = Kind.VECTOR


@dataclass(frozen=True, slots=True)
class RangeSelector:
    """A range vector selector: the samples in (t - range, t]."""

    selector: Selector
    range_ms: int
    kind = Kind.MATRIX


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression evaluated on a grid of its own; step_ms is None for the default resolution."""

    expr: "Expr"
    range_ms: int
    step_ms: int | None = None
    offset_ms: int = 0
    at: At | None = None
    kind = Kind.MATRIX


@dataclass(frozen=True, slots=True)
class Negation:
    """Unary minus."""

    expr: "Expr"

    @property
    def kind(self) -> Kind:
        return self.expr.kind


class Cardinality(StrEnum):
    """How many series may meet on either side of a binary operator."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(frozen=True, slots=True)
class Matching:
    """Vector matching: `on` or `ignoring` these labels, with the labels that group_left or group_right include."""

    cardinality: Cardinality
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary operation. returns_bool: the `bool` modifier."""

    operator: str
    left: "Expr"
    right: "Expr"
    matching: Matching
    returns_bool: bool = False

    @property
    def kind(self) -> Kind:
        scalar = self.left.kind is Kind.SCALAR and self.right.kind is Kind.SCALAR
        return Kind.SCALAR if scalar else Kind.VECTOR


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An aggregation over series; parameter is what topk, quantile and count_values take."""

    operator: str
    expr: "Expr"
    parameter: "Expr | None" = None
    labels: tuple[str, ...] = ()
    without: bool = False
    kind = Kind.VECTOR


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; the kind is the function's return type."""

    function: str
    arguments: tuple["Expr", ...]
    kind: Kind


Expr = Number | Text | Selector | RangeSelector | Subquery | Negation | Binary | Aggregation | Call


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct subexpressions, in the order written."""
    match expr:
        case Subquery() | Negation():
            return (expr.expr,)
        case Binary():
            return (expr.left, expr.right)
        case Aggregation():
            return (expr.expr,) if expr.parameter is None else (expr.parameter, expr.expr)
        case Call():
            return expr.arguments
        case _:
            return ()


_DEPENDS_ON_EVALUATION_TIME = frozenset(
    {
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "days_in_month",
        "hour",
        "minute",
        "month",
        "predict_linear",
        "time",
        "timestamp",
        "year",
    }
)


def is_step_invariant(expr: Expr) -> bool:
    """Whether an expression has one value at every step, because `@` fixes the time of all that it reads."""
    match expr:
        case Selector() | Subquery():
            return expr.at is not None
        case RangeSelector():
            return expr.selector.at is not None
        case Call() if expr.function in _DEPENDS_ON_EVALUATION_TIME:
            return expr.function == "timestamp" and all(
                isinstance(argument, Selector) and argument.at is not None for argument in expr.arguments
            )
        case _:
            return all(is_step_invariant(child) for child in children(expr))
