"""The ways in which tests wait: for a condition, or for a whole test's, with a deadline."""

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], within_s: float = 60.0) -> None:
    """Look again and again until it holds. Raises TimeoutError."""
    end = time.monotonic() + within_s
    while True:
        held = condition()
        if await held if inspect.isawaitable(held) else held:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s} s: {inspect.getsource(condition).strip()}")
        await asyncio.sleep(0.005)


def settles(test: Callable[..., None], within_s: float = 60.0) -> Callable[..., None]:
    """A test that looks at what is still on its way: it looks again until all holds, or fails as it did last."""

    @functools.wraps(test)
    def looked(*arguments: object, **named: object) -> None:
        end = time.monotonic() + within_s
        while True:
            try:
                return test(*arguments, **named)
            except AssertionError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)

    return looked
