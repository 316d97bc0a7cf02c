"""Times in query strings."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flashmm_backends.ports import Window

_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
_UNIT_NS: Final = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
_MOST_NS: Final = 2**63 - 1


@dataclass
class BadTime(ValueError):
    """A time that cannot be used; names the parameter. why: what is wrong with it, and what to give."""

    parameter: str
    value: str
    why: str = (
        "is not a valid time: give UTC nanoseconds, an RFC 3339 time such as 2026-01-31T12:00:00Z, "
        "or a duration back from now such as 15m"
    )

    def __str__(self) -> str:
        return f"{self.parameter}={self.value!r} {self.why}"


def parse_time(parameter: str, text: str, now_ns: int) -> int:
    """UTC nanoseconds of an integer (nanoseconds), an RFC 3339 time, or a duration back from now. Raises BadTime."""
    if text.isdecimal() and len(text) <= 19 and int(text) <= _MOST_NS:
        return int(text)
    if match := _DURATION.fullmatch(text):
        return max(0, now_ns - int(match[1][:12]) * _UNIT_NS[match[2]])
    return _rfc3339(parameter, text)


def parse_window(start: str, end: str, now_ns: int) -> Window:
    """The window [start, end); an empty `end` is now. Raises BadTime, also when it is empty."""
    window = Window(parse_time("start", start, now_ns), parse_time("end", end, now_ns) if end else now_ns)
    if window.end_ns <= window.start_ns:
        raise BadTime("end", end[:64] or "now", "is not after start")
    return window


def _rfc3339(parameter: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadTime(parameter, text[:64]) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return min(_MOST_NS, max(0, ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000))
