"""What instrumentation costs the trading thread, beside a stock OpenTelemetry SDK that records the same.

Run as `python -m tests.bench.instrumentation`. Exporters go nowhere; the pumps' threads run as they do in a bot, so
their share of the interpreter is in the wall time, and all threads' CPU is in the CPU column.
"""

import os
import statistics
import time
from collections.abc import Callable
from itertools import count, islice

from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, set_span_in_context
from tests.integration.instrumentation.conftest import GrpcPeer

from flashmm_instrumentation import BUY, MAKER, Bot, setup
from flashmm_instrumentation._extras import SYSTEM_METRICS
from flashmm_instrumentation._integrator import SECOND_NS, SpreadIntegrator

ROUNDS = 9
ORDERS = 300
ARRIVALS = 200
_NUMBERS = count()
"""No order has the id of one before."""
STAGES = ("receive", "decide", "risk_check", "sign", "submit", "ack")
LABELS = {"flashmm.venue": "sim", "flashmm.symbol": "BTCUSDT", "flashmm.side": "buy"}


class NoSpans(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans):  # noqa: ARG002 the exporter interface's, as below
        return SpanExportResult.SUCCESS


class NoLogs(LogRecordExporter):
    """Takes log records and forgets them."""

    def export(self, batch):  # noqa: ARG002
        return LogRecordExportResult.SUCCESS

    def shutdown(self):
        return

    def force_flush(self, timeout_millis=30_000):  # noqa: ARG002
        return True


def silent_bot() -> Bot:
    """A bot whose exporters are off."""
    for signal in ("TRACES", "METRICS", "LOGS"):
        os.environ[f"OTEL_{signal}_EXPORTER"] = "none"
    return setup(
        "bench", "bench", logging_level=None, instrument_asyncio=False, system_metrics=False, set_global=False
    )


class Stock:
    """The same order by the stock SDK: seven spans, eight measurements, three events; then a fill."""

    def __init__(self) -> None:
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(BatchSpanProcessor(NoSpans()))
        logs = LoggerProvider(shutdown_on_exit=False)
        logs.add_log_record_processor(BatchLogRecordProcessor(NoLogs()))
        view = View(instrument_type=Histogram, aggregation=ExponentialBucketHistogramAggregation())
        meters = MeterProvider([InMemoryMetricReader()], views=[view], shutdown_on_exit=False)
        meter = meters.get_meter("bench")
        self.tracer = traces.get_tracer("bench")
        self.logger = logs.get_logger("bench")
        self.stage = meter.create_histogram("flashmm.order.stage.duration", "s")
        self.duration = meter.create_histogram("flashmm.order.duration", "s")
        self.orders = meter.create_counter("flashmm.orders")
        self.fills = meter.create_counter("flashmm.fills")
        self.notional = meter.create_counter("flashmm.fill.notional")
        self.providers = (traces, logs, meters)

    def order(self, number: int) -> None:
        """Place and acknowledge."""
        root = self.tracer.start_span("order", Context(), attributes={**LABELS, "flashmm.order.id": f"o-{number}"})
        context = set_span_in_context(root, Context())
        self.event("flashmm.order", {"state": "pending"}, context, number)
        for name in STAGES:
            begin = time.time_ns()
            self.tracer.start_span(name, context).end()
            labels = {"flashmm.venue": "sim", "flashmm.symbol": "BTCUSDT", "flashmm.order.stage": name}
            self.stage.record((time.time_ns() - begin) / 1e9, labels, context)
        root.set_attribute("flashmm.order.outcome", "acked")
        root.end()
        self.duration.record(0.001, {**LABELS, "flashmm.order.outcome": "acked"}, context)
        self.orders.add(1, {**LABELS, "flashmm.order.outcome": "acked"}, context)
        self.event("flashmm.order", {"state": "acked"}, context, number)
        self._root = root

    def fill(self, number: int) -> None:
        """One execution of it."""
        context = set_span_in_context(self._root, Context())
        link = Link(self._root.get_span_context())
        attributes = {**LABELS, "flashmm.order.id": f"o-{number}"}
        self.tracer.start_span("fill", Context(), attributes=attributes, links=[link]).end()
        self.event("flashmm.fill", {"fill_id": f"f-{number}", "fee": "-0.01", "mid": "64000.15"}, context, number)
        self.event("flashmm.order", {"state": "filled"}, context, number)
        self.fills.add(1, {**LABELS, "flashmm.liquidity": "maker"}, context)
        self.notional.add(6400.0, {**LABELS, "flashmm.liquidity": "maker", "flashmm.currency": "USDT"}, context)

    def event(self, kind: str, more: dict[str, str], context: Context, number: int) -> None:
        """One log record with a body as large as ours."""
        body = {
            "venue": "sim",
            "symbol": "BTCUSDT",
            "order_id": f"o-{number}",
            "side": "buy",
            "price": "64000.1",
            "quantity": "0.1",
            "filled_quantity": "0",
            "arrival_mid": "64000.15",
            **more,
        }
        self.logger.emit(
            timestamp=time.time_ns(),
            context=context,
            severity_number=SeverityNumber.INFO,
            body=body,
            attributes={"event.name": kind, "flashmm.seq": number},
            event_name=kind,
        )

    def close(self) -> None:
        """Stop the threads."""
        for provider in self.providers:
            provider.shutdown()


def timed(action: Callable[[int], object], calls: int = ORDERS) -> tuple[float, float]:
    """Median wall and CPU µs of one call, over rounds; CPU is all threads'."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        for number in islice(_NUMBERS, calls):
            action(number)
        walls.append((time.perf_counter_ns() - wall) / calls / 1e3)
        cpus.append((time.process_time_ns() - cpu) / calls / 1e3)
    return statistics.median(walls), statistics.median(cpus)


def ours() -> list[tuple[str, tuple[float, float]]]:
    """Our calls, one by one."""
    with silent_bot() as bot:
        market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
        market.book("64000.1", 1, "64000.2", 1)

        def placed(number: int) -> object:
            market.book("64000.1", 1, "64000.2", 1)
            order = market.order(BUY, "64000.1", "0.1", f"o-{number}")
            order.decided()
            order.risk_checked()
            order.signed()
            order.submitted()
            order.acked()
            return order

        def filled(number: int) -> None:
            placed(number).filled(f"f-{number}", "64000.1", "0.1", "-0.01", "USDT", MAKER)

        return [
            ("order: 7 spans, 8 measurements, 2 events", timed(placed)),
            ("the same and its fill: 1 span, 3 measurements, 2 events more", timed(filled)),
            ("book, prices as str", timed(lambda _: market.book("64000.1", "1.5", "64000.2", "2.5"), 2_000)),
            ("book, prices as float", timed(lambda _: market.book(64000.1, 1.5, 64000.2, 2.5), 2_000)),
            ("quoting, prices as str", timed(lambda _: market.quoting("64000.1", "1", "64000.2", "1"), 2_000)),
            ("pnl", timed(lambda _: bot.pnl("USDT", 1.0, 2.0, 3.0, 4.0), 1_000)),
        ]


def stock() -> list[tuple[str, tuple[float, float]]]:
    """The stock SDK's."""
    sdk = Stock()

    def filled(number: int) -> None:
        sdk.order(number)
        sdk.fill(number)

    rows = [("stock SDK: the order", timed(sdk.order)), ("stock SDK: the order and its fill", timed(filled))]
    sdk.close()
    return rows


def integration() -> tuple[str, tuple[float, float]]:
    """What one update costs the ticker's thread once its second is closed."""
    tick = 10**17
    clock = [0]

    def second(_: int) -> None:
        integrator = SpreadIntegrator(tick, clock[0], 5 * SECOND_NS)
        for number in range(1_000):
            at_ns = clock[0] + number * 1_000_000
            integrator.book(at_ns, ((640_001 * tick, tick),), ((640_002 * tick + number % 3 * tick, tick),))
        integrator.finish(clock[0] + SECOND_NS)

    wall, cpu = timed(second, 3)
    return "integrator, an update taken in and closed", (wall / 1_000, cpu / 1_000)


def arrival() -> list[tuple[str, float]]:
    """From a call to the peer's hands, over gRPC on loopback: ms at the quantiles."""
    peer = GrpcPeer()
    peer.start()
    received, found = peer.received, []
    for signal in ("TRACES", "METRICS", "LOGS"):
        os.environ.pop(f"OTEL_{signal}_EXPORTER", None)
    settings = {"logging_level": None, "instrument_asyncio": False, "system_metrics": False, "set_global": False}
    with setup("bench", "bench", endpoint=peer.endpoint, **settings) as bot:
        for number in range(ARRIVALS):
            begin = time.perf_counter()
            bot.transfer("sim", f"t-{number}", 1, "USDT")
            received.wait(lambda wanted=number + 1: len(received.events("flashmm.transfer")) == wanted)
            found.append(1e3 * (time.perf_counter() - begin))
    peer.stop()
    cuts = statistics.quantiles(found, n=100)
    return [("p50", cuts[49]), ("p99", cuts[98])]


def collection(*, everything: bool) -> float:
    """CPU ms of one collection of the system's metrics."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    instrumentor = SystemMetricsInstrumentor(config=None if everything else SYSTEM_METRICS)
    instrumentor.instrument(meter_provider=meters)
    reader.get_metrics_data()
    begin = time.process_time_ns()
    for _ in range(ROUNDS):
        reader.get_metrics_data()
    spent = time.process_time_ns() - begin
    instrumentor.uninstrument()
    meters.shutdown()
    return spent / ROUNDS / 1e6


def main() -> None:
    """Print the table."""
    print(f"{'call':<64}{'wall µs':>9}{'CPU µs':>9}")
    for name, (wall, cpu) in [*ours(), *stock(), integration()]:
        print(f"{name:<64}{wall:>9.1f}{cpu:>9.1f}")
    for name, ms in arrival():
        print(f"{f'event, from the call to the peer, {name}':<64}{ms:>9.1f} ms")
    print(f"{'system metrics, a collection, CPU':<64}{collection(everything=False):>9.1f} ms")
    print(f"{'system metrics, the package default':<64}{collection(everything=True):>9.1f} ms")


if __name__ == "__main__":
    main()
