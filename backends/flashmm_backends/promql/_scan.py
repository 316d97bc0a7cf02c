"""What a query costs to parse, measured on its text: the parser is recursive and would end the process."""

import re
from math import prod
from typing import Final

from flashmm_backends.ports import QueryRefused
from flashmm_backends.promql._limits import Limits

_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|#[^\n]*""", re.DOTALL)
_OPERATOR = re.compile(r"[-+*/%^@]|[=!<>]=?~?|\b(?:and|or|unless|atan2|offset)\b", re.IGNORECASE)
_DURATION_OUT_OF_RANGE = re.compile(
    r"(?:\boffset|[\[:])\s*[-+]?\s*(?:inf\b|nan\b|[\d.]+e\+?\d{2}|\d{16})", re.IGNORECASE
)
_NEGATIVE_AT = re.compile(r"@\s*-\s*[\w.]")
_BYTE_ESCAPE = re.compile(r"""\\(?:\\|x[89a-fA-F]|[23][0-7]{2})""")
_COUNTED = re.compile(r"\{(\d{0,4})(?:,(\d{0,4}))?\}")
_LARGE_CLASS = re.compile(r"\\+[pPwW]")
_SMALL_CLASS = re.compile(r"\\+[dDsS]")
_PATTERN_COST_MAX: Final = 8_000
"""In units of 5 µs, what the parser library takes for one repetition of a dot: 40 ms, which nothing interrupts."""
_TRIM = re.compile(r"</|>/")


def refuse_costly(text: str, limits: Limits) -> None:
    """Raise QueryRefused for a text that is too long, too deep or has too many operators."""
    if len(text.encode("utf-8", "surrogatepass")) > limits.text_bytes:
        raise parse_error(f"query is longer than {limits.text_bytes} bytes")
    bare = _QUOTED.sub(_blank, text)
    if any(_has_byte_escape(match[1]) for match in _QUOTED.finditer(text) if match[1]):
        raise parse_error("byte escapes in strings are supported up to \\x7f")
    if _depth(bare) > limits.nesting:
        raise parse_error(f"query is nested deeper than {limits.nesting} levels")
    if sum(1 for _ in _OPERATOR.finditer(bare)) > limits.operators:
        raise parse_error(f"query has more than {limits.operators} operators")
    refuse_costly_patterns(text)
    _refuse_unsupported(bare)


def refuse_costly_patterns(text: str) -> None:
    """Raise QueryRefused where compiling the regular expressions among the strings would hold everything up."""
    cost = sum(_pattern_cost(match[1]) for match in _QUOTED.finditer(text) if match[1])
    if cost > _PATTERN_COST_MAX:
        raise parse_error(
            "regular expressions repeat too much: use smaller counts and fewer classes such as \\w or \\p"
        )


def parse_error(message: str) -> QueryRefused:
    """A refusal in the form of Prometheus's parser."""
    return QueryRefused("bad_data", f"parse error: {message}")


def _refuse_unsupported(bare: str) -> None:
    """What panics in the parser library, or what it takes though Prometheus's default features do not."""
    if _DURATION_OUT_OF_RANGE.search(bare):
        raise parse_error("duration out of range")
    if _NEGATIVE_AT.search(bare):
        raise parse_error("negative timestamps are not supported in the @ modifier")
    if _TRIM.search(bare):
        raise parse_error("histogram trimming operators are not supported")


def _blank(match: re.Match[str]) -> str:
    return '""' if match.group(1) else " "


def _depth(bare: str) -> int:
    deepest = depth = 0
    for character in bare:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _pattern_cost(quoted: str) -> int:
    """A class of many thousand characters weighs 160 dots; counts multiply, as if each held all of the others."""
    counts = [max(int(low or 1), int(high or 1)) for low, high in _COUNTED.findall(quoted)]
    classes = 160 * len(_LARGE_CLASS.findall(quoted)) + 8 * len(_SMALL_CLASS.findall(quoted))
    return (classes + bool(counts)) * prod(max(count, 1) for count in counts)


def _has_byte_escape(quoted: str) -> bool:
    """Whether a string spells bytes, which the parser library takes for code points."""
    return not quoted.startswith("`") and any(match[0] != "\\\\" for match in _BYTE_ESCAPE.finditer(quoted))
