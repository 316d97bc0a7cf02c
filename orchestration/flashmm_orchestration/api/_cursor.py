"""Where a list stopped, as a word that means nothing to a client and everything to the next request."""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar
from urllib.parse import urlencode

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from flashmm_backends.ports import EventPosition, QueryRefused, Window

_CHARS_MAX: Final = 1024
_T = TypeVar("_T")
_Int64 = Annotated[int, Field(ge=0, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class _Cursor:
    start_ns: _Int64
    end_ns: _Int64

    @property
    def window(self) -> Window:
        """That of the first page."""
        return Window(self.start_ns, self.end_ns)


@dataclass(frozen=True, slots=True)
class EventCursor(_Cursor):
    """The window that the first page fixed, and the last event that was given."""

    time_ns: _Int64
    run: str
    seq: _Int64

    @property
    def after(self) -> EventPosition:
        """Where the next page goes on."""
        return EventPosition(self.time_ns, self.run, self.seq)


@dataclass(frozen=True, slots=True)
class LatestCursor(_Cursor):
    """The same for a list whose latest row comes first.

    time_ns, id: of the last row; lists without ids leave it empty. ties: how many of that nanosecond were given so
    far.
    """

    time_ns: _Int64
    id: str
    ties: Annotated[int, Field(ge=1, le=2**31 - 1)]


_EVENTS: Final = TypeAdapter(EventCursor)
_LATEST: Final = TypeAdapter(LatestCursor)


def encoded(cursor: EventCursor | LatestCursor) -> str:
    """The cursor as a client carries it."""
    return base64.urlsafe_b64encode(orjson.dumps(cursor)).decode().rstrip("=")


def event_cursor(text: str) -> EventCursor:
    """What `encoded` made. Raises QueryRefused for anything else."""
    return _decoded(text, _EVENTS)


def latest_cursor(text: str) -> LatestCursor:
    """What `encoded` made. Raises QueryRefused for anything else."""
    return _decoded(text, _LATEST)


def _decoded(text: str, adapter: "TypeAdapter[_T]") -> _T:
    try:
        return adapter.validate_json(_bytes(text[:_CHARS_MAX]), strict=True)
    except (binascii.Error, ValidationError, ValueError):
        raise QueryRefused("bad_data", "cursor: take it from the field `next` of the page before") from None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


def link(path: str, *parameters: tuple[str, str]) -> str:
    """A relative address with a query string."""
    return f"{path}?{urlencode(parameters)}"
