"""Regular expressions by RE2: linear in the input, whatever the pattern."""

from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Final, Protocol, cast

import re2

_compile = cast("Callable[[str, object], object]", re2.compile)  # pyright: ignore[reportUnknownMemberType] untyped
_Error = cast("type[Exception]", re2.error)  # pyright: ignore[reportUnknownMemberType] untyped


_MEMORY_BYTES: Final = 1 << 20
"""Bounds a pattern to 16,384 instructions, which take some 20 ms to make."""
_ONE_AT_A_TIME: Final = Lock()
"""Compiling lets no other thread run; so at most one other is between the event loop and its turn."""


class Match(Protocol):
    """What of a match the engine uses."""

    def group(self, group: int | str, /) -> str | None: ...


class Pattern(Protocol):
    """What of a compiled pattern the engine uses. groups: number of capturing groups."""

    groups: int
    groupindex: dict[str, int]

    def fullmatch(self, text: str, /) -> Match | None: ...


class BadPattern(ValueError):
    """RE2 does not accept the pattern."""


@lru_cache(maxsize=128)
def compile_anchored(pattern: str) -> Pattern:
    """Compile with RE2; the dot matches a newline, as in Prometheus. Raises BadPattern."""
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        with _ONE_AT_A_TIME:
            return cast("Pattern", _compile(pattern, options))
    except _Error as error:
        raise BadPattern(_reason(error)) from error


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
