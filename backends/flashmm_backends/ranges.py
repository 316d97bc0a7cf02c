"""Ranges of settings, written where a setting is declared and enforced where settings are read.

Every number has an upper end too: one beyond it is a slip of the unit, such as milliseconds for seconds.
"""

from typing import Annotated, Final

from annotated_types import Interval
from pydantic import BeforeValidator

_YEAR_S: Final = 366 * 86_400.0

Count = Annotated[int, Interval(ge=1, le=1_000_000_000)]
"""How many of something, at least one."""

Threads = Annotated[int, Interval(ge=1, le=256)]
"""Threads, or tasks that do the work of threads."""

Bytes = Annotated[int, Interval(ge=1_024, le=2**50)]
"""A size that may be as large as a disk: 1 KiB to 1 PiB."""

Size = Annotated[int, Interval(ge=0, le=2**50)]
"""A size that may be nothing or as large as a disk, up to 1 PiB."""

MemoryBytes = Annotated[int, Interval(ge=1_024, le=2**40)]
"""A size that is held in memory: 1 KiB to 1 TiB."""

Megabytes = Annotated[int, Interval(ge=16, le=2**20)]
"""16 MiB to 1 TiB."""

Seconds = Annotated[float, Interval(gt=0, le=_YEAR_S)]
"""A duration or interval above zero, up to a year."""

Pause = Annotated[float, Interval(ge=0, le=_YEAR_S)]
"""A wait that may be none, up to a year."""

Share = Annotated[float, Interval(gt=0, le=1)]
"""A part of a whole, above zero."""

Days = Annotated[float, Interval(gt=0, le=36_600)]
"""How long something is kept: up to a century."""

Rate = Annotated[float, Interval(gt=0, le=1e9)]
"""How many a second."""

Milliseconds = Annotated[int, Interval(ge=1, le=366 * 86_400_000)]
"""A whole number of milliseconds, up to a year."""

Port = Annotated[int, Interval(ge=0, le=65_535)]
"""A TCP port; 0 takes a free one."""


def _listed(value: object) -> object:
    return tuple(each.strip() for each in value.split(",") if each.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A list of names; in the environment separated by commas."""
