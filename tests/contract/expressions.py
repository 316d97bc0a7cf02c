"""Random PromQL over the data sets of `tests.contract.telemetry`: every selector, function, aggregation, operator.

Every selector names the data set's job, so that data sets share a server without seeing each other.
"""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from tests.contract.telemetry import SPAN_MS, START_MS

JOB = "JOB"
"""Stands for the data set's job in every expression."""

Texts = SearchStrategy[str]

FLOATS = (
    *("test_gauge", "test_share_ratio", "test_work_total", "test_summary_seconds", "target_info"),
    *("test_classic_seconds_bucket", "test_classic_seconds_count", "test_classic_seconds_sum"),
    "test_summary_seconds_count",
)
COUNTERS = ("test_work_total", "test_classic_seconds_count", "test_classic_seconds_bucket", "test_gauge")
NATIVE = ("test_native_seconds",)
RANGES = st.sampled_from(["30s", "1m", "2m30s", "5m", "10m", "90s", "1ms", "7300ms", "45", "1h"])
NUMBERS = st.sampled_from(["0", "1", "2.5", "-1", "0.3", "1e3", "NaN", "Inf", "-Inf", "100", "0x1F", "1e-9"])
FACTORS = st.sampled_from(["0", "1", "2.5", "-1", "0.3", "1e3"])
"""Finite: what infinity makes of an empty bucket depends on how Prometheus happened to lay out its chunk."""
QUANTILES = st.sampled_from(["0.5", "0.99", "0", "1", "0.123", "-1", "2", "NaN"])

RATES = ("rate", "increase", "irate", "delta", "idelta", "resets", "changes", "deriv")
OVER_TIME = tuple(
    f"{name}_over_time" for name in ("avg", "min", "max", "sum", "count", "stddev", "stdvar", "last", "present")
)
MATH = (
    *("abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "deg", "rad"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("round", "timestamp", "sort", "sort_desc", "absent"),
)
DATES = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year")
AGGREGATIONS = st.sampled_from(["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
ARITHMETIC = st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2"])
COMPARISONS = st.sampled_from(["==", "!=", "<", ">", "<=", ">="])
SETS = st.sampled_from(["and", "or", "unless"])
MATCHERS = (
    *('a="x"', 'a!="y"', 'a=~"x|y"', 'a!~"z.*"', 'a=""', 'b="p"', 'b=~".+"', 'le!="+Inf"', 'nothing="here"'),
    *(r"a=~`[x\w]`", r'a=~"(?i)X|\x79"', 'a!~"|x"', "a!=''", 'a="x",b!="q"', 'a=~"x.*",a!="xx"'),
)
GROUPING = st.sampled_from(
    ["", " by (a)", " by (b)", " by (a, b)", " without (a)", " without (b, instance)", " by ()", " by (le)"]
)
MATCHING = st.sampled_from(
    [
        *("", "", " on (a, b)", " on (a)", " ignoring (a)", " ignoring (le, quantile)"),
        *(" on (a, b) group_left ()", " on (a) group_right (b)", " ignoring (le) group_left ()"),
        " on (job, instance) group_left (host_name)",
    ]
)
MODIFIERS = st.one_of(
    *[st.just("")] * 6,
    st.sampled_from([" offset 1m", " offset -45s", " offset 7m", " @ start()", " @ end()"]),
    st.integers(START_MS - 60_000, START_MS + SPAN_MS).map(lambda ms: f" @ {ms / 1000}"),
    st.just(f" @ {START_MS / 1000 + 300} offset 2m"),
)


def form(template: str, *parts: Texts) -> Texts:
    """A template with its places filled."""
    return st.builds(template.format, *parts)


def named(names: tuple[str, ...]) -> Texts:
    """`name{job="…", matcher}`."""
    matcher = st.one_of(st.just(""), st.just(""), st.sampled_from(MATCHERS).map(lambda m: f",{m}"))
    return form('{}{{job="JOB"{}}}', st.sampled_from(names), matcher)


def instants(names: tuple[str, ...]) -> Texts:
    """An instant selector, perhaps with offset and `@`."""
    return form("{}{}", named(names), MODIFIERS)


def ranges(names: tuple[str, ...]) -> Texts:
    """A range selector."""
    return form("{}[{}]{}", named(names), RANGES, MODIFIERS)


def called(functions: tuple[str, ...], argument: Texts) -> Texts:
    """`function(argument)`."""
    return form("{}({})", st.sampled_from(functions), argument)


RANGE_FUNCTIONS = st.one_of(
    called(RATES + OVER_TIME, ranges(COUNTERS)),
    called(RATES + OVER_TIME, ranges(FLOATS)),
    form("quantile_over_time({}, {})", QUANTILES, ranges(FLOATS)),
    form("predict_linear({}, {})", ranges(FLOATS), st.sampled_from(["60", "-30", "3600"])),
    form("absent_over_time({})", ranges(FLOATS)),
)
CLASSIC = st.one_of(
    form(
        'histogram_quantile({}, {}(test_classic_seconds_bucket{{job="JOB"}}[{}]))',
        QUANTILES,
        st.sampled_from(["rate", "increase", "delta"]),
        RANGES,
    ),
    form(
        'histogram_quantile({}, sum by (le{}) (rate(test_classic_seconds_bucket{{job="JOB"}}[{}])))',
        QUANTILES,
        st.sampled_from(["", ", a", ", b"]),
        RANGES,
    ),
    form(
        'histogram_fraction({}, {}, test_classic_seconds_bucket{{job="JOB"}})',
        st.sampled_from(["-Inf", "-0.5", "0", "0.004"]),
        st.sampled_from(["0.05", "1", "+Inf", "NaN", "-1"]),
    ),
)
HISTOGRAMS = st.one_of(
    instants(NATIVE),
    called(
        (*("rate", "increase", "irate", "delta", "idelta"), *("avg_over_time", "sum_over_time", "last_over_time")),
        ranges(NATIVE),
    ),
    form("{}{} ({})", st.sampled_from(["sum", "avg"]), GROUPING, instants(NATIVE)),
    form("{}{} (rate({}))", st.sampled_from(["sum", "avg"]), GROUPING, ranges(NATIVE)),
)
HISTOGRAM_VECTORS = st.one_of(
    HISTOGRAMS,
    form("({}) {} {}", HISTOGRAMS, st.sampled_from(["*", "/", "+"]), FACTORS),
    form("{} {} ({})", FACTORS, st.sampled_from(["*", "/", "<"]), HISTOGRAMS),
    form("-({})", HISTOGRAMS),
    form("({}) {} ({})", HISTOGRAMS, st.sampled_from(["+", "-", "==", "!=", "*", "<"]), HISTOGRAMS),
    form("({}) {} ({})", HISTOGRAMS, SETS, HISTOGRAMS),
    form("label_replace({}, 'c', '$1', 'a', '(.*)')", HISTOGRAMS),
    called(("count_over_time", "present_over_time", "resets", "changes", "absent_over_time"), ranges(NATIVE)),
    called(("max_over_time", "stddev_over_time", "deriv"), ranges(NATIVE)),
    called(("timestamp", "absent", "count", "group", "sort", "abs", "round", "max", "stddev"), HISTOGRAMS),
    form("({}) or ({})", HISTOGRAMS, instants(("test_gauge",))),
    form("{}(({}) or ({}))", st.sampled_from(["sum", "avg", "count", "max"]), HISTOGRAMS, instants(("test_gauge",))),
    form("{}(({})[5m:1m])", st.sampled_from(["sum_over_time", "avg_over_time", "rate"]), HISTOGRAMS),
)
HISTOGRAM_STATISTICS = st.one_of(
    called(tuple(f"histogram_{name}" for name in ("count", "sum", "avg", "stddev", "stdvar")), HISTOGRAMS),
    form("histogram_quantile({}, {})", QUANTILES, HISTOGRAMS),
    form(
        "histogram_fraction({}, {}, {})",
        st.sampled_from(["-Inf", "-0.5", "0", "0.01"]),
        st.sampled_from(["0.5", "1", "+Inf", "NaN", "-1"]),
        HISTOGRAMS,
    ),
)
SCALARS = st.one_of(
    NUMBERS,
    st.sampled_from(["time()", "pi()"]),
    form('scalar(sum(test_gauge{{job="JOB"}}{}))', MODIFIERS),
    form("({} {} {})", NUMBERS, ARITHMETIC, NUMBERS),
    form("({} {} bool {})", NUMBERS, COMPARISONS, NUMBERS),
)
FINITE = st.one_of(
    instants(("test_classic_seconds_count", "target_info")),
    form("timestamp({})", instants(FLOATS)),
    st.sampled_from(["", "vector(time())", "vector(-1e9)", "vector(1709164800 + 0.9)"]),
)
"""What a date is asked of: of infinity and NaN Prometheus tells what its processor makes of them."""
SUBQUERIES = st.sampled_from(
    ["[5m:1m]", "[3m:17s]", "[10m:]", "[4m:30s]", "[5m:1m] offset 1m", "[2m:7s] offset -30s", "[5m:30s] @ end()"]
)
EXACT = st.one_of(instants(FLOATS), RANGE_FUNCTIONS, called(("abs", "ceil", "timestamp"), instants(FLOATS)))
"""What count_values makes labels of: of an aggregation they tell the order that a Go map gave the series."""
LEAVES = st.one_of(
    called(DATES, FINITE),
    instants(FLOATS),
    instants(FLOATS),
    RANGE_FUNCTIONS,
    RANGE_FUNCTIONS,
    CLASSIC,
    HISTOGRAM_STATISTICS,
    form("vector({})", SCALARS),
)


def grown(inner: Texts) -> Texts:
    """One more level around expressions."""
    return st.one_of(
        called(MATH, inner),
        form("{}{} ({})", AGGREGATIONS, GROUPING, inner),
        form("quantile{} ({}, {})", GROUPING, QUANTILES, inner),
        form('count_values{} ("v", {})', GROUPING, EXACT),
        form("({}) {} {}", inner, ARITHMETIC, SCALARS),
        form("{} {} ({})", SCALARS, ARITHMETIC, inner),
        form("({}) {} {} {}", inner, COMPARISONS, st.sampled_from(["", "bool"]), SCALARS),
        form("{} {} ({})", SCALARS, COMPARISONS, inner),
        form("({}) {}{} ({})", inner, ARITHMETIC, MATCHING, inner),
        form("({}) {}{} ({})", inner, COMPARISONS, MATCHING, inner),
        form("({}) {} bool{} ({})", inner, COMPARISONS, MATCHING, inner),
        form("({}) {}{} ({})", inner, SETS, st.sampled_from(["", " on (a)", " ignoring (a, le)", " on ()"]), inner),
        form("-({})", inner),
        form("clamp({}, {}, {})", inner, NUMBERS, NUMBERS),
        form("{}({}, {})", st.sampled_from(["clamp_min", "clamp_max", "round"]), inner, SCALARS),
        form("label_replace({}, 'c', '$1-${{2}}', 'a', '(.)(.*)')", inner),
        form("label_replace({}, 'a', '', 'b', 'p')", inner),
        form("label_replace({}, 'c', `$name\\.$$1`, 'a', `(?P<name>[a-z])?.*`)", inner),
        form("label_join({}, 'c', '/', 'a', 'b')", inner),
        form("label_join({}, 'a', '', 'nothing')", inner),
        form("absent(({}) > 1e300)", inner),
        form("scalar({}) + vector(1)", inner),
        form("{}(({}){})", st.sampled_from((*OVER_TIME, *RATES, "absent_over_time")), inner, SUBQUERIES),
        form("quantile_over_time({}, ({}){})", QUANTILES, inner, SUBQUERIES),
    )


FLOAT_EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=4)
CHOSEN = form(
    "{}{} ({}, {})", st.sampled_from(["topk", "bottomk"]), GROUPING, st.sampled_from(list("1250")), FLOAT_EXPRESSIONS
)
"""Only ever the whole expression: which of equal values is chosen depends on the order of a Go map."""
EXPRESSIONS = st.one_of(*[FLOAT_EXPRESSIONS] * 6, CHOSEN, HISTOGRAM_VECTORS, HISTOGRAM_VECTORS, SCALARS)
