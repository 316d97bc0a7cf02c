"""The traces port over Tempo's HTTP API.

Tempo finds a trace by its id at once, but its searches end 30 s before now (`query_end_cutoff`). Order events carry
the ids of their traces, so with an event reader the newest orders are found through those.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from heapq import nlargest
from typing import Final

import httpx

from flashmm_backends.batch import Span
from flashmm_backends.lgtm import _traceql as traceql
from flashmm_backends.lgtm._answers import NotAnAnswer
from flashmm_backends.lgtm._endpoint import Endpoint, Time, connected
from flashmm_backends.lgtm._failures import Story
from flashmm_backends.lgtm._order_events import Heard, OrderEvents
from flashmm_backends.lgtm._settings import EndpointSettings, TempoSettings
from flashmm_backends.lgtm._tempo_answers import Arrived, arrived, found_orders, found_traces, matches
from flashmm_backends.ports import EventReader, NotFound, OrderSummary, OrderTrace, QueryRefused, Window

_STORY: Final = Story("Tempo", "traces")
_NS: Final = 10**9
_UNSEARCHED_NS: Final = 60 * _NS
"""Tempo's cut-off, and time for it to make its blocks."""
_HEARD_WITHIN_NS: Final = 5 * _NS
"""How long after its start, which is the tick that it answers, an order's first event may come."""
_YOUNG_ASKED_MAX: Final = 4_000
"""Young traces asked for by one list: of more, those heard of first come once a search finds them."""
_SEARCHED_S_MIN: Final = 60
_BEFORE_NS: Final = 60 * _NS
_TRACES_OF_ORDER_MAX: Final = 500
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_ASKED_MAX: Final = 16_000


class TempoTraces:
    """A `TraceReader` over a Tempo. events: where the newest orders and the orders' events come from."""

    def __init__(self, endpoint: Endpoint, settings: TempoSettings, events: EventReader | None = None) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._events = OrderEvents(events)
        self._at_once = asyncio.Semaphore(settings.concurrent_max)
        self._version = "/v2"

    async def trace(self, trace_id: bytes) -> Sequence[Span]:
        """See TraceReader; waits for what is still arriving. Raises NotFound, Unavailable."""
        found = await self._settled(trace_id, expected_since_ns=None)
        if not found.spans:
            raise NotFound(f"trace {trace_id.hex()}")
        return found.spans

    async def order(self, order_id: str) -> OrderTrace:
        """See TraceReader. Raises NotFound, Unavailable, QueryRefused."""
        events = await self._events.of(order_id, self._now_ns() + _NS)
        told = {event.trace_id: event.time_ns for event in reversed(events) if event.trace_id}
        begin_ns = min(told.values()) - _BEFORE_NS if told else self._now_ns() - self._lookback_ns
        searched = await self._search_order(order_id, begin_ns)
        since = {**dict.fromkeys(searched, begin_ns), **told}
        traces = await asyncio.gather(*(self._settled(each, at_ns) for each, at_ns in since.items()))
        if not (events or any(trace.spans for trace in traces)):
            raise NotFound(f"order {order_id}")
        placement = [span for trace in traces if trace.placement for span in trace.spans]
        later = [span for trace in traces if not trace.placement for span in trace.spans]
        return OrderTrace(order_id, _by_start(placement), _by_start(later), events)

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]:
        """See TraceReader: the latest first. Raises QueryRefused, Unavailable."""
        query = traceql.of_placements(where)
        found = {order.trace_id: order for order in await self._unsearched(window, where or {}, limit)}
        for part in self._parts(window):
            if len(found) >= limit and part.end_ns <= min(order.start_ns for order in found.values()):
                break
            found |= {order.trace_id: order for order in await self._search_orders(query, part, limit)}
        latest = sorted(found.values(), key=lambda order: (-order.start_ns, order.order_id))
        return latest[:limit]

    def _parts(self, window: Window) -> Iterator[Window]:
        """The window in pieces that Tempo searches, the latest first."""
        end_ns = min(window.end_ns, self._now_ns() + _NS)
        earliest_ns = max(window.start_ns, 0)
        while end_ns > earliest_ns:
            start_ns = max(earliest_ns, end_ns - self._lookback_ns)
            yield Window(start_ns, end_ns)
            end_ns = start_ns

    async def _unsearched(self, window: Window, where: Mapping[str, str], limit: int) -> list[OrderSummary]:
        """Placements too young to be searched: at least the latest, up to the limit."""
        young = Window(max(window.start_ns, self._now_ns() - _UNSEARCHED_NS), window.end_ns)
        if young.end_ns <= young.start_ns:
            return []
        heard = await self._events.traces(Window(young.start_ns, young.end_ns + _HEARD_WITHIN_NS), where)
        found: list[OrderSummary] = []
        for part in _parts(heard[:_YOUNG_ASKED_MAX], self._settings.concurrent_max):
            latest = nlargest(limit, (order.start_ns for order in found))
            if len(latest) == limit and min(latest) >= part[0].time_ns:
                break  # an order starts before it is heard of: no later one can follow
            traces = await asyncio.gather(*(self._ask_trace(each.trace_id) for each in part))
            found += [order for trace in traces if (order := _placed(trace, young, where))]
        return found

    async def _search_order(self, order_id: str, begin_ns: int) -> list[bytes]:
        begin_ns = max(begin_ns, self._now_ns() - self._lookback_ns)
        window = Window(begin_ns, self._now_ns() + _NS)
        response = await self._search(traceql.of_order(order_id), window, _TRACES_OF_ORDER_MAX)
        try:
            return found_traces(response.content)
        except NotAnAnswer:
            raise self._endpoint.unusable(response) from None

    async def _search_orders(self, query: str, window: Window, limit: int) -> list[OrderSummary]:
        """Tempo takes whole seconds, and so finds some beside the window: more are asked for where those displace."""
        asked = limit
        while True:
            response = await self._search(query, window, asked)
            try:
                found = found_orders(response.content)
            except NotAnAnswer:
                raise self._endpoint.unusable(response) from None
            within = [order for order in found if window.start_ns <= order.start_ns < window.end_ns]
            if len(within) >= limit or len(found) < asked or asked >= _ASKED_MAX:
                return within
            asked *= 2

    async def _search(self, query: str, window: Window, limit: int) -> httpx.Response:
        # Tempo's limit includes the rounding, so the first second is what gives way.
        end_s = -(-window.end_ns // _NS)
        start_s = max(window.start_ns // _NS, end_s - int(self._settings.lookback_s))
        # Its cut-off leaves nothing of a young window, which it then refuses.
        start_s = min(start_s, end_s - _SEARCHED_S_MIN)
        parameters = {"q": query, "start": str(start_s), "end": str(end_s), "limit": str(limit), "spss": "1"}
        response = await self._endpoint.get("api/search", parameters, _refuses)
        if not response.is_success:
            raise QueryRefused("bad_data", f"Tempo refuses the search: {response.text[:300].strip()}")
        return response

    async def _settled(self, trace_id: bytes, expected_since_ns: int | None) -> Arrived:
        """The trace, once it is whole, or old enough, or has been waited for. expected: it was heard of at a time."""
        passing, settings = self._endpoint.passing, self._settings
        deadline_s = passing.monotonic() + settings.whole_s
        while True:
            found = await self._ask_trace(trace_id)
            latest_ns = max((span.end_ns for span in found.spans), default=expected_since_ns or 0)
            old = self._now_ns() - latest_ns > settings.settled_s * _NS
            if found.is_whole or old or passing.monotonic() + settings.poll_s > deadline_s:
                return found
            await passing.sleep(settings.poll_s)

    async def _ask_trace(self, trace_id: bytes) -> Arrived:
        async with self._at_once:
            response = await self._get_trace(trace_id)
        if response.status_code == _NOT_FOUND:
            return Arrived()
        try:
            return arrived(response.content)
        except NotAnAnswer:
            raise self._endpoint.unusable(response) from None

    async def _get_trace(self, trace_id: bytes) -> httpx.Response:
        name = f"traces/{trace_id.hex()}"
        if self._version:
            response = await self._endpoint.get(f"api{self._version}/{name}", {}, _is_not_found)
            if not _lacks_page(response):
                return response
            self._version = ""  # a Tempo before 2.7
        return await self._endpoint.get(f"api/{name}", {}, _is_missing_trace)

    @property
    def _lookback_ns(self) -> int:
        return int(self._settings.lookback_s) * _NS

    def _now_ns(self) -> int:
        return int(self._endpoint.passing.wall() * _NS)


def _parts(heard: Sequence[Heard], size: int) -> Iterator[Sequence[Heard]]:
    return (heard[at : at + size] for at in range(0, len(heard), size))


def _placed(trace: Arrived, window: Window, where: Mapping[str, str]) -> OrderSummary | None:
    """The order that a trace placed, if it is one of those wanted."""
    order = trace.placement
    wanted = order and window.start_ns <= order.start_ns < window.end_ns and matches(order, where)
    return order if wanted else None


def _by_start(spans: Sequence[Span]) -> Sequence[Span]:
    return sorted(spans, key=lambda span: (span.start_ns, span.span_id))


def _refuses(response: httpx.Response) -> bool:
    return response.status_code == _BAD_REQUEST and "no org id" not in response.text


def _is_not_found(response: httpx.Response) -> bool:
    return response.status_code == _NOT_FOUND


def _lacks_page(response: httpx.Response) -> bool:
    """A 404 of the server, not of a trace: Go's own, or a proxy's page."""
    return _is_not_found(response) and ("page not found" in response.text or "<html" in response.text.lower())


def _is_missing_trace(response: httpx.Response) -> bool:
    return _is_not_found(response) and not _lacks_page(response)


@asynccontextmanager
async def tempo_traces(
    endpoint: EndpointSettings,
    settings: TempoSettings | None = None,
    events: EventReader | None = None,
    passing: Time | None = None,
) -> AsyncGenerator[TempoTraces]:
    """The reader with its connections, which are closed here. Raises NotConfigured."""
    async with connected(endpoint, _STORY, passing) as connection:
        yield TempoTraces(connection, settings or TempoSettings(), events)
