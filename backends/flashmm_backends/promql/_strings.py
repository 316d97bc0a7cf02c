"""What of a query's strings the parser library must not see as it stands.

It compiles regular expressions itself, for seconds where they hold large classes and without letting another thread
run, and takes the backslashes of raw strings for escapes.
"""

import re
from typing import Final

import promql_parser as parser

from flashmm_backends.promql._regex import compile_anchored

_QUOTED: Final = r"""(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
_STRING: Final = re.compile(rf"(?P<operator>[=!]~(?:\s|#[^\n]*\n)*)?{_QUOTED}|#[^\n]*", re.DOTALL)
_DISGUISE: Final = re.compile(r"re2-((?:[0-9a-f]{2})*)\|?")
_ESCAPED: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n"}


def readable(text: str) -> str:
    """The query with plain words for its regular expressions, and quoted strings for its raw ones.

    Raises BadPattern for what RE2 refuses, ValueError for what the library does.
    """
    return _STRING.sub(_rewritten, text)


def pattern_of(disguise: str) -> str:
    """The regular expression that a word of `readable` stands for. Raises ValueError for any other word."""
    found = _DISGUISE.fullmatch(disguise)
    if found is None:
        raise ValueError(f"unexpected regular expression {disguise!r}")
    return bytes.fromhex(found[1]).decode()


def told(message: str) -> str:
    """A message of the library in terms of what was written."""
    return _DISGUISE.sub(lambda found: pattern_of(found[0]), message)


def _rewritten(found: re.Match[str]) -> str:
    operator, quoted = found["operator"], found["quoted"]
    if operator:
        return operator + _disguised(_value(quoted))
    return _requoted(quoted[1:-1]) if quoted and quoted[0] == "`" else found[0]


def _value(quoted: str) -> str:
    if quoted[0] == "`":
        return quoted[1:-1]
    literal = parser.parse(quoted)
    assert isinstance(literal, parser.StringLiteral)
    return literal.val


def _disguised(pattern: str) -> str:
    """A word that matches the empty string if the pattern does, as the library asks of selectors."""
    maybe = "|" if compile_anchored(pattern).fullmatch("") else ""
    return f'"re2-{pattern.encode().hex()}{maybe}"'


def _requoted(raw: str) -> str:
    return '"' + re.sub(r'[\\"\n]', lambda found: _ESCAPED[found[0]], raw) + '"'
