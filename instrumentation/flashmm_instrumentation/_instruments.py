"""The registry's instruments, made on a meter."""

from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation
from opentelemetry.metrics import _Gauge as Gauge  # pyright: ignore[reportPrivateUsage] its only public name

from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import metrics as names
from flashmm_instrumentation.semconv.attributes import DropReason, MisuseReason
from flashmm_instrumentation.semconv.metrics import Metric


class Instruments:
    """One attribute for each metric that the handles record."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.order_duration: Final = self._histogram(names.ORDER_DURATION)
        self.order_stage_duration: Final = self._histogram(names.ORDER_STAGE_DURATION)
        self.order_lifetime: Final = self._histogram(names.ORDER_LIFETIME)
        self.orders: Final = self._counter(names.ORDERS)
        self.fills: Final = self._counter(names.FILLS)
        self.fill_notional: Final = self._counter(names.FILL_NOTIONAL)
        self.quote_spread: Final = self._gauge(names.QUOTE_SPREAD)
        self.market_spread: Final = self._gauge(names.MARKET_SPREAD)
        self.quote_uptime: Final = self._gauge(names.QUOTE_UPTIME)
        self.paired_time: Final = self._counter(names.PAIRED_TIME)
        self.paired_quote_spread: Final = self._counter(names.PAIRED_QUOTE_SPREAD)
        self.paired_market_spread: Final = self._counter(names.PAIRED_MARKET_SPREAD)
        self.pnl_realized: Final = self._gauge(names.PNL_REALIZED)
        self.pnl_unrealized: Final = self._gauge(names.PNL_UNREALIZED)
        self.pnl_fees: Final = self._gauge(names.PNL_FEES)
        self.pnl_funding: Final = self._gauge(names.PNL_FUNDING)
        self.inference_duration: Final = self._histogram(names.MODEL_INFERENCE_DURATION)
        self.model_accuracy: Final = self._gauge(names.MODEL_ACCURACY)
        self.model_drift: Final = self._gauge(names.MODEL_DRIFT)
        self.inventory_position: Final = self._gauge(names.INVENTORY_POSITION)
        self.inventory_utilization: Final = self._gauge(names.INVENTORY_UTILIZATION)
        self.risk_var: Final = self._gauge(names.RISK_VAR)
        self.risk_exposure: Final = self._gauge(names.RISK_EXPOSURE)
        self.risk_exposure_limit: Final = self._gauge(names.RISK_EXPOSURE_LIMIT)
        self.errors: Final = self._counter(names.ERRORS)
        self.clock_offset: Final = self._gauge(names.CLOCK_OFFSET)
        self._dropped: Final = self._counter(names.RECORDS_DROPPED)
        self._misuse: Final = self._counter(names.MISUSE)
        self._overflow: Final = self._counter(names.METRIC_OVERFLOW)

    def dropped(self, reason: DropReason, records: int) -> None:
        """Count records dropped for a reason."""
        self._dropped.add(records, {attr.REASON: reason.value})

    def misused(self, reason: MisuseReason, calls: int = 1) -> None:
        """Count doubtful calls."""
        self._misuse.add(calls, {attr.REASON: reason.value})

    def overflowed(self, metric: str) -> None:
        """Count a measurement whose attributes were folded."""
        self._overflow.add(1, {attr.METRIC: metric})

    def observe_queue(self, depth: Callable[[], int], lag_s: Callable[[], float]) -> None:
        """Report the queues' depth and lag at each collection."""
        self._observed(names.QUEUE_DEPTH, depth)
        self._observed(names.EXPORT_LAG, lag_s)

    def _observed(self, metric: Metric, read: Callable[[], float]) -> None:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            yield Observation(read())

        self._meter.create_observable_gauge(metric.name, [observe], metric.unit, metric.description)

    def _counter(self, metric: Metric) -> Counter:
        return self._meter.create_counter(metric.name, metric.unit, metric.description)

    def _gauge(self, metric: Metric) -> Gauge:
        return self._meter.create_gauge(metric.name, metric.unit, metric.description)

    def _histogram(self, metric: Metric) -> Histogram:
        return self._meter.create_histogram(metric.name, metric.unit, metric.description)
