"""A thread for what would hold up the loop: large requests are unpacked and decoded there, one at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Worker:
    """One thread, so that the loop has one rival for the interpreter at most."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="receiver-worker")

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Have it done. Cancelled, it returns at once; what the thread has begun it ends."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Wait for what was begun, then end."""
        self._thread.shutdown(cancel_futures=True)


async def ended(task: "asyncio.Task[_T]") -> _T:
    """The task's result. Who is cancelled meanwhile waits for the end all the same: what it uses stays accounted."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody is left to be told
        raise
