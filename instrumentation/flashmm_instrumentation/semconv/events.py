"""Every event kind: the typed body of an OTLP log record with an event name.

On the wire the body is a flat map. DECIMAL fields are strings such as "0.10"; TIME fields are integers, UTC
nanoseconds; a field that could not be derived is absent, never guessed. The log record's own time is the
event's time: the bot's local receive time.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FieldType(StrEnum):
    """How a field is typed in the ledger; DECIMAL holds up to 20 digits before the point and 18 after it."""

    STRING = "string"
    INT = "int"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOL = "bool"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event body. `unit` is empty where the type says all."""

    name: str
    type: FieldType
    description: str
    required: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class EventKind:
    """One event kind with the fields of its body, in order. Changes are additive."""

    name: str
    description: str
    fields: tuple[Field, ...]

    @property
    def table(self) -> str:
        """The kind's name as one word: `flashmm.spread.sample` → `spread_sample`."""
        return self.name.removeprefix("flashmm.").replace(".", "_")


def _string(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, FieldType.STRING, description, required)


def _decimal(name: str, description: str, *, required: bool = False, unit: str = "") -> Field:
    return Field(name, FieldType.DECIMAL, description, required, unit)


def _int(name: str, description: str, *, required: bool = False, unit: str = "") -> Field:
    return Field(name, FieldType.INT, description, required, unit)


def _float(name: str, description: str, *, required: bool = False, unit: str = "") -> Field:
    return Field(name, FieldType.FLOAT, description, required, unit)


def _bool(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, FieldType.BOOL, description, required)


def _time(name: str, description: str, *, required: bool = False) -> Field:
    return Field(name, FieldType.TIME, description, required, "ns")


_VENUE: Final = _string("venue", "Exchange.", required=True)
_SYMBOL: Final = _string("symbol", "Instrument on that exchange.", required=True)
_ORDER_ID: Final = _string("order_id", "The bot's own (client) order id, unique within the account.", required=True)
_SIDE: Final = _string("side", "`buy` or `sell`.", required=True)

INSTRUMENT: Final = EventKind(
    "flashmm.instrument",
    "What is traded; emitted when a market is bound and again when it changes.",
    (
        _VENUE,
        _SYMBOL,
        _decimal("tick", "Smallest price step.", required=True),
        _decimal("lot", "Smallest quantity step.", required=True),
        _decimal(
            "multiplier",
            "Contract multiplier: base units (linear) or quote units (inverse) per contract.",
            required=True,
        ),
        _bool("inverse", "True for contracts settled in the base currency.", required=True),
        _string("base", "Base currency.", required=True),
        _string("quote", "Quote currency.", required=True),
        _string("settle", "Settlement currency.", required=True),
    ),
)
ORDER: Final = EventKind(
    "flashmm.order",
    "One transition of an order.",
    (
        _VENUE,
        _SYMBOL,
        _ORDER_ID,
        _string("exchange_order_id", "The exchange's id, once known."),
        _string(
            "state", "The state entered, or `replace_rejected`, which changes none; see OrderState.", required=True
        ),
        _SIDE,
        _decimal("price", "Limit price.", unit="quote"),
        _decimal("quantity", "Ordered quantity.", unit="base or contracts"),
        _decimal("filled_quantity", "Filled so far.", unit="base or contracts"),
        _string("reason", "Why, for rejections, cancels and unknowns."),
        _decimal(
            "arrival_mid",
            "Mid when the tick that the order answers arrived; absent when the book had none.",
            unit="quote",
        ),
        _time("exchange_time_ns", "The exchange's own time of the transition."),
    ),
)
FILL: Final = EventKind(
    "flashmm.fill",
    "One execution of one of our orders.",
    (
        _VENUE,
        _SYMBOL,
        _string("fill_id", "The execution's id, unique within venue and account.", required=True),
        _ORDER_ID,
        _string("trade_id", "The public trade's id, where the venue tells it."),
        _SIDE,
        _decimal("price", "Execution price.", required=True, unit="quote"),
        _decimal("quantity", "Executed quantity, positive.", required=True, unit="base or contracts"),
        _string("liquidity", "`maker` or `taker`.", required=True),
        _decimal("fee", "Fee, negative when paid, positive when rebated.", required=True, unit="fee_currency"),
        _string("fee_currency", "Currency of the fee.", required=True),
        _decimal("mid", "Mid at the fill; absent when the book had none: stale, one-sided or crossed.", unit="quote"),
        _time("exchange_time_ns", "The exchange's own time of the execution."),
    ),
)
SPREAD_SAMPLE: Final = EventKind(
    "flashmm.spread.sample",
    "Exact time integrals of the spreads over one second of one market, stamped with the second's end. A spread "
    "as a fraction of the mid is the ratio of a spread integral to the mid integral over the same nanoseconds. "
    "Every nanosecond is in exactly one of valid_ns, stale_ns, one_sided_ns and crossed_ns, which add up to "
    "duration_ns. A sample is shorter than a second where the market was bound or closed, or its assignment changed. "
    "An integral over no time is absent.",
    (
        _VENUE,
        _SYMBOL,
        _time("start_ns", "Begin of the second.", required=True),
        _int("duration_ns", "Length of the sample.", required=True, unit="ns"),
        _int("valid_ns", "Book known, two-sided, not crossed, not stale.", required=True, unit="ns"),
        _int("quoting_ns", "We quoted at least one side.", required=True, unit="ns"),
        _int(
            "two_sided_ns",
            "Valid, and our bid and ask both in the book: neither is better than the book's best.",
            required=True,
            unit="ns",
        ),
        _int("at_best_ns", "Two-sided, and our bid or ask at the market's best.", required=True, unit="ns"),
        _int(
            "one_tick_ns",
            "Valid, and the market's spread (with all orders) is one tick.",
            required=True,
            unit="ns",
        ),
        _int(
            "unknown_ns",
            "Valid, but the market without us is not derivable: the known levels end, or an answer is awaited.",
            required=True,
            unit="ns",
        ),
        _decimal("own_spread_integral", "Our ask less our bid, over two_sided_ns less unknown_ns.", unit="quote·ns"),
        _decimal(
            "market_spread_integral",
            "The market's spread without our orders, over the same nanoseconds.",
            unit="quote·ns",
        ),
        _decimal(
            "total_spread_integral",
            "The market's spread with all orders, over the same nanoseconds.",
            unit="quote·ns",
        ),
        _decimal("mid_integral", "The mid, over the same nanoseconds.", unit="quote·ns"),
        _int(
            "paired_ns",
            "Those nanoseconds: two-sided and the market without us derivable.",
            required=True,
            unit="ns",
        ),
        _decimal(
            "market_spread_integral_valid",
            "The market's spread without our orders, over valid_ns less unknown_ns.",
            unit="quote·ns",
        ),
        _decimal(
            "total_spread_integral_valid",
            "The market's spread with all orders, over valid_ns.",
            unit="quote·ns",
        ),
        _decimal("mid_integral_valid", "The mid, over valid_ns.", unit="quote·ns"),
        _decimal("mid_integral_known", "The mid, over valid_ns less unknown_ns.", unit="quote·ns"),
        _decimal("own_spread_integral_two_sided", "Our ask less our bid, over two_sided_ns.", unit="quote·ns"),
        _decimal("mid_integral_two_sided", "The mid, over two_sided_ns.", unit="quote·ns"),
        _decimal(
            "depth_spread_integral",
            "Ask less bid of the levels at which the fixed notional is reached, with all orders, over depth_ns.",
            unit="quote·ns",
        ),
        _int("depth_ns", "Valid, and the known book held the fixed notional on both sides.", unit="ns"),
        _decimal("depth_notional", "The fixed notional.", unit="quote"),
        _decimal("bid", "Best bid at the second's end.", unit="quote"),
        _decimal("ask", "Best ask at the second's end.", unit="quote"),
        _decimal("own_bid", "Our best bid at the second's end.", unit="quote"),
        _decimal("own_ask", "Our best ask at the second's end.", unit="quote"),
        _decimal("own_volume", "Quantity that we traded.", required=True, unit="base or contracts"),
        _decimal("market_volume", "Quantity that the market traded.", required=True, unit="base or contracts"),
        _int("trades", "Public trades.", required=True),
        _int("updates", "Book updates.", required=True),
        _int("reordered", "Book updates refused because they were older than the last.", required=True),
        _string("assignment_id", "The switchback assignment in force, if an experiment runs."),
        _int("crossed_ns", "Fresh and two-sided, but crossed or locked.", required=True, unit="ns"),
        _int(
            "stale_ns",
            "No book update for longer than the staleness limit, whatever the last book was.",
            required=True,
            unit="ns",
        ),
        _int("one_sided_ns", "Fresh, but with one side or none.", required=True, unit="ns"),
    ),
)
POSITION: Final = EventKind(
    "flashmm.position",
    "A position or balance as the exchange reports it, to reconcile with.",
    (
        _VENUE,
        _SYMBOL,
        _decimal("quantity", "Signed position.", required=True, unit="base or contracts"),
        _decimal("average_price", "Average entry price.", unit="quote"),
        _decimal("balance", "Balance of the settlement currency.", unit="currency"),
        _string("currency", "Settlement currency."),
        _time("exchange_time_ns", "The exchange's own time."),
    ),
)
FUNDING: Final = EventKind(
    "flashmm.funding",
    "A funding payment.",
    (
        _VENUE,
        _SYMBOL,
        _decimal("amount", "Negative when paid, positive when received.", required=True, unit="currency"),
        _string("currency", "Currency of the amount.", required=True),
        _decimal("rate", "Funding rate.", unit="1"),
        _decimal("position", "Position that it was computed on.", unit="base or contracts"),
        _time("exchange_time_ns", "The exchange's own time."),
    ),
)
TRANSFER: Final = EventKind(
    "flashmm.transfer",
    "A deposit, withdrawal or internal transfer: not performance.",
    (
        _VENUE,
        _string("transfer_id", "The exchange's id.", required=True),
        _decimal("amount", "Negative when it left the account.", required=True, unit="currency"),
        _string("currency", "Currency of the amount.", required=True),
        _time("exchange_time_ns", "The exchange's own time."),
    ),
)
PREDICTION: Final = EventKind(
    "flashmm.prediction",
    "What a model said.",
    (
        _VENUE,
        _SYMBOL,
        _string("model", "Model name.", required=True),
        _string("prediction_id", "Unique within the run.", required=True),
        _int("horizon_ns", "How far ahead.", required=True, unit="ns"),
        _float("value", "The predicted value, in the model's unit.", required=True),
    ),
)
OUTCOME: Final = EventKind(
    "flashmm.outcome",
    "What came true of a prediction.",
    (
        _VENUE,
        _SYMBOL,
        _string("model", "Model name.", required=True),
        _string("prediction_id", "The prediction it answers.", required=True),
        _float("value", "The value that came, in the model's unit.", required=True),
    ),
)
ASSIGNMENT: Final = EventKind(
    "flashmm.assignment",
    "Which arm a switchback experiment is in from now on.",
    (
        _VENUE,
        _SYMBOL,
        _string("experiment", "Experiment name.", required=True),
        _string("assignment_id", "Unique within the experiment.", required=True),
        _string("arm", "`on` or `off`.", required=True),
        _time("start_ns", "Begin of the assignment.", required=True),
        _time("planned_end_ns", "When the next is planned."),
    ),
)
STREAM: Final = EventKind(
    "flashmm.stream",
    "A stream mark: shows a lost tail. Its own sequence numbers run like those of any kind.",
    (
        _string("mark", "`open`, `mark` or `close`.", required=True),
        _string("kind", "The event kind whose stream is marked; absent in `open`."),
        _int("high_water", "The last sequence number given out in that stream."),
        _string("previous_run", "In `open`: the bot's previous run, where known."),
    ),
)

EVENT_KINDS: Final[dict[str, EventKind]] = {
    value.name: value for value in list(globals().values()) if isinstance(value, EventKind)
}
"""By name, in the order of this file."""
