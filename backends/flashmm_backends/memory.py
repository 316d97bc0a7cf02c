"""How the C library keeps this process's memory: little more than is in use, and nothing after a large piece of work.

Other C libraries than glibc are left as they are.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Final, cast

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of glibc's mallopt."""
_HELD: Final = {_TRIM_THRESHOLD: 1 << 20, _MMAP_THRESHOLD: 1 << 20, _ARENA_MAX: 1}
"""Smaller pieces straight from the system, of 64 KiB on, would cost range queries two to five times their CPU."""


@cache
def c_function(name: str) -> Callable[..., int] | None:
    """A function of the C library that this process runs on, None where it has none of the name."""
    try:
        return cast("Callable[..., int]", getattr(ctypes.CDLL(None), name))
    except (AttributeError, OSError, TypeError):
        # Another C library than glibc.
        return None


def hold_little() -> None:
    """Have all threads share one heap, and pieces of 1 MiB on go back once they are free. Call before threads start.

    By itself glibc gives up to eight heaps for each core, which fragment and keep what a query needed. It also puts
    ever larger pieces into them, up to 32 MiB, once one that large was freed.
    """
    if tune := c_function("mallopt"):
        for parameter, value in _HELD.items():
            tune(parameter, value)


def give_back() -> None:
    """Return free pages to the system, where the C library can: glibc keeps what a burst has needed."""
    if trim := c_function("malloc_trim"):
        trim(0)
