"""Ledgers partitioned by bot, read as one: the ports of events and of traces over several ledgers' HTTP APIs."""

from typing import TYPE_CHECKING

from flashmm_instrumentation.late import late

if TYPE_CHECKING:
    from flashmm_backends.shards._events import ShardedEvents
    from flashmm_backends.shards._ledgers import connected
    from flashmm_backends.shards._settings import LedgersSettings
    from flashmm_backends.shards._traces import ShardedTraces
else:
    __getattr__ = late(
        __name__,
        {
            "ShardedEvents": "_events",
            "LedgersSettings": "_settings",
            "connected": "_ledgers",
            "ShardedTraces": "_traces",
        },
    )

__all__ = ["LedgersSettings", "ShardedEvents", "ShardedTraces", "connected"]
