"""Whole runs of the bot on deterministic time: what it emits agrees with its books, and those with the exchange's."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import pytest

from flashmm_demo import DemoSettings
from flashmm_demo._messages import Message, Reset
from flashmm_demo._session import Session, open_venue
from flashmm_demo.feeds import Feed
from flashmm_instrumentation.semconv.attributes import OrderState, Outcome
from flashmm_instrumentation.testing import Capture, ManualClock, capture

from .conftest import RECORDING

SECOND_NS = 1_000_000_000
OUTCOMES = [outcome.value for outcome in Outcome]


class ClockedFeed:
    """A feed that moves the telemetry's clock along, and lets its seconds pass."""

    def __init__(self, feed: Feed, captured: Capture, extra: dict[int, Message] | None = None) -> None:
        self._feed = feed
        self._captured = captured
        self._extra = extra or {}
        self._count = 0

    async def next(self, until_ns: int) -> Message | None:
        self._count += 1
        message = self._extra.pop(self._count, None) or await self._feed.next(until_ns)
        self._move(until_ns if message is None else message.received_ns)
        return message

    async def __aenter__(self) -> "ClockedFeed":
        await self._feed.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._feed.__aexit__(kind, error, trace)

    def _move(self, now_ns: int) -> None:
        clock = self._captured.clock
        second = clock.now_ns() // SECOND_NS
        clock.advance(ns=max(0, now_ns - clock.now_ns()))
        if clock.now_ns() // SECOND_NS != second:
            self._captured.bot.tick()


async def run(captured: Capture, settings: DemoSettings, extra: dict[int, Message] | None = None) -> Session:
    venue = open_venue(settings, captured.bot.now_ns)
    venue = replace(venue, feed=ClockedFeed(venue.feed, captured, extra))
    session = Session(settings, captured.bot, venue)
    await session.run()
    return session


@pytest.fixture
def captured() -> Iterator[Capture]:
    """A bot whose telemetry stays in memory; misuse raises."""
    with capture(clock=ManualClock(1_700_000_000 * SECOND_NS)) as kept:
        yield kept


def settings(tmp_path: Path, **more: object) -> DemoSettings:
    return replace(
        DemoSettings(speed=None, shift=False, duration_s=90.0, arm_s=10.0, warmup_s=5.0, books=tmp_path / "books"),
        **more,
    )


def books(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "books").read_text())


def outcomes(captured: Capture) -> dict[str, int]:
    """Placements by outcome, both sides together, as the counter has them."""
    counted: Counter[str] = Counter()
    for point in captured.metrics()["flashmm.orders"].data.data_points:
        counted[point.attributes["flashmm.order.outcome"]] += point.value
    return dict(counted)


def gauge(captured: Capture, name: str) -> float:
    return captured.metrics()[name].data.data_points[-1].value


@pytest.mark.parametrize("feed", ["simulated", f"file:{RECORDING}"])
async def test_telemetry_the_bots_books_and_the_exchanges_agree_exactly(
    captured: Capture, tmp_path: Path, feed: str
) -> None:
    """Fills emitted = fills booked = fills executed; P&L recomputed from the events equals the books to the digit."""
    await run(captured, settings(tmp_path, feed=feed, inventory_limit=4))
    told = books(tmp_path)
    symbol = told["symbols"]["BTCUSDT"]
    fills = [event.body for event in captured.events("flashmm.fill")]
    assert len(fills) == symbol["fills"] == symbol["exchange"]["executions"] > 10
    signed = [(1 if fill["side"] == "buy" else -1, fill) for fill in fills]
    position = sum(sign * Decimal(fill["quantity"]) for sign, fill in signed)
    cash = -sum(sign * Decimal(fill["quantity"]) * Decimal(fill["price"]) for sign, fill in signed)
    fees = sum(Decimal(fill["fee"]) for fill in fills)
    assert (position, cash, fees) == tuple(Decimal(symbol[name]) for name in ("position", "cash", "fees"))
    assert (position, cash, fees) == tuple(Decimal(symbol["exchange"][n]) for n in ("position", "cash", "fees"))
    assert abs(position) <= Decimal("0.005") * 4
    profit = Decimal(told["realized"]) + Decimal(told["unrealized"])
    assert profit == cash + position * Decimal(symbol["mid"])
    assert gauge(captured, "flashmm.pnl.realized") == float(told["realized"])
    assert gauge(captured, "flashmm.pnl.unrealized") == float(told["unrealized"])
    assert gauge(captured, "flashmm.pnl.fees") == float(told["fees"])
    assert gauge(captured, "flashmm.inventory.position") == float(position)


async def test_every_order_has_its_stages_and_an_end(captured: Capture, tmp_path: Path) -> None:
    """No order is left open; each placement went through all stages; the books count them alike."""
    await run(captured, settings(tmp_path, reject_probability=0.05, loss_probability=0.05))
    last: dict[object, object] = {}
    states: Counter[object] = Counter()
    for event in captured.events("flashmm.order"):
        last[event.body["order_id"]] = event.body["state"]
        states[event.body["state"]] += 1
    assert set(last.values()) <= {"filled", "cancelled", "rejected", "expired"}
    names = Counter(span.name for span in captured.spans())
    assert len(last) == names["order"] == names["decide"] == names["risk_check"] == names["sign"] == names["submit"]
    counted = books(tmp_path)["orders"]
    assert outcomes(captured) == {name: counted[name] for name in OUTCOMES if counted.get(name)}
    assert states["replaced"] == counted["replaced"] > 0
    assert names["amend"] == counted["replaced"] + counted.get("amend_failed", 0)
    assert names["cancel"] == states["cancelled"] == counted["cancelled"] > 0


async def test_every_state_of_an_order_occurs_within_minutes(captured: Capture, tmp_path: Path) -> None:
    """With the default rates; what is unknown is resolved, one way or another, and nothing illegal is told.

    But for `replace_rejected`: the exchange refuses amends of orders alone that have ended.
    """
    await run(captured, settings(tmp_path, duration_s=300.0, arm_s=30.0))
    by_order: dict[object, list[object]] = {}
    for event in captured.events("flashmm.order"):
        by_order.setdefault(event.body["order_id"], []).append(event.body["state"])
    assert {state for states in by_order.values() for state in states} == set(OrderState) - {
        OrderState.REPLACE_REJECTED
    }
    followed = {pair for states in by_order.values() for pair in pairwise(states)}
    assert len({after for before, after in followed if before == "unknown"}) >= 2
    assert "flashmm.misuse" not in captured.metrics()


@pytest.mark.parametrize("feed", ["simulated", f"file:{RECORDING}"])
async def test_the_books_stay_exact_when_most_answers_are_lost(captured: Capture, tmp_path: Path, feed: str) -> None:
    """Fills of orders that the bot isn't sure of are booked like all others."""
    await run(captured, settings(tmp_path, feed=feed, loss_probability=0.6, answer_timeout_ms=200.0))
    told = books(tmp_path)["symbols"]["BTCUSDT"]
    fills = [event.body for event in captured.events("flashmm.fill")]
    assert len(fills) == told["fills"] == told["exchange"]["executions"] > 0
    assert all(told[part] == told["exchange"][part] for part in ("position", "cash", "fees"))
    states = Counter(event.body["state"] for event in captured.events("flashmm.order"))
    assert states["filled"] == books(tmp_path)["orders"]["filled"]
    assert "flashmm.misuse" not in captured.metrics()


async def test_the_off_arm_does_not_quote_and_the_on_arm_does(captured: Capture, tmp_path: Path) -> None:
    """Assignments are emitted as they begin; samples carry them; both arms occur."""
    await run(captured, settings(tmp_path))
    arms = {event.body["assignment_id"]: event.body["arm"] for event in captured.events("flashmm.assignment")}
    assert set(arms.values()) == {"on", "off"}
    quoting = {"on": 0, "off": 0}
    length = {"on": 0, "off": 0}
    for event in captured.events("flashmm.spread.sample"):
        if "assignment_id" in event.body:
            arm = arms[event.body["assignment_id"]]
            quoting[arm] += event.body["quoting_ns"]
            length[arm] += event.body["duration_ns"]
    assert quoting["on"] > 0.8 * length["on"]
    assert quoting["off"] < 0.02 * length["off"]


async def test_predictions_have_outcomes_and_the_quotes_tighten_the_market(captured: Capture, tmp_path: Path) -> None:
    """One outcome a prediction but for the last ones; our spread is below the market's without us."""
    await run(captured, settings(tmp_path))
    predicted = [event.body["prediction_id"] for event in captured.events("flashmm.prediction")]
    came = [event.body["prediction_id"] for event in captured.events("flashmm.outcome")]
    assert len(predicted) - 5 <= len(came) <= len(predicted)
    assert came == predicted[: len(came)]
    assert 0 < gauge(captured, "flashmm.model.accuracy") <= 1
    assert gauge(captured, "flashmm.risk.exposure.limit") > 0
    samples = [event.body for event in captured.events("flashmm.spread.sample")]
    own = sum(Decimal(sample.get("own_spread_integral", "0")) for sample in samples)
    market = sum(Decimal(sample.get("market_spread_integral", "0")) for sample in samples)
    assert 0 < own < market


async def test_two_runs_with_a_seed_are_equal(tmp_path: Path) -> None:
    """Books and every event's body, with only the run's id between them."""
    seen: list[tuple[object, ...]] = []
    for _ in range(2):
        with capture(clock=ManualClock(1_700_000_000 * SECOND_NS)) as kept:
            await run(kept, settings(tmp_path, duration_s=30.0))
            bodies = [(event.kind, event.time_ns, dict(event.body)) for event in kept.events("flashmm.fill")]
            seen.append((books(tmp_path), bodies))
    assert seen[0] == seen[1]


async def test_losing_sight_of_the_market_cancels_everything(captured: Capture, tmp_path: Path) -> None:
    """After a reset no order rests until the book is known again."""
    reset = Reset("BTCUSDT", 1_700_000_030 * SECOND_NS, "connection lost")
    await run(captured, settings(tmp_path, feed=f"file:{RECORDING}", arm_s=0.0), {600: reset})
    reasons = [event.body.get("reason") for event in captured.events("flashmm.order")]
    assert "market_data_lost" in reasons


async def test_two_symbols_trade_side_by_side(captured: Capture, tmp_path: Path) -> None:
    """Each with a book of its own; the totals are their sum."""
    await run(captured, settings(tmp_path, symbols=("BTCUSDT", "ETHUSDT"), duration_s=60.0))
    told = books(tmp_path)
    assert set(told["symbols"]) == {"BTCUSDT", "ETHUSDT"}
    assert all(symbol["fills"] > 0 for symbol in told["symbols"].values())
    assert Decimal(told["fees"]) == sum(Decimal(symbol["fees"]) for symbol in told["symbols"].values())


async def test_funding_is_paid_emitted_and_booked(captured: Capture, tmp_path: Path) -> None:
    """The events' amounts add up to the books'."""
    await run(captured, settings(tmp_path, funding_interval_s=5.0))
    amounts = [Decimal(event.body["amount"]) for event in captured.events("flashmm.funding")]
    assert amounts
    told = books(tmp_path)
    assert sum(amounts) == Decimal(told["funding"]) == Decimal(told["symbols"]["BTCUSDT"]["exchange"]["funding"])


async def test_a_run_can_be_stopped_from_outside(captured: Capture, tmp_path: Path) -> None:
    """Stopping before the first message ends at once, with empty books."""
    given = settings(tmp_path)
    session = Session(given, captured.bot, open_venue(given, captured.bot.now_ns))
    session.stop()
    await session.run()
    assert books(tmp_path)["final"] is True
