"""Ledgers partitioned by bot, read as one: the events port over several ledgers' HTTP APIs."""

from flashmm_backends.shards._events import ShardedEvents

__all__ = ["ShardedEvents"]
