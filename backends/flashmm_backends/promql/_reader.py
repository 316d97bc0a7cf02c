"""The metrics port over the engine: queries run in worker threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from flashmm_backends.ports import InstantResult, RangeResult
from flashmm_backends.promql._engine import Engine


class PromqlMetrics:
    """A MetricsReader that runs an engine in threads of its own. Raises QueryRefused, Unavailable.

    threads: how many queries run at once; more wait their turn. Close it with `close`.
    """

    def __init__(self, engine: Engine, *, threads: int = 2) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="promql")

    async def query(self, promql: str, at_ms: int) -> InstantResult:
        """Evaluate at one time, milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.query, promql, at_ms)

    async def query_range(self, promql: str, start_ms: int, end_ms: int, step_ms: int) -> RangeResult:
        """Evaluate at start, start + step … up to end, milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._engine.query_range, promql, start_ms, end_ms, step_ms
        )

    def close(self) -> None:
        """Let running queries end and refuse new ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)
