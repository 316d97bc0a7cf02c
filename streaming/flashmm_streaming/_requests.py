"""What a client may say, parsed into objects; anything else is a Refusal that tells it what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

from flashmm_streaming._frames import Position
from flashmm_streaming.streams import STREAMS

SYMBOL_CHARS_MAX = 64
SYMBOLS_MAX = 64
RECENT_MAX = 1_000


@dataclass
class Refusal(Exception):
    """A message that is not answered. code is stable; action says what to send instead."""

    code: str
    message: str
    action: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}. {self.action}"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """symbols None means all of them; items without a symbol come in any case.

    recent: how many earlier items to begin with, where there is nothing to resume.
    """

    streams: tuple[str, ...]
    symbols: frozenset[str] | None
    resume: Mapping[str, Position] = field(default_factory=dict[str, Position])
    recent: int = 0


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    id: str | int | None


Request = Subscribe | Unsubscribe | Ping


def parse(text: str | bytes) -> Request:
    """Raises Refusal for anything that is not one of the three requests."""
    message = _object(_json(text), "message")
    match message.get("type"):
        case "subscribe":
            return _subscribe(message)
        case "unsubscribe":
            return Unsubscribe(_streams(message))
        case "ping":
            return Ping(_ping_id(message.get("id")))
        case _:
            raise Refusal("unknown_type", "The message's type is not known", "Send subscribe, unsubscribe or ping.")


def _json(text: str | bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as why:
        raise Refusal("bad_json", f"The message is not JSON ({why})", "Send one JSON object a text frame.") from why


def _subscribe(message: Mapping[str, object]) -> Subscribe:
    return Subscribe(
        _streams(message), _symbols(message.get("symbols")), _resume(message.get("resume")), _recent(message)
    )


def _streams(message: Mapping[str, object]) -> tuple[str, ...]:
    names = _strings(message.get("streams"), "streams")
    unknown = [name for name in names if name not in STREAMS]
    if unknown or not names:
        raise Refusal(
            "unknown_stream", f"No such stream: {', '.join(unknown)[:100]}", f"Choose from {', '.join(STREAMS)}."
        )
    return tuple(dict.fromkeys(names))


def _symbols(value: object) -> frozenset[str] | None:
    if value is None:
        return None
    symbols = _strings(value, "symbols")
    if len(symbols) > SYMBOLS_MAX or any(len(symbol) > SYMBOL_CHARS_MAX for symbol in symbols):
        raise Refusal(
            "too_many_symbols", "Too many or too long symbols", f"Name up to {SYMBOLS_MAX}, or none for all."
        )
    return frozenset(symbols) or None


def _resume(value: object) -> Mapping[str, Position]:
    points = _object({} if value is None else value, "resume")
    return {stream: _position(point) for stream, point in points.items()}


def _position(value: object) -> Position:
    point = _object(value, "resume")
    epoch, offset = point.get("epoch"), point.get("offset")
    if not isinstance(epoch, str) or type(offset) is not int or offset < 0:
        raise Refusal("bad_request", "A resume point lacks epoch or offset", "Send those of the last data frame.")
    return Position(epoch, offset)


def _recent(message: Mapping[str, object]) -> int:
    recent = message.get("recent", 0)
    if type(recent) is not int or not 0 <= recent <= RECENT_MAX:
        raise Refusal("bad_request", "recent is out of range", f"Send a whole number up to {RECENT_MAX}.")
    return recent


def _ping_id(value: object) -> str | int | None:
    if value is None or type(value) is int or (isinstance(value, str) and len(value) <= SYMBOL_CHARS_MAX):
        return value
    raise Refusal("bad_request", "A ping's id is a short string or a number", "Leave it out.")


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Refusal("bad_request", f"The {what} is not a JSON object", "See the stream protocol's reference.")
    return cast("dict[str, object]", value)


def _strings(value: object, what: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in cast("list[object]", value)):
        raise Refusal("bad_request", f"{what} is not a list of strings", f"Send {what} as a list of strings.")
    return cast("list[str]", value)
