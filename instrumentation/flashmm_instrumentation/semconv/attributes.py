"""Attribute names and the closed sets of values that some of them take."""

from enum import StrEnum
from typing import Final

SERVICE_NAME: Final = "service.name"
SERVICE_NAMESPACE: Final = "service.namespace"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
DEPLOYMENT_ENVIRONMENT: Final = "deployment.environment.name"
NAMESPACE: Final = "flashmm"
"""The value of `service.namespace` for everything that this project emits."""

PROBE: Final = "doctor"
"""The value of `service.name` of probes of the path, which no list of bots shows."""

BOT: Final = "flashmm.bot"
ACCOUNT: Final = "flashmm.account"
RUN: Final = "flashmm.run"
"""A UUIDv7 for each process of a bot, new after a fork."""
DEMO_FEED: Final = "flashmm.demo.feed"
"""What market a paper bot trades on: `simulated`, `recorded` or `live`."""
SEQ: Final = "flashmm.seq"
"""1, 2, 3 … without a gap within a stream, which is (run, event kind)."""
EVENT_NAME: Final = "event.name"
"""The event kind again, as an attribute: some stores drop the log record's own field."""

VENUE: Final = "flashmm.venue"
SYMBOL: Final = "flashmm.symbol"
SIDE: Final = "flashmm.side"
LIQUIDITY: Final = "flashmm.liquidity"
ORDER_ID: Final = "flashmm.order.id"
"""On spans and events only, never on a metric: its values have no bound."""
ORDER_PRICE: Final = "flashmm.order.price"
ORDER_QUANTITY: Final = "flashmm.order.quantity"
"""As decimal strings, on the placement's root only: what was asked for at first."""
ORDER_OUTCOME: Final = "flashmm.order.outcome"
ORDER_STAGE: Final = "flashmm.order.stage"
CURRENCY: Final = "flashmm.currency"
MODEL: Final = "flashmm.model"
FEATURE: Final = "flashmm.feature"
REASON: Final = "flashmm.reason"
ERROR_TYPE: Final = "error.type"
METRIC: Final = "flashmm.metric"
"""A metric's name, where the telemetry is about another metric."""

# OpenTelemetry's own, on metrics of the telemetry pipeline.
OVERFLOW: Final = "otel.metric.overflow"
"""True on the one attribute set that holds what had too many."""
COMPONENT_NAME: Final = "otel.component.name"
COMPONENT_TYPE: Final = "otel.component.type"

# OpenTelemetry's own, on log records of the bot's ordinary logging.
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
CODE_FILE_PATH: Final = "code.file.path"
CODE_FUNCTION_NAME: Final = "code.function.name"
CODE_LINE_NUMBER: Final = "code.line.number"


class Side(StrEnum):
    """Which side of the book an order is on."""

    BUY = "buy"
    SELL = "sell"


class Liquidity(StrEnum):
    """Whether a fill added liquidity (maker) or took it (taker)."""

    MAKER = "maker"
    TAKER = "taker"


class Stage(StrEnum):
    """The stages of an order's way to the exchange: child spans and `flashmm.order.stage` values."""

    RECEIVE = "receive"
    DECIDE = "decide"
    RISK_CHECK = "risk_check"
    SIGN = "sign"
    SUBMIT = "submit"
    ACK = "ack"


class Outcome(StrEnum):
    """How the placement of an order ended: `flashmm.order.outcome`."""

    ACKED = "acked"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class OrderState(StrEnum):
    """The states that a `flashmm.order` event reports, one event for each transition."""

    PENDING = "pending"
    ACKED = "acked"
    REPLACED = "replaced"
    REPLACE_REJECTED = "replace_rejected"
    """An amend was refused; the order is what it was."""
    PART_FILLED = "part_filled"
    FILLED = "filled"
    CANCEL_PENDING = "cancel_pending"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class DropReason(StrEnum):
    """Why a record was dropped: `flashmm.reason` on `flashmm.records.dropped`."""

    QUEUE_FULL = "queue_full"
    QUEUE_BYTES = "queue_bytes"
    REFUSED = "refused"
    EXPORT_FAILED = "export_failed"
    CLOSED = "closed"
    INTERNAL_ERROR = "internal_error"
    GAP = "gap"


class MisuseReason(StrEnum):
    """What was wrong or doubtful with a call: `flashmm.reason` on `flashmm.misuse`."""

    BAD_VALUE = "bad_value"
    BAD_ARM = "bad_arm"
    BAD_CALL = "bad_call"
    BAD_HORIZON = "bad_horizon"
    BAD_ID = "bad_id"
    BAD_LIMIT = "bad_limit"
    BAD_QUANTITY = "bad_quantity"
    BAD_TIME = "bad_time"
    CLOCK_STEP = "clock_step"
    FUTURE_TIME = "future_time"
    HALF_A_LEVEL = "half_a_level"
    ILLEGAL_TRANSITION = "illegal_transition"
    LATE_STAGE = "late_stage"
    LATE_UPDATE = "late_update"
    ORDER_ID_IN_USE = "order_id_in_use"
    OVERFILLED = "overfilled"
    PRICE_OFF_TICK = "price_off_tick"
    QUANTITY_OFF_LOT = "quantity_off_lot"
    REPEATED_FILL = "repeated_fill"
    TOO_MANY_IN_DOUBT = "too_many_in_doubt"
    TOO_MANY_UPDATES = "too_many_updates"
    UNKNOWN_LIQUIDITY = "unknown_liquidity"
    UNKNOWN_PREDICTION = "unknown_prediction"
    UNKNOWN_SIDE = "unknown_side"
    UNSORTED_LEVELS = "unsorted_levels"


class StreamMark(StrEnum):
    """What a `flashmm.stream` event says of its run's streams."""

    OPEN = "open"
    MARK = "mark"
    CLOSE = "close"
