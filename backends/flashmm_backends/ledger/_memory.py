"""Giving memory back to the system once a large piece of work is done."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import cast


@cache
def c_function(name: str) -> Callable[[int], int] | None:
    """A function of the C library that this process runs on, None where it has none of the name."""
    try:
        return cast("Callable[[int], int]", getattr(ctypes.CDLL(None), name))
    except (AttributeError, OSError, TypeError):
        # Another C library than glibc.
        return None


def give_back() -> None:
    """Return free pages to the system, where the C library can: glibc keeps what a burst has needed."""
    if trim := c_function("malloc_trim"):
        trim(0)
