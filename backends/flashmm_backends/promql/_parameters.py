"""Parameters of Prometheus's HTTP API: forms, times, durations, limits."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import parse_qs

from flashmm_backends.ports import QueryRefused

MIN_MS: Final = -62_135_596_800_000
MAX_MS: Final = 253_402_300_799_999
"""The years 1 and 9999: what `start` and `end` are where they may be left out."""

_FLOAT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE: Final = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_ENDS_OF_TIME: Final = {"-292273086-05-16T16:47:06Z": MIN_MS, "292277025-08-18T07:12:54.999999999Z": MAX_MS}
"""What Prometheus's own client sends where a program leaves the time open."""
_DURATION: Final = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_UNIT_NS: Final = tuple(10**6 * ms for ms in (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1))
_INT64_MAX: Final = 2**63 - 1
_INTEGER_DIGITS: Final = 18
_ESCAPE: Final = re.compile(r"_([0-9a-fA-F]{0,5})_")
_ESCAPED: Final = re.compile(r"([^_]|_[0-9a-fA-F]{0,5}_)*")
_FORM: Final = "application/x-www-form-urlencoded"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of one request, those of a posted form before those of the address."""

    values: dict[str, list[str]]

    @classmethod
    def of(cls, query: str, body: bytes = b"", content_type: str = "") -> "Parameters":
        """From the address's query string and, where its type says that it is one, the body's form.

        Raises QueryRefused when there are too many fields or the form is not text.
        """
        values: dict[str, list[str]] = {}
        is_form = content_type.partition(";")[0].strip().lower() == _FORM
        for text in (_decoded(body) if is_form else "", query):
            for name, given in _fields(text).items():
                values.setdefault(name, []).extend(given)
        return cls(values)

    def text(self, name: str) -> str:
        """The first value, or nothing."""
        return self.values.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        """Every value."""
        return self.values.get(name, [])

    def parsed(self, name: str, parse: Callable[[str], T], default: T | None = None) -> T:
        """A parameter read by `parse`, which raises ValueError; the default where it is empty and there is one."""
        text = self.text(name)
        if not text and default is not None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise refused(name, str(error)) from None

    def optional_time(self, name: str, default_ms: int) -> int:
        """A time, milliseconds, or its default."""
        text = self.text(name)
        try:
            return time_ms(text) if text else default_ms
        except ValueError as error:
            raise refused(name, f"invalid time value for '{name}': {error}") from None

    def limit(self) -> int:
        """The `limit` parameter; 0 for none."""
        return self.parsed("limit", limit, 0)

    def number(self, name: str) -> int:
        """An integer, or -1; refused in the words of those addresses that don't name the parameter."""
        try:
            return _integer(self.text(name)) if self.text(name) else -1
        except ValueError:
            raise QueryRefused("bad_data", f"{name} must be a number") from None


def refused(name: str, why: str) -> QueryRefused:
    """The error for a bad parameter, in Prometheus's words."""
    return QueryRefused("bad_data", f'invalid parameter "{name}": {why}')


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise QueryRefused("bad_data", "error parsing form values: the form is not UTF-8") from None


def _fields(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise QueryRefused("bad_data", f"error parsing form values: {error}") from None


def time_ms(text: str) -> int:
    """Unix seconds or RFC 3339 as milliseconds. Raises ValueError."""
    if _FLOAT.fullmatch(text):
        return _seconds_ms(float(text), text)
    if _RFC3339.fullmatch(text):
        return _date_ms(text)
    if text in _ENDS_OF_TIME:
        return _ENDS_OF_TIME[text]
    raise ValueError(f'cannot parse "{text}" to a valid timestamp')


def _date_ms(text: str) -> int:
    try:
        passed = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        raise ValueError(f'cannot parse "{text}" to a valid timestamp') from None
    return (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000


def _seconds_ms(seconds: float, text: str) -> int:
    if abs(seconds) > 1e13:
        raise ValueError(f'cannot parse "{text}" to a valid timestamp')
    fraction, whole = math.modf(seconds)
    # In three steps, as Prometheus does: thousandths, nanoseconds cut off, milliseconds.
    nanoseconds = int(_half_away(fraction * 1000) / 1000 * 1e9)
    return int(whole) * 1000 + nanoseconds // 1_000_000


def _half_away(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def duration_ns(text: str) -> int:
    """Seconds or a duration such as `1h30m` as nanoseconds. Raises ValueError."""
    if _FLOAT.fullmatch(text):
        return _checked(int(min(abs(float(text)), 1e12) * 1e9) * (-1 if text.startswith("-") else 1), text)
    if _INFINITE.fullmatch(text):
        return _checked(_INT64_MAX + 1, text)
    found = _DURATION.fullmatch(text)
    if not found or not text:
        raise ValueError(f'cannot parse "{text}" to a valid duration')
    counts = [int(count[:30]) if count else 0 for count in found.groups()]
    return _checked(sum(count * unit for count, unit in zip(counts, _UNIT_NS, strict=True)), text)


def _checked(nanoseconds: int, text: str) -> int:
    if abs(nanoseconds) > _INT64_MAX:
        raise ValueError(f'cannot parse "{text}" to a valid duration. It overflows int64')
    return nanoseconds


def limit(text: str) -> int:
    """A number of results. Raises ValueError."""
    number = _integer(text)
    if number < 0:
        raise ValueError("limit must be non-negative")
    return number


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    if len(text.lstrip("+-0")) > _INTEGER_DIGITS:
        raise ValueError(f'strconv.Atoi: parsing "{text}": value out of range')
    return int(text)


def label_name(text: str) -> str:
    """A label's name in an address. Behind `U__`, `__` is an underscore and `_hex_` the character of that number."""
    if not text.startswith("U__"):
        return text
    escaped = text.removeprefix("U__")
    if not _ESCAPED.fullmatch(escaped):
        return text
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "_", escaped)
