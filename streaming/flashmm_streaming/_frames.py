"""The server's frames, as JSON text in bytes. Items arrive encoded: each is encoded once, however many read it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a stream. An offset counts the stream's items from 1 and means nothing in another epoch."""

    epoch: str
    offset: int


def item(body: Mapping[str, object]) -> bytes:
    """One item. Raises TypeError for what JSON cannot hold; NaN and infinity become null."""
    # A copy, since items are kept: what orjson returns takes 4 KiB however short it is.
    return bytes(memoryview(orjson.dumps(body)))


def data(stream: str, at: Position, items: Sequence[bytes], *, snapshot: bool = False) -> bytes:
    """Items in order; `offset` is the last one's. A snapshot holds state or recent items known before subscribing."""
    head = b'{"type":"data","stream":"%b","epoch":"%b","offset":%d,' % (stream.encode(), at.epoch.encode(), at.offset)
    flag = b'"snapshot":true,' if snapshot else b""
    return head + flag + b'"items":[' + b",".join(items) + b"]}"


def subscribed(stream: str, at: Position, symbols: Sequence[str] | None, *, recovered: bool) -> bytes:
    """`recovered`: everything since the resume point follows, complete."""
    return orjson.dumps(
        {"type": "subscribed", "stream": stream, **asdict(at), "recovered": recovered, "symbols": symbols}
    )


def unsubscribed(stream: str) -> bytes:
    return orjson.dumps({"type": "unsubscribed", "stream": stream})


def gap(stream: str, at: Position, missed: int | None, reason: str) -> bytes:
    """`missed` items up to `at` will not come; None where nobody can tell how many."""
    return orjson.dumps({"type": "gap", "stream": stream, **asdict(at), "missed": missed, "reason": reason})


def error(code: str, message: str, action: str) -> bytes:
    """What was wrong with the client's last message, and what to do."""
    return orjson.dumps({"type": "error", "code": code, "message": message, "action": action})


def bye(code: str, message: str, resume: Mapping[str, Position], retry_after_s: float) -> bytes:
    """The last frame. `resume` goes into the next subscribe, not before `retry_after_s`."""
    token = {stream: asdict(at) for stream, at in resume.items()}
    return orjson.dumps(
        {"type": "bye", "code": code, "message": message, "resume": token, "retry_after_s": retry_after_s}
    )


def pong(ping_id: str | int | None) -> bytes:
    return orjson.dumps({"type": "pong", "id": ping_id})
