"""The one way in which tests wait: for a condition, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], within_s: float = 30.0) -> None:
    """Look again and again until it holds. Raises TimeoutError."""
    end = time.monotonic() + within_s
    while True:
        held = condition()
        if await held if inspect.isawaitable(held) else held:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s} s: {inspect.getsource(condition).strip()}")
        await asyncio.sleep(0.005)
