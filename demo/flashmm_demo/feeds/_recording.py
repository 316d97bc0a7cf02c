"""Recordings: one `LOCAL_NS {json}` a line, plain or gzipped; reading them as a feed and writing them from any."""

import gzip
import io
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from flashmm_demo._messages import Message, Reset
from flashmm_demo._settings import DemoError
from flashmm_demo._timeline import Timeline
from flashmm_demo._wire import MalformedMessage, decode, encode
from flashmm_demo.feeds._malformed import Malformed

_log = logging.getLogger(__name__)
_BETWEEN_LOOPS_NS: Final = 1_000_000_000


class FeedEnded(DemoError):
    """A feed has no more messages."""

    def __str__(self) -> str:
        """Says so."""
        return "the feed has ended"


class NoRecording(DemoError):
    """A file that cannot be played."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        """Names the option that named it."""
        return f"--feed file:{self.path}: {self.why}"


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded message: its arrival and the exchange's JSON."""

    received_ns: int
    text: str


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a recording, in order. One that was cut off, as by a crash while it was written, ends there.

    Raises MalformedMessage for a line without a leading time, OSError for a file that can't be read.
    """
    try:
        with _open_text(path) as file:
            yield from map(_line, file)
    except (EOFError, zlib.error) as error:
        _log.warning("recording %s is cut off: %s", path, error)


def _line(text: str) -> Line:
    stamp, _, message = text.partition(" ")
    if not stamp.isdecimal():
        raise MalformedMessage(text)
    return Line(int(stamp), message.rstrip("\n"))


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="\n")
    return path.open(encoding="utf-8", errors="replace", newline="\n")


class RecordedFeed:
    """Replays a recording. Messages of other symbols are left out, malformed ones too, and told of.

    Raises NoRecording for a file that cannot be read or does not begin with a message.
    """

    def __init__(self, path: Path, symbols: tuple[str, ...], timeline: Timeline, *, loop: bool = False) -> None:
        self._path = path
        self._symbols = symbols
        self._timeline = timeline
        self._loop = loop
        self._lines = read_lines(path)
        self._head: Line | None = self._first_line()
        self._offset_ns = 0
        self._last_feed_ns = 0
        self._resets: list[Reset] = []
        self._malformed = Malformed(f"recording {path}")

    async def next(self, until_ns: int) -> Message | None:
        """The next message, or None when none is due before `until_ns`. Raises FeedEnded."""
        while True:
            if self._resets:
                return self._resets.pop()
            due_ns = self._timeline.due(self._head_ns())
            if due_ns > until_ns:
                await self._timeline.reach(until_ns)
                return None
            await self._timeline.reach(due_ns)
            message = self._take(self._timeline.stamp(due_ns))
            if message is not None:
                return message

    async def __aenter__(self) -> Self:
        """Ready at once."""
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Tell what was left out; the file closes with its iterator."""
        self._malformed.tell()

    def _first_line(self) -> Line:
        try:
            first = next(self._lines, None)
        except OSError as error:
            raise NoRecording(self._path, error.strerror or str(error)) from None
        except MalformedMessage as error:
            raise NoRecording(self._path, str(error)) from None
        if first is None:
            raise NoRecording(self._path, "it holds no message")
        return first

    def _head_ns(self) -> int:
        if self._head is None:
            raise FeedEnded
        return self._head.received_ns + self._offset_ns

    def _take(self, stamp_ns: int) -> Message | None:
        line = self._head
        if line is None:
            raise FeedEnded
        self._last_feed_ns = line.received_ns + self._offset_ns
        self._advance(stamp_ns)
        try:
            message = decode(line.text, stamp_ns, self._symbols[0])
        except MalformedMessage as error:
            self._malformed.found(error)
            return None
        return message if message is not None and message.symbol in self._symbols else None

    def _advance(self, stamp_ns: int) -> None:
        self._head = next(self._lines, None)
        if self._head is None and self._loop:
            self._lines = read_lines(self._path)
            self._head = next(self._lines)
            self._offset_ns = self._last_feed_ns + _BETWEEN_LOOPS_NS - self._head.received_ns
            self._resets = [Reset(symbol, stamp_ns, "recording begins again") for symbol in self._symbols]


class Recorder:
    """Writes messages in the form of a recording; equal messages give equal bytes, gzipped or not."""

    def __init__(self, path: Path, symbols: tuple[str, ...]) -> None:
        self._name_symbol = len(symbols) > 1
        self._raw = path.open("wb")
        # A time and a name in the gzip header would make equal recordings differ.
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0) if path.suffix == ".gz" else None
        self._text = io.TextIOWrapper(packed or self._raw, encoding="utf-8", newline="\n")

    def write(self, message: Message) -> None:
        """Append one message; a Reset leaves no line."""
        if not isinstance(message, Reset):
            text = encode(message, name_symbol=self._name_symbol)
            self._text.write(f"{message.received_ns} {text}\n")

    def close(self) -> None:
        """Write out what is buffered and close the file."""
        self._text.close()
        self._raw.close()
