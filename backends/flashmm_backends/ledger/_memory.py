"""Giving memory back to the system once a large piece of work is done."""

import ctypes
from collections.abc import Callable
from functools import cache


@cache
def _trimmer() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        # Another C library than glibc.
        return None


def give_back() -> None:
    """Return free pages to the system, where the C library can: glibc keeps what a burst has needed."""
    if trim := _trimmer():
        trim(0)
