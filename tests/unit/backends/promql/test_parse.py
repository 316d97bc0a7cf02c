"""Reading queries: what is refused, in which words, and that nothing else ends the process."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql import Limits, Matcher, MatchOp
from flashmm_backends.promql._ast import (
    Aggregation,
    Anchor,
    At,
    Binary,
    Cardinality,
    Matching,
    Negation,
    Number,
    RangeSelector,
    Selector,
    Subquery,
    is_step_invariant,
)
from flashmm_backends.promql._parse import parse, parse_selector

X = (Matcher("__name__", MatchOp.EQ, "x"),)
Y = (Matcher("__name__", MatchOp.EQ, "y"),)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x", Selector(X)),
        ("(x)", Selector(X)),
        ("x offset 5m", Selector(X, offset_ms=300_000)),
        ("x offset -1s500ms", Selector(X, offset_ms=-1_500)),
        ("x @ 12.345", Selector(X, at=At(Anchor.TIME, 12_345))),
        ("x @ end()", Selector(X, at=At(Anchor.END))),
        ("x[300]", RangeSelector(Selector(X), 300_000)),
        ("x[5m:] offset 1m", Subquery(Selector(X), 300_000, None, 60_000)),
        ("x[5m:30s] @ start()", Subquery(Selector(X), 300_000, 30_000, 0, At(Anchor.START))),
        ("-x", Negation(Selector(X))),
        ("-1", Number(-1.0)),
        ("sum without (a, b) (x)", Aggregation("sum", Selector(X), None, ("a", "b"), without=True)),
        ("topk(2, x)", Aggregation("topk", Selector(X), Number(2.0))),
        ("x + y", Binary("+", Selector(X), Selector(Y), Matching(Cardinality.ONE_TO_ONE))),
        ("x >bool y", Binary(">", Selector(X), Selector(Y), Matching(Cardinality.ONE_TO_ONE), returns_bool=True)),
        ("x and y", Binary("and", Selector(X), Selector(Y), Matching(Cardinality.MANY_TO_MANY))),
        (
            "x * on(a) group_left(b) y",
            Binary(
                "*",
                Selector(X),
                Selector(Y),
                Matching(Cardinality.MANY_TO_ONE, on=True, labels=("a",), include=("b",)),
            ),
        ),
    ],
)
def test_queries_become_trees(text: str, tree: object) -> None:
    """Each construct has its place in the tree, with durations in milliseconds."""
    assert parse(text, Limits()) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no expression found in input"),
        ("{}", "vector selector must contain at least one non-empty matcher"),
        ("rate(x)", 'expected type range vector in call to function "rate", got instant vector'),
        ("mad_over_time(x[5m])", 'function "mad_over_time" is not enabled'),
        ("info(x)", 'function "info" is not enabled'),
        (
            "limitk(2, x)",
            "limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        ("x + fill(0) y", "binop fill modifiers are experimental and not enabled"),
        ('x{a="b" or c="d"}', 'unexpected identifier "or" in label matching, expected "," or "}"'),
        ("1 > 2", "comparisons between scalars must use BOOL modifier"),
        ("x[5m:0s]", "duration must be greater than 0"),
        ("x[5m:0.0001]", "duration must be greater than 0"),
        ("x offset inf", "duration out of range"),
        ("x[1e300]", "duration out of range"),
        ("x[1000y]", "duration out of range"),
        ("x @ -1", "negative timestamps are not supported in the @ modifier"),
        ("x </ 5", "histogram trimming operators are not supported"),
        (r'x{a="\xff"}', r"byte escapes in strings are supported up to \x7f"),
    ],
)
def test_refusals_use_the_words_of_prometheus(text: str, message: str) -> None:
    """What Prometheus refuses by default is refused, as bad_data and in its words where it has any."""
    with pytest.raises(QueryRefused) as refused:
        parse(text, Limits())
    assert refused.value == QueryRefused("bad_data", f"parse error: {message}")


@pytest.mark.parametrize("pattern", ["(?=a)", "a**", "(", r"\\1", "[b-a]"])
def test_patterns_are_those_of_re2(pattern: str) -> None:
    """A regular expression that RE2 does not take is refused, look-ahead and back references among them."""
    with pytest.raises(QueryRefused):
        parse(f'x{{a=~"{pattern}"}}', Limits())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 5000, "longer than 4096 bytes"),
        ("(" * 10_00 + "x" + ")" * 1000, "nested deeper than 64 levels"),
        ("+".join(["1"] * 500), "more than 200 operators"),
        ("-" * 500 + "x", "more than 200 operators"),
        ("x" + " and x" * 300, "more than 200 operators"),
        ("sum(" * 65 + "x" + ")" * 65, "nested deeper"),
        (r'x{a=~"\\pL{100}"}', "pattern too large"),
        ("{" + ",".join([r'a=~"\\pL\\pN"'] * 17) + "}", "more than 32 classes"),
        (r"x{a=~`((\w{15}){15}){15}`}", "repeat more than 2500"),
        ("x{a=~`" + "a{0,1000}" * 3 + "`}", "repeat more than 2500"),
        ("x{a=~`" + "(a{1000}){0}" * 3 + "`}", "repeat more than 2500"),
        ("{" + ",".join(['a=~".{1000}"'] * 3) + "}", "repeat more than 2500"),
    ],
)
def test_costly_queries_are_refused_before_parsing(text: str, message: str) -> None:
    """The parser never sees a query that could exhaust its stack."""
    with pytest.raises(QueryRefused, match=message):
        parse(text, Limits())


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+-\w+_\d{1,9}",
        "[a-z]{2,63}(\\.[a-z]{2,63}){1,9}",
        "(a|b){3}x{100}",
        r"\p{Lu}\w*" * 8,
        "(?i)" + "|".join(f"bot-{n}" for n in range(400)),
        "[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
    ],
)
def test_patterns_that_people_write_are_taken(pattern: str) -> None:
    """The limits on regular expressions are far from what a board asks."""
    assert parse(f"x{{a=~`{pattern}`}}", Limits())


@pytest.mark.parametrize(
    "pattern",
    ["(?i)" + "[A-\U0010ffff]" * 350, "." * 3_900, ".{1000}" * 2, "a{0,1000}" * 2, r"\PL" * 32, r"(\pL{0,5}){6}"],
)
def test_no_pattern_holds_everything_up(pattern: str) -> None:
    """The parser library takes 2 s for the first, without letting another thread run."""
    begun = time.thread_time()
    try:
        parse(f"x{{a=~`{pattern}`}}", Limits())
    except QueryRefused as refused:
        assert "pattern too large" in refused.message
    assert time.thread_time() - begun < 0.25


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        (r"x{a=~`\d+\.`}", Matcher("a", MatchOp.RE, r"\d+\.")),
        (r'x{a!~"\\d+\n\u00e9"}', Matcher("a", MatchOp.NRE, "\\d+\né")),
        ("x{a=~ # which\n 'b\"'}", Matcher("a", MatchOp.RE, 'b"')),
        ('x{a=~""}', Matcher("a", MatchOp.RE, "")),
        (r"x{a=`\d'\"`}", Matcher("a", MatchOp.EQ, r"\d'\"")),
        ("x{a=`\n`}", Matcher("a", MatchOp.EQ, "\n")),
        ('x{a="=~`b`"}', Matcher("a", MatchOp.EQ, "=~`b`")),
        ('{"x", "a.b"=~"c"}', Matcher("a.b", MatchOp.RE, "c")),
    ],
)
def test_strings_mean_what_they_say(text: str, matcher: Matcher) -> None:
    """Raw strings hold backslashes, quoted ones escapes, whether or not they are patterns."""
    tree = parse(text, Limits())
    assert isinstance(tree, Selector)
    assert matcher in tree.matchers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('x{__name__=~"a|b"}', 'metric name must not be set twice: "x" or "a|b"'),
        ('{a=~".*"}', "vector selector must contain at least one non-empty matcher"),
        ('{a!~".+"}', "vector selector must contain at least one non-empty matcher"),
    ],
)
def test_patterns_are_told_as_written(text: str, message: str) -> None:
    """Errors of the parser library name the pattern, which it has not seen."""
    with pytest.raises(QueryRefused, match=f"{re.escape(message)}$"):
        parse(text, Limits())


def test_strings_and_comments_do_not_count_as_operators() -> None:
    """What stands in quotes or behind # is no structure."""
    assert parse('x{a="' + "+(" * 300 + '"} # ' + "((((" * 100, Limits())


def test_a_label_may_be_named_or() -> None:
    """`or` is refused between matchers, not as a label."""
    assert parse('x{or="a"}', Limits()) == Selector((Matcher("or", MatchOp.EQ, "a"), *X))


def test_selectors_of_series_are_read_alone() -> None:
    """match[] takes a selector and nothing else."""
    assert parse_selector('x{a!="b"}', Limits()) == (Matcher("a", MatchOp.NE, "b"), *X)
    for text in ("x offset 5m", "sum(x)", "x @ 5"):
        with pytest.raises(QueryRefused, match="a series selector was expected"):
            parse_selector(text, Limits())


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("x @ 5", True),
        ("sum(rate(x[5m] @ end()))", True),
        ("x", False),
        ("x @ 5 + y", False),
        ("x[5m:1m] @ 5", True),
        ("timestamp(x @ 5)", True),
        ("timestamp(abs(x @ 5))", False),
        ("predict_linear(x[5m] @ 5, 60)", False),
    ],
)
def test_step_invariance(text: str, fixed: bool) -> None:
    """An expression is step invariant when `@` fixes the time of all that it reads."""
    assert is_step_invariant(parse(text, Limits())) is fixed


TOKENS = st.sampled_from(
    [
        *"xy(){},+-*/^%@#[`'\"\\\n\0é1",
        *("sum", "rate", "topk", "atan2", "label_replace", "absent", "le", "start()", "offset", "bool", "unless"),
        *("by", "without", "on", "ignoring", "group_left", "and", "or", "==", "a='b'", 'a=~".*"'),
        *("[5m]", "[5m:1m]", "[1e300]", "5m", "1h", "0x", "1e", "1e12", "1e300", "inf", "NaN"),
    ]
)


@given(st.lists(TOKENS, max_size=12).map(" ".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Whatever stands in a query, the answer is a tree or bad_data."""
    try:
        parse(text, Limits())
    except QueryRefused as refused:
        assert refused.kind == "bad_data"


@given(st.text(max_size=60))
def test_any_characters_are_parsed_or_refused(text: str) -> None:
    """The same for arbitrary characters."""
    try:
        parse(text, Limits())
    except QueryRefused as refused:
        assert refused.kind == "bad_data"
