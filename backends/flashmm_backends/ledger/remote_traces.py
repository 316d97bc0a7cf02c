"""Traces and orders of a ledger that another process owns, over its HTTP API."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from flashmm_backends.batch import Span
from flashmm_backends.ledger._told import order_of, span_of, summary_of
from flashmm_backends.ledger.asking import answer, unavailable
from flashmm_backends.ports import OrderSummary, OrderTrace, Window

__all__ = ["RemoteTraces"]

_PAGE: Final = 1_000
"""Orders of one answer; as many as a ledger gives by default."""


class RemoteTraces:
    """A `TraceReader` over HTTP. The client's base URL is the ledger's process; the caller closes it.

    Resources and the attributes of links don't travel: a span's resource_id is 0.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def trace(self, trace_id: bytes) -> Sequence[Span]:
        """See TraceReader. Raises NotFound, Unavailable."""
        told = await self._get(f"/api/traces/{trace_id.hex()}")
        with self._expected():
            return [span_of(each) for each in told["spans"]]

    async def order(self, order_id: str) -> OrderTrace:
        """See TraceReader. Raises NotFound, Unavailable."""
        told = await self._get(f"/api/orders/{quote(order_id, safe='')}")
        with self._expected():
            return order_of(told)

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]:
        """See TraceReader. Raises QueryRefused, Unavailable."""
        found: list[OrderSummary] = []
        span = [("start", str(max(0, window.start_ns))), ("end", str(window.end_ns))]
        conditions = [("where", f"{name}={value}") for name, value in (where or {}).items()]
        path: str | None = "/api/orders?" + str(
            httpx.QueryParams([*span, *conditions, ("limit", str(min(limit, _PAGE)))])
        )
        while path is not None and len(found) < limit:
            told = await self._get(path)
            with self._expected():
                found += map(summary_of, told["orders"])
                path = told["next"]
        return found[:limit]

    async def _get(self, path: str) -> dict[str, Any]:
        response = await answer(self._client, self._client.build_request("GET", path))
        with self._expected():
            return response.json()

    @contextmanager
    def _expected(self) -> Generator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise unavailable(self._client, f"its answer has another form: is it older? ({error!r})") from error
