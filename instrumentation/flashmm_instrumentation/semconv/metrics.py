"""Every metric that a bot emits: name, instrument, unit, meaning, attributes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from flashmm_instrumentation.semconv import attributes as attr


class Instrument(StrEnum):
    """OpenTelemetry instruments, as far as the registry uses them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    UP_DOWN_COUNTER = "up-down counter"
    HISTOGRAM = "histogram"
    """Always aggregated into a base-2 exponential histogram."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `unit` is UCUM; `{currency}` means the unit is in the currency attribute."""

    name: str
    instrument: Instrument
    unit: str
    description: str
    attributes: tuple[str, ...] = ()


_MARKET: Final = (attr.VENUE, attr.SYMBOL)

ORDER_DURATION: Final = Metric(
    "flashmm.order.duration",
    Instrument.HISTOGRAM,
    "s",
    "Time from the tick an order answers to its acknowledgement, rejection or time-out.",
    (*_MARKET, attr.SIDE, attr.ORDER_OUTCOME),
)
ORDER_STAGE_DURATION: Final = Metric(
    "flashmm.order.stage.duration",
    Instrument.HISTOGRAM,
    "s",
    "Time that an order spent in one stage of its placement.",
    (*_MARKET, attr.ORDER_STAGE),
)
ORDER_LIFETIME: Final = Metric(
    "flashmm.order.lifetime",
    Instrument.HISTOGRAM,
    "s",
    "Time from acknowledgement to the order's end: filled, cancelled or expired.",
    (*_MARKET, attr.SIDE),
)
ORDERS: Final = Metric(
    "flashmm.orders",
    Instrument.COUNTER,
    "{order}",
    "Orders whose placement ended, by outcome.",
    (*_MARKET, attr.SIDE, attr.ORDER_OUTCOME),
)
FILLS: Final = Metric("flashmm.fills", Instrument.COUNTER, "{fill}", "Fills.", (*_MARKET, attr.SIDE, attr.LIQUIDITY))
FILL_NOTIONAL: Final = Metric(
    "flashmm.fill.notional",
    Instrument.COUNTER,
    "{currency}",
    "Traded notional of our fills.",
    (*_MARKET, attr.SIDE, attr.LIQUIDITY, attr.CURRENCY),
)
QUOTE_SPREAD: Final = Metric(
    "flashmm.quote.spread",
    Instrument.GAUGE,
    "1",
    "Our quoted spread over the mid, time-weighted over the last complete second in which we quoted both sides.",
    _MARKET,
)
MARKET_SPREAD: Final = Metric(
    "flashmm.market.spread",
    Instrument.GAUGE,
    "1",
    "The market's spread over the mid without our own orders, time-weighted over the last complete second.",
    _MARKET,
)
QUOTE_UPTIME: Final = Metric(
    "flashmm.quote.uptime",
    Instrument.GAUGE,
    "1",
    "Share of the last complete second in which we quoted both sides, and a book told so: not while it was stale, "
    "crossed or one-sided, nor while our quote was ahead of it.",
    _MARKET,
)
PAIRED_TIME: Final = Metric(
    "flashmm.paired.time",
    Instrument.COUNTER,
    "s",
    "Time in which we quoted both sides and the market without us was known.",
    _MARKET,
)
PAIRED_QUOTE_SPREAD: Final = Metric(
    "flashmm.paired.quote_spread",
    Instrument.COUNTER,
    "s",
    "Our quoted spread over the mid, integrated over the paired time: its increase by that time's is the mean.",
    _MARKET,
)
PAIRED_MARKET_SPREAD: Final = Metric(
    "flashmm.paired.market_spread",
    Instrument.COUNTER,
    "s",
    "The market's spread over the mid without our own orders, integrated over the same paired time.",
    _MARKET,
)
PNL_REALIZED: Final = Metric(
    "flashmm.pnl.realized",
    Instrument.GAUGE,
    "{currency}",
    "Realized profit and loss since the run began, before fees and funding.",
    (attr.CURRENCY,),
)
PNL_UNREALIZED: Final = Metric(
    "flashmm.pnl.unrealized",
    Instrument.GAUGE,
    "{currency}",
    "Profit and loss of the open position at the mid.",
    (attr.CURRENCY,),
)
PNL_FEES: Final = Metric(
    "flashmm.pnl.fees",
    Instrument.GAUGE,
    "{currency}",
    "Fees since the run began: negative when paid, positive when rebated.",
    (attr.CURRENCY,),
)
PNL_FUNDING: Final = Metric(
    "flashmm.pnl.funding",
    Instrument.GAUGE,
    "{currency}",
    "Funding since the run began: negative when paid, positive when received.",
    (attr.CURRENCY,),
)
MODEL_INFERENCE_DURATION: Final = Metric(
    "flashmm.model.inference.duration",
    Instrument.HISTOGRAM,
    "s",
    "Time a model took for one prediction.",
    (attr.MODEL,),
)
MODEL_ACCURACY: Final = Metric(
    "flashmm.model.accuracy",
    Instrument.GAUGE,
    "1",
    "Share of the predictions of the model's recent window whose direction came true.",
    (attr.MODEL, attr.SYMBOL),
)
MODEL_DRIFT: Final = Metric(
    "flashmm.model.drift",
    Instrument.GAUGE,
    "1",
    "Population stability index of a feature or of the prediction against its reference window.",
    (attr.MODEL, attr.FEATURE),
)
INVENTORY_POSITION: Final = Metric(
    "flashmm.inventory.position",
    Instrument.GAUGE,
    "{base}",
    "Signed position in the instrument's base currency or contracts.",
    _MARKET,
)
INVENTORY_UTILIZATION: Final = Metric(
    "flashmm.inventory.utilization",
    Instrument.GAUGE,
    "1",
    "Absolute position as a fraction of its limit.",
    _MARKET,
)
RISK_VAR: Final = Metric(
    "flashmm.risk.var",
    Instrument.GAUGE,
    "{currency}",
    "Value at risk as the bot computes it, a positive loss.",
    (attr.CURRENCY,),
)
RISK_EXPOSURE: Final = Metric(
    "flashmm.risk.exposure",
    Instrument.GAUGE,
    "{currency}",
    "Absolute notional of the open positions.",
    (attr.CURRENCY,),
)
RISK_EXPOSURE_LIMIT: Final = Metric(
    "flashmm.risk.exposure.limit",
    Instrument.GAUGE,
    "{currency}",
    "The limit on the exposure.",
    (attr.CURRENCY,),
)
ERRORS: Final = Metric(
    "flashmm.errors", Instrument.COUNTER, "{error}", "Errors that the bot reports.", (attr.ERROR_TYPE,)
)
CLOCK_OFFSET: Final = Metric(
    "flashmm.clock.offset",
    Instrument.GAUGE,
    "s",
    "The exchange's clock less the bot's, at the last message: network delay lowers it.",
    (attr.VENUE,),
)
RECORDS_DROPPED: Final = Metric(
    "flashmm.records.dropped",
    Instrument.COUNTER,
    "{record}",
    "Telemetry records dropped before export, by reason.",
    (attr.REASON,),
)
MISUSE: Final = Metric(
    "flashmm.misuse",
    Instrument.COUNTER,
    "{call}",
    "Calls of the instrumentation that made no sense or were doubtful, by reason.",
    (attr.REASON,),
)
QUEUE_DEPTH: Final = Metric(
    "flashmm.queue.depth",
    Instrument.GAUGE,
    "{record}",
    "Telemetry records waiting in the bot to be exported.",
)
EXPORT_LAG: Final = Metric(
    "flashmm.export.lag", Instrument.GAUGE, "s", "Age of the oldest telemetry record not yet exported."
)

METRIC_OVERFLOW: Final = Metric(
    "flashmm.metric.overflow",
    Instrument.COUNTER,
    "{measurement}",
    "Measurements folded into the attribute set `otel.metric.overflow`, because their metric has 2,000 sets already.",
    (attr.METRIC,),
)

# OpenTelemetry's semantic conventions for SDKs; error.type on what failed alone.

_COMPONENT: Final = (attr.COMPONENT_NAME, attr.COMPONENT_TYPE)


def _done(what: str, unit: str, part: str, description: str) -> Metric:
    return Metric(
        f"otel.sdk.{part}", Instrument.COUNTER, unit, f"{what} {description}", (*_COMPONENT, attr.ERROR_TYPE)
    )


def _queue(what: str, unit: str, description: str) -> Metric:
    return Metric(f"otel.sdk.processor.{what}", Instrument.UP_DOWN_COUNTER, unit, description, _COMPONENT)


_EXPORTED: Final = "that an exporter is done with; with error.type, that the peer did not take."
_PROCESSED: Final = "that a pump is done with; with error.type, that it dropped."

SDK_SPAN_EXPORTED: Final = _done("Spans", "{span}", "exporter.span.exported", _EXPORTED)
SDK_LOG_EXPORTED: Final = _done("Log records and events", "{log_record}", "exporter.log.exported", _EXPORTED)
SDK_POINT_EXPORTED: Final = _done("Points", "{data_point}", "exporter.metric_data_point.exported", _EXPORTED)
SDK_EXPORT_DURATION: Final = Metric(
    "otel.sdk.exporter.operation.duration",
    Instrument.HISTOGRAM,
    "s",
    "Time that one export took, with the exporter's own attempts.",
    (*_COMPONENT, attr.ERROR_TYPE),
)
SDK_SPAN_PROCESSED: Final = _done("Spans", "{span}", "processor.span.processed", _PROCESSED)
SDK_LOG_PROCESSED: Final = _done("Log records and events", "{log_record}", "processor.log.processed", _PROCESSED)
SDK_SPAN_QUEUE_SIZE: Final = _queue("span.queue.size", "{span}", "Spans that wait.")
SDK_SPAN_QUEUE_CAPACITY: Final = _queue("span.queue.capacity", "{span}", "Spans that may wait.")
SDK_LOG_QUEUE_SIZE: Final = _queue("log.queue.size", "{log_record}", "Log records or events that wait.")
SDK_LOG_QUEUE_CAPACITY: Final = _queue("log.queue.capacity", "{log_record}", "Log records or events that may wait.")

SDK_EXPORTED: Final = {"span": SDK_SPAN_EXPORTED, "log": SDK_LOG_EXPORTED, "metric_data_point": SDK_POINT_EXPORTED}
SDK_PROCESSED: Final = {"span": SDK_SPAN_PROCESSED, "log": SDK_LOG_PROCESSED}
SDK_QUEUES: Final = {
    "span": (SDK_SPAN_QUEUE_SIZE, SDK_SPAN_QUEUE_CAPACITY),
    "log": (SDK_LOG_QUEUE_SIZE, SDK_LOG_QUEUE_CAPACITY),
}

METRICS: Final[tuple[Metric, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of the above, in the order of this file."""
