"""label_replace, label_join, and the labels of absent()."""

import re
from collections.abc import Sequence

from flashmm_backends.batch import Labels
from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql import _labels
from flashmm_backends.promql._ast import Expr, RangeSelector, Selector
from flashmm_backends.promql._regex import BadPattern, Match, Pattern, compile_anchored
from flashmm_backends.promql._values import Vectors, merged
from flashmm_backends.promql.source import MatchOp

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


def replaced(vectors: Vectors, target: str, replacement: str, source: str, pattern: str) -> Vectors:
    """label_replace: set a label from the parts of another that a pattern matches whole."""
    try:
        compiled = compile_anchored(pattern)
    except BadPattern as error:
        raise QueryRefused("execution", f"invalid regular expression in label_replace(): {pattern}") from error
    _require_name(target, "destination", "label_replace")

    def relabel(labels: Labels) -> Labels:
        match = compiled.fullmatch(_labels.get(labels, source))
        return (
            labels if match is None else _labels.updated(labels, [(target, _expanded(replacement, compiled, match))])
        )

    return merged(vectors.relabelled(relabel))


def joined(vectors: Vectors, target: str, separator: str, sources: Sequence[str]) -> Vectors:
    """label_join: set a label to the values of others with a separator between."""
    for source in sources:
        _require_name(source, "source", "label_join")
    _require_name(target, "destination", "label_join")

    def relabel(labels: Labels) -> Labels:
        value = separator.join(_labels.get(labels, source) for source in sources)
        return _labels.updated(labels, [(target, value)])

    return merged(vectors.relabelled(relabel))


def _require_name(name: str, role: str, function: str) -> None:
    if not name:
        raise QueryRefused("execution", f"invalid {role} label name in {function}(): {name}")


def _expanded(template: str, pattern: Pattern, match: Match) -> str:
    """Go's template syntax: $1, ${1}, $name, ${name}, $$; what names no group is empty."""

    def value(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isdigit():
            return (match.group(int(name)) or "") if int(name) <= pattern.groups else ""
        return (match.group(name) or "") if name in pattern.groupindex else ""

    return _REFERENCE.sub(value, template)


def absent_labels(expr: Expr) -> Labels:
    """The labels that a selector fixes by equality, each once: what absent() can say of what is missing."""
    selector = expr.selector if isinstance(expr, RangeSelector) else expr
    if not isinstance(selector, Selector):
        return ()
    fixed: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selector.matchers:
        if matcher.name == _labels.NAME:
            continue
        if matcher.op is MatchOp.EQ and matcher.name not in seen:
            fixed[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            fixed.pop(matcher.name, None)
    return _labels.updated((), fixed.items())
