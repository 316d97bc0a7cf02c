"""The traces port over several ledgers: asked at once, joined where a bot's move left an order's parts in two."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import httpx

from flashmm_backends.batch import Span
from flashmm_backends.ledger.remote_traces import RemoteTraces
from flashmm_backends.ports import NotFound, OrderSummary, OrderTrace, Window

_T = TypeVar("_T")


class ShardedTraces:
    """A `TraceReader` over ledgers partitioned by bot. One client a ledger; the caller closes them. At least one.

    A ledger that does not answer makes the answer Unavailable: a part would look like the whole.
    """

    def __init__(self, clients: Sequence[httpx.AsyncClient]) -> None:
        self._ledgers = [RemoteTraces(client) for client in clients]

    async def trace(self, trace_id: bytes) -> Sequence[Span]:
        """See TraceReader. Raises NotFound, Unavailable."""
        return _joined(await _found(ledger.trace(trace_id) for ledger in self._ledgers))

    async def order(self, order_id: str) -> OrderTrace:
        """See TraceReader. Raises NotFound, Unavailable."""
        parts = await _found(ledger.order(order_id) for ledger in self._ledgers)
        events = {(each.run, each.kind, each.seq): each for part in parts for each in part.events}
        return OrderTrace(
            order_id,
            _joined(part.placement for part in parts),
            _joined(part.later for part in parts),
            sorted(events.values(), key=lambda event: (event.time_ns, event.seq)),
        )

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]:
        """See TraceReader: the latest first. Raises QueryRefused, Unavailable."""
        parts = await asyncio.gather(*(ledger.orders(window, where, limit) for ledger in self._ledgers))
        orders = {(each.order_id, each.trace_id): each for part in parts for each in part}
        return sorted(orders.values(), key=lambda order: (-order.start_ns, order.order_id))[:limit]


async def _found(asked: Iterable[Coroutine[Any, Any, _T]]) -> Sequence[_T]:
    """What those answered that know of it. Raises NotFound where none does, and any other error of one."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    errors = [each for each in answers if isinstance(each, BaseException)]
    known = [each for each in answers if not isinstance(each, BaseException)]
    grave = [error for error in errors if not isinstance(error, NotFound)]
    if grave or not known:
        raise (grave or errors)[0]
    return known


def _joined(parts: Iterable[Sequence[Span]]) -> Sequence[Span]:
    """The spans of all parts, each once, by start."""
    spans = {(each.trace_id, each.span_id): each for each in chain.from_iterable(parts)}
    return sorted(spans.values(), key=lambda span: (span.start_ns, span.span_id))
