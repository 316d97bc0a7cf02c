"""What a query costs to parse, measured on its text: the parser is recursive and would end the process."""

import re
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
_UNICODE_CLASS = re.compile(r"\\+[pP]")
_UNICODE_CLASSES_MAX: Final = 32
"""RE2 takes up to 0.3 ms for one, and lets no other thread run meanwhile."""
_PART = re.compile(r"\\+[pPx]\{[^}]*\}|\\+.|\[(?:\\.|[^\]\\])*\]?|\((?:\?[-:<>\w]*)?|\{\d+(?:,\d*)?\}|.", re.DOTALL)
_COPIES_MAX: Final = 2_500
"""What `{…}` repeats: RE2's time grows with its square, to 20 ms for this many optional ones, and 900 for 16,000."""
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
    strings = [match[1] for match in _QUOTED.finditer(text) if match[1]]
    if sum(len(_UNICODE_CLASS.findall(each)) for each in strings) > _UNICODE_CLASSES_MAX:
        raise parse_error(f"regular expressions have more than {_UNICODE_CLASSES_MAX} classes such as \\pL")
    if sum(_copies(each) for each in strings) > _COPIES_MAX:
        raise parse_error(f"regular expressions repeat more than {_COPIES_MAX} characters or groups by counts")


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


def _copies(pattern: str) -> int:
    """How many characters, classes and the like stand for themselves again because of `{…}`; nested ones multiply."""
    if "{" not in pattern:
        return 0
    sizes, last, copies = [0], 0, 0
    for part in _PART.findall(pattern):
        if part[0] == "(":
            sizes.append(0)
        elif count := _count(part):
            more = last * (count - 1)
            last, copies, sizes[-1] = last + more, copies + more, sizes[-1] + more
        else:
            last = max(sizes.pop(), 1) if part == ")" and len(sizes) > 1 else 1
            sizes[-1] += last
    return copies


def _count(part: str) -> int:
    """What a part such as `{2,9}` repeats at most; 0 for any other part."""
    return max(1, *map(int, re.findall(r"\d{1,9}", part)), 0) if part[0] == "{" and part != "{" else 0


def _has_byte_escape(quoted: str) -> bool:
    """Whether a string spells bytes, which the parser library takes for code points."""
    return not quoted.startswith("`") and any(match[0] != "\\\\" for match in _BYTE_ESCAPE.finditer(quoted))
