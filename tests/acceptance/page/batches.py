"""Batches as a receiver would hand them on, made by hand: what the page is fed in these tests."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from flashmm_backends.batch import Batch, Event, EventValue, Points, Resource, SeriesMeta, Span
from flashmm_backends.naming import series_id
from flashmm_instrumentation.semconv import attributes as attr

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


class Bot:
    """One bot's records: keeps its sequence numbers, knows its labels."""

    def __init__(
        self, bot: str = "maker-1", account: str = "main", environment: str = "demo", run: str = "run-1"
    ) -> None:
        self.bot, self.account, self.run = bot, account, run
        self._seq: dict[str, int] = {}
        attributes = {
            attr.SERVICE_NAME: bot,
            attr.BOT: bot,
            attr.ACCOUNT: account,
            attr.RUN: run,
            attr.DEPLOYMENT_ENVIRONMENT: environment,
        }
        self.resource = Resource(abs(hash((bot, account, run))), attributes)

    def hello(self, now_ns: int) -> Batch:
        """The first batch: nothing but the resource."""
        return Batch(now_ns, resources=[self.resource])

    def points(
        self,
        now_ns: int,
        values: Mapping[str, tuple[float, Mapping[str, str]]] | Sequence[tuple[str, float, Mapping[str, str]]],
    ) -> Batch:
        """One sample each: (Prometheus name, value, labels)."""
        rows = [(name, *rest) for name, rest in values.items()] if isinstance(values, Mapping) else list(values)
        series = [self._series(name, labels) for name, _, labels in rows]
        ids = np.array([each.id for each in series], np.uint64)
        times = np.full(len(rows), now_ns // MILLISECOND, np.int64)
        samples = np.array([value for _, value, _ in rows], np.float64)
        return Batch(now_ns, series=series, points=Points(ids, times, samples), resources=[self.resource])

    def pnl(
        self, now_ns: int, realized: float, unrealized: float, fees: float, funding: float, currency: str = "USDT"
    ) -> Batch:
        """The four P&L gauges of one export."""
        parts = {"realized": realized, "unrealized": unrealized, "fees": fees, "funding": funding}
        labels = {"flashmm_currency": currency}
        return self.points(now_ns, [(f"flashmm_pnl_{part}", value, labels) for part, value in parts.items()])

    def event(self, kind: str, time_ns: int, /, **fields: EventValue) -> Event:
        """The next event of its stream."""
        seq = self._seq[kind] = self._seq.get(kind, 0) + 1
        return Event(kind, time_ns, self.run, seq, self.bot, self.account, b"", b"", fields)

    def lose(self, kind: str, count: int = 1) -> None:
        """Numbers given out and never sent."""
        self._seq[kind] = self._seq.get(kind, 0) + count

    def events(self, now_ns: int, *events: Event) -> Batch:
        """A batch of events."""
        return Batch(now_ns, resources=[self.resource], events=events)

    def placement(
        self,
        order_id: str,
        symbol: str,
        side: str,
        start_ns: int,
        stages_us: Mapping[str, int],
        outcome: str = "acked",
    ) -> list[Span]:
        """The trace of an order's way to the exchange, children first as they end."""
        trace_id = order_id.encode().ljust(16, b"\0")[:16]
        common = {attr.VENUE: "binance", attr.SYMBOL: symbol, attr.SIDE: side}
        spans: list[Span] = []
        at = start_ns
        for number, (stage, taken_us) in enumerate(stages_us.items(), 2):
            end = at + taken_us * 1_000
            spans.append(self._span(trace_id, number, 1, stage, at, end, common))
            at = end
        root = {**common, attr.ORDER_ID: order_id, attr.ORDER_OUTCOME: outcome}
        return [*spans, self._span(trace_id, 1, 0, "order", start_ns, at, root)]

    def spans(self, now_ns: int, spans: Sequence[Span]) -> Batch:
        """A batch of spans."""
        return Batch(now_ns, resources=[self.resource], spans=spans)

    def _span(
        self,
        trace_id: bytes,
        span: int,
        parent: int,
        name: str,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, object],
    ) -> Span:
        parent_id = parent.to_bytes(8, "big") if parent else b""
        return Span(
            trace_id,
            span.to_bytes(8, "big"),
            parent_id,
            name,
            1,
            start_ns,
            end_ns,
            0,
            "",
            self.resource.id,
            "",
            attributes,
        )

    def _series(self, name: str, labels: Mapping[str, str]) -> SeriesMeta:
        everything = {
            "__name__": name,
            "flashmm_bot": self.bot,
            "flashmm_account": self.account,
            "job": f"flashmm/{self.bot}",
            "instance": self.run,
            **labels,
        }
        pairs = tuple(sorted(everything.items()))
        return SeriesMeta(series_id(pairs), pairs, "gauge", "", "")


def spread_fields(
    mid: Decimal,
    own: Decimal,
    market: Decimal,
    total: Decimal,
    *,
    symbol: str = "BTCUSDT",
    one_tick_ns: int = SECOND,
    two_sided_ns: int = SECOND,
) -> dict[str, EventValue]:
    """Fields of a one-second sample with constant spreads."""
    paired = two_sided_ns
    return {
        "venue": "binance",
        "symbol": symbol,
        "start_ns": 0,
        "duration_ns": SECOND,
        "valid_ns": SECOND,
        "quoting_ns": SECOND,
        "two_sided_ns": two_sided_ns,
        "at_best_ns": two_sided_ns // 2,
        "one_tick_ns": one_tick_ns,
        "unknown_ns": 0,
        "own_spread_integral": own * paired,
        "market_spread_integral": market * paired,
        "total_spread_integral": total * paired,
        "mid_integral": mid * paired,
        "paired_ns": paired,
        "bid": mid - total / 2,
        "ask": mid + total / 2,
        "own_bid": mid - own / 2,
        "own_ask": mid + own / 2,
    }
