"""Batches → stream items, checked against values worked out by hand."""

import asyncio
import math
import threading
import time
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.acceptance.page.batches import MILLISECOND, SECOND, Bot, spread_fields

from flashmm_backends.batch import Batch, Points
from flashmm_backends.ports import Completeness, EventTable, RangeSeries, Window
from flashmm_streaming import Hub, LiveTap, Projection, _completeness, _gauges, _latency, _models, _spreads, _text

NOW = 1_800_000_000 * SECOND
MARKET = {"flashmm_venue": "binance", "flashmm_symbol": "BTCUSDT"}
STAGES = {"receive": 10, "decide": 100, "risk_check": 20, "sign": 150, "submit": 50, "ack": 1_000}


def only(items, stream):
    """The single item of a stream."""
    (item,) = items[stream]
    return item


class TestPnl:
    """P&L out of four gauges."""

    def test_net_is_the_exact_sum(self):
        """Net is the sum of the parts' decimals: 0.1 + 0.2 is 0.3."""
        item = only(Projection().project(Bot().pnl(NOW, 0.1, 0.2, -1e-7, 1234567.89)), "pnl")
        assert item == {
            "bot": "maker-1",
            "account": "main",
            "currency": "USDT",
            "time_ms": NOW // MILLISECOND,
            "realized": "0.1",
            "unrealized": "0.2",
            "fees": "-0.0000001",
            "funding": "1234567.89",
            "net": "1234568.1899999",
            "missing": [],
            "notional": None,
            "net_bps": None,
            "run": "run-1",
        }

    def test_net_of_the_notional(self):
        """The notional of all fills, and net in basis points of it; a market's and a side's counters add up."""
        bot, projection = Bot(), Projection()
        projection.project(bot.pnl(NOW, 1.5, 0, 0, 0))
        rows = [
            ("flashmm_fill_notional_total", value, MARKET | {"flashmm_currency": "USDT", "flashmm_side": side})
            for side, value in (("buy", 1000.5), ("sell", 1999.5))
        ]
        item = only(projection.project(bot.points(NOW, rows)), "pnl")
        assert (item["net"], item["notional"], item["net_bps"]) == ("1.5", "3000.0", "5.0000")

    def test_fills_alone_are_no_pnl(self):
        """Fills in a currency that no P&L is in bring no item of their own."""
        rows = [("flashmm_fill_notional_total", 5.0, MARKET | {"flashmm_currency": "USD"})]
        assert "pnl" not in Projection().project(Bot().points(NOW, rows))

    def test_a_new_run_begins_at_nothing(self):
        """A bot that starts again shows nothing of the run before, also where it has not told all parts yet."""
        first, second = (Bot(run=f"01a204d8-000{number}") for number in (1, 2))
        projection = Projection()
        projection.project(first.pnl(NOW, 9, 9, 9, 9))
        batch = second.points(NOW, [("flashmm_pnl_realized", 5.0, {"flashmm_currency": "USDT"})])
        assert only(projection.project(batch), "pnl")["net"] == "5"
        projection.project(first.hello(NOW))
        assert only(projection.project(second.pnl(NOW, 5, 1, 0, 0)), "pnl")["net"] == "6"

    def test_missing_parts_are_named(self):
        """A bot that tells only realized P&L gets a net that says what it lacks."""
        batch = Bot().points(NOW, [("flashmm_pnl_realized", 5.0, {"flashmm_currency": "USDT"})])
        item = only(Projection().project(batch), "pnl")
        assert (item["net"], item["missing"]) == ("5", ["unrealized", "fees", "funding"])

    def test_currencies_are_apart(self):
        """Each currency has its own item."""
        bot, projection = Bot(), Projection()
        projection.project(bot.pnl(NOW, 1, 0, 0, 0, "USDT"))
        items = projection.project(bot.pnl(NOW, 2, 0, 0, 0, "BTC"))
        assert only(items, "pnl")["currency"] == "BTC"

    def test_one_exports_times_may_differ(self):
        """A gauge measured a millisecond before the counter that was exported with it is shown all the same."""
        bot, projection = Bot(), Projection()
        projection.project(bot.pnl(NOW, 1, 0, 0, 0))
        rows = [
            (name, value, {"flashmm_currency": "USDT"})
            for name, value in (("fill_notional_total", 5), ("pnl_realized", 99))
        ]
        batch = bot.points(NOW + SECOND, [(f"flashmm_{name}", value, labels) for name, value, labels in rows])
        batch.points.time_ms[1] -= 1
        item = only(projection.project(batch), "pnl")
        assert (item["realized"], item["notional"], item["time_ms"]) == ("99", "5", (NOW + SECOND) // MILLISECOND)

    def test_late_points_change_nothing(self):
        """A point older than the last shown is left to queries."""
        bot, projection = Bot(), Projection()
        projection.project(bot.pnl(NOW, 1, 0, 0, 0))
        assert "pnl" not in projection.project(bot.pnl(NOW - SECOND, 9, 0, 0, 0))

    def test_infinite_values_are_left_out(self):
        """NaN (a stale marker) and infinities are no P&L."""
        items = Projection().project(Bot().pnl(NOW, math.nan, math.inf, 1, 2))
        assert "realized" not in only(items, "pnl") and only(items, "pnl")["net"] == "3"

    def test_unknown_bot_goes_by_its_job(self):
        """A series without our resource attributes is shown under its job."""
        batch = Bot().points(NOW, [("flashmm_pnl_realized", 1.0, {"flashmm_currency": "EUR"})])
        (meta,) = batch.series
        labels = tuple(pair for pair in meta.labels if pair[0] not in ("flashmm_bot", "flashmm_account"))
        bare = type(meta)(meta.id, labels, meta.type, "", "")
        assert (
            only(Projection().project(Batch(NOW, series=[bare], points=batch.points)), "pnl")["bot"]
            == "flashmm/maker-1"
        )


def test_the_few_series_are_found_among_many():
    """Of 10,000 points the followed ones are taken, the last of each series counting."""
    bot, projection = Bot(), Projection()
    batch = bot.points(NOW, [("flashmm_inventory_position", 1.5, MARKET)])
    ids = np.arange(1, 10_001, dtype=np.uint64)
    ids[[17, 4711]] = batch.points.series_id[0]
    values = np.zeros(10_000)
    values[[17, 4711]] = 1.0, -0.25
    points = Points(ids, np.full(10_000, NOW // MILLISECOND), values)
    items = projection.project(Batch(NOW, series=batch.series, points=points))
    assert only(items, "inventory")["position"] == "-0.25"


def test_activity_sums_over_sides():
    """Fills and orders are summed over side, liquidity and outcome; makers and rejections are told apart."""
    rows = [
        ("flashmm_fills_total", 3.0, MARKET | {"flashmm_side": "buy", "flashmm_liquidity": "maker"}),
        ("flashmm_fills_total", 2.0, MARKET | {"flashmm_side": "sell", "flashmm_liquidity": "taker"}),
        ("flashmm_orders_total", 7.0, MARKET | {"flashmm_side": "buy", "flashmm_order_outcome": "acked"}),
        ("flashmm_orders_total", 1.0, MARKET | {"flashmm_side": "buy", "flashmm_order_outcome": "rejected"}),
    ]
    item = only(Projection().project(Bot().points(NOW, rows)), "activity")
    assert (item["fills"], item["maker_fills"], item["orders"], item["rejected"]) == (5, 3, 8, 1)


def test_activity_of_a_new_run_begins_at_nothing():
    """At once: beside P&L of the new run, fills of the one before would be untrue until the first order."""
    first, second = (Bot(run=f"01a204d8-000{number}") for number in (1, 2))
    projection = Projection()
    projection.project(first.points(NOW, [("flashmm_fills_total", 3.0, MARKET)]))
    item = only(projection.project(second.hello(NOW)), "activity")
    assert (item["fills"], item["orders"], item["rejected"]) == (0, 0, 0)
    assert "activity" not in projection.project(second.hello(NOW))


def test_stored_figures_are_those_of_the_last_run():
    """Of series stored by two runs the last one's count, at their own time; what arrives of it goes on there."""
    runs, stored = (Bot(run="run-1"), Bot(run="run-2")), []
    for bot, realized, ago in ((runs[1], 1, 1), (runs[0], 9, 60)):
        told = [bot.points(NOW, [("target_info", 1, {"flashmm_run": bot.run})]), bot.pnl(NOW, realized, 2, 3, 4)]
        told += (
            [] if ago == 1 else [bot.points(NOW, [("flashmm_fill_notional_total", 5, {"flashmm_currency": "USDT"})])]
        )
        times = np.array([NOW // MILLISECOND - (ago + 1) * 1_000, NOW // MILLISECOND - ago * 1_000], np.int64)
        for batch in told:
            for meta, value in zip(batch.series, batch.points.value, strict=True):
                stored.append(RangeSeries(meta.labels, times, np.array([0.5, value])))
    projection = Projection()
    item = only(projection.recall(stored), "pnl")
    assert (item["net"], item["run"], item["time_ms"]) == ("10", "run-2", NOW // MILLISECOND - 1_000)
    assert item["notional"] is None
    assert only(projection.project(runs[1].pnl(NOW, 1, 2, 3, 5)), "pnl")["net"] == "11"


class TestSpread:
    """One second's integrals → spreads in basis points."""

    def test_constant_spreads(self):
        """Constant spreads of 3, 5 and 2 on a mid of 50,000 are 0.6, 1 and 0.4 bps."""
        fields = spread_fields(Decimal(50_000), Decimal(3), Decimal(5), Decimal(2), one_tick_ns=SECOND // 4)
        bot = Bot()
        items = Projection().project(bot.events(NOW, bot.event("flashmm.spread.sample", NOW, **fields)))
        item = only(items, "spread")
        assert item["run"] == bot.run
        assert [item[name] for name in ("own_bps", "market_bps", "total_bps")] == ["0.6000", "1.0000", "0.4000"]
        assert [item[name] for name in ("difference_bps", "tick_bound", "uptime")] == [
            "0.4000",
            "0.250000",
            "1.000000",
        ]
        market = only(items, "market")
        assert (market["mid"], market["bid"], market["own_ask"]) == ("50000", "49999", "50001.5")

    def test_mean_over_the_window(self):
        """Beside the second: five minutes, weighted by time; what is older than those falls out of them."""
        bot, projection = Bot(), Projection()

        def second(after, own, two_sided_ns):
            more = {"own": Decimal(own), "market": Decimal(6), "total": Decimal(2), "two_sided_ns": two_sided_ns}
            at = NOW + after * SECOND
            event = bot.event("flashmm.spread.sample", at, **spread_fields(Decimal(50_000), **more))
            return only(projection.project(bot.events(at, event)), "spread")

        assert second(0, 5, SECOND)["mean"]["own_bps"] == "1.0000"
        mean = second(1, 1, SECOND // 3)["mean"]
        assert (mean["own_bps"], mean["uptime"], mean["seconds"]) == ("0.8000", "0.666667", "2")
        last = second(300, 3, SECOND)["mean"]
        assert (last["own_bps"], last["difference_bps"], last["seconds"]) == ("0.5000", "0.7000", "2")

    def test_a_sample_of_tomorrow_holds_nothing_back(self):
        """One stamped a day ahead leaves the window with what follows it."""
        bot, projection = Bot(), Projection()
        fields = spread_fields(Decimal(50_000), Decimal(3), Decimal(5), Decimal(2))
        for after_s in (86_400, *range(400)):
            event = bot.event("flashmm.spread.sample", NOW + after_s * SECOND, **fields)
            item = only(projection.project(bot.events(NOW, event)), "spread")
        assert item["mean"]["seconds"] == "300"

    def test_the_market_goes_on_without_us(self):
        """While we do not quote there is no spread of ours, and the market's is still told."""
        gone = dict.fromkeys(("own_spread_integral", "market_spread_integral", "mid_integral"))
        known = {"market_spread_integral_valid": Decimal(4) * SECOND, "mid_integral_known": Decimal(40_000) * SECOND}
        bot, fields = Bot(), spread_fields(Decimal(40_000), Decimal(1), Decimal(1), Decimal(1), two_sided_ns=0)
        event = bot.event("flashmm.spread.sample", NOW, **(fields | gone | known))
        item = only(Projection().project(bot.events(NOW, event)), "spread")
        assert (item["own_bps"], item["market_bps"], item["market_always_bps"]) == (None, None, "1.0000")
        assert item["mean"]["own_bps"] is None and item["uptime"] == "0.000000"

    def test_assignments_are_told(self):
        """Which arm an experiment is in, and when it began and ends: times as text."""
        bot = Bot()
        fields = {"venue": "binance", "symbol": "BTCUSDT", "experiment": "quoting", "assignment_id": "7-1"}
        fields |= {"arm": "off", "start_ns": NOW, "planned_end_ns": NOW + SECOND}
        items = Projection().project(bot.events(NOW, bot.event("flashmm.assignment", NOW, **fields)))
        item = only(items, "experiments")
        assert (item["arm"], item["start_ns"], item["planned_end_ns"]) == ("off", str(NOW), str(NOW + SECOND))

    def test_unknown_stays_unknown(self):
        """Where nothing was paired or valid, there is no spread: not zero."""
        fields = spread_fields(Decimal(50_000), Decimal(3), Decimal(5), Decimal(2))
        gone = dict.fromkeys(("own_spread_integral", "mid_integral", "bid"))
        bot = Bot()
        event = bot.event("flashmm.spread.sample", NOW, **(fields | gone | {"valid_ns": 0}))
        items = Projection().project(bot.events(NOW, event))
        item = only(items, "spread")
        assert item["own_bps"] is item["difference_bps"] is item["tick_bound"] is None
        assert only(items, "market")["mid"] is None


def fill_of(bot, **more):
    fields = {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "fill_id": "f1",
        "order_id": "o1",
        "side": "buy",
        "price": Decimal("99.90"),
        "quantity": Decimal("0.10"),
        "liquidity": "maker",
        "fee": Decimal("-0.001"),
        "fee_currency": "USDT",
        "mid": Decimal("100.00"),
        "exchange_time_ns": NOW + 1,
    }
    return bot.event("flashmm.fill", NOW, **(fields | more))


class TestTrades:
    """Fills as they are."""

    def test_digits_are_kept(self):
        """Decimals keep their trailing zeros, nanoseconds become text, and the edge is against the mid."""
        bot = Bot()
        item = only(Projection().project(bot.events(NOW, fill_of(bot))), "trades")
        assert (item["price"], item["quantity"], item["exchange_time_ns"]) == ("99.90", "0.10", str(NOW + 1))
        assert (item["time_ns"], item["time_ms"], item["edge_bps"]) == (str(NOW), NOW // MILLISECOND, "10.0000")

    def test_edge_of_a_sale(self):
        """Selling below the mid has a negative edge; without a mid there is none."""
        bot, projection = Bot(), Projection()
        sold = fill_of(bot, side="sell")
        assert only(projection.project(bot.events(NOW, sold)), "trades")["edge_bps"] == "-10.0000"
        blind = fill_of(bot, mid=None)
        assert only(projection.project(bot.events(NOW, blind)), "trades")["edge_bps"] is None


class TestOrders:
    """Transitions, placements, latency."""

    def test_transition(self):
        """A transition keeps its fields and leaves out what is absent."""
        bot = Bot()
        event = bot.event(
            "flashmm.order", NOW, venue="v", symbol="S", order_id="o", state="acked", side="buy", reason=None
        )
        item = only(Projection().project(bot.events(NOW, event)), "orders")
        assert (item["type"], item["state"], "reason" in item) == ("transition", "acked", False)
        assert item["run"] == bot.run

    def test_placement_joins_its_stages(self):
        """Stages that came in an earlier batch belong to the root that ends later."""
        bot, projection = Bot(), Projection()
        spans = bot.placement("o-1", "BTCUSDT", "buy", NOW, STAGES)
        assert "orders" not in projection.project(bot.spans(NOW, spans[:3]))
        items = projection.project(bot.spans(NOW + SECOND, spans[3:]))
        item = only(items, "orders")
        said = {"type": "placement", "order_id": "o-1", "outcome": "acked", "bot": "maker-1", "run": "run-1"}
        assert said.items() <= item.items()
        assert (item["duration_us"], item["stages_us"]) == (1_330.0, {name: float(us) for name, us in STAGES.items()})

    def test_latency_quantiles_equal_numpys(self):
        """p50 and p99 are numpy's over the window, whole and by stage."""
        bot, projection = Bot(), Projection()
        spans = [
            span
            for number in range(200)
            for span in bot.placement(f"o{number}", "BTCUSDT", "buy", NOW, {"decide": 10 + number, "ack": 1_000})
        ]
        item = only(projection.project(bot.spans(NOW, spans)), "latency")
        expected = np.quantile(np.arange(1_010, 1_210), [0.5, 0.99])
        assert [item["total"]["p50_us"], item["total"]["p99_us"]] == pytest.approx(expected, abs=0.05)
        assert item["stages"]["decide"]["max_us"] == 209 and item["orders"] == item["window"] == 200

    def test_latency_is_computed_five_times_a_second(self):
        """Between two computations orders gather; nothing new means no item."""
        bot, projection = Bot(), Projection()
        assert "latency" in projection.project(bot.spans(NOW, bot.placement("a", "S", "buy", NOW, STAGES)))
        soon = NOW + 100 * MILLISECOND
        assert "latency" not in projection.project(bot.spans(soon, bot.placement("b", "S", "buy", NOW, STAGES)))
        assert only(projection.project(Batch(NOW + SECOND)), "latency")["orders"] == 2
        assert "latency" not in projection.project(Batch(NOW + 2 * SECOND))


class TestCompleteness:
    """Received of expected, by bot."""

    def mark(self, bot, kind, high_water):
        return bot.event("flashmm.stream", NOW, mark="mark", kind=kind, high_water=high_water, previous_run=None)

    def test_all_there(self):
        """Every number received is exactly 1."""
        bot = Bot()
        item = only(Projection().project(bot.events(NOW, fill_of(bot), fill_of(bot))), "completeness")
        assert (item["received"], item["expected"], item["missing"], item["ratio"]) == (2, 2, 0, "1")

    def test_a_hole_and_a_lost_tail(self):
        """A hole in the numbers and a mark beyond the last one both count as missing."""
        bot, projection = Bot(), Projection()
        first = fill_of(bot)
        bot.lose("flashmm.fill")
        third = fill_of(bot)
        item = only(projection.project(bot.events(NOW, first, third)), "completeness")
        assert (item["received"], item["expected"]) == (2, 3)
        item = only(projection.project(bot.events(NOW, self.mark(bot, "flashmm.fill", 5))), "completeness")
        assert (item["received"], item["expected"], item["missing"], item["ratio"]) == (3, 6, 3, "0.5")

    def test_a_run_that_never_closed(self):
        """Another run names it as its previous one: its last events are unknown; one that closed is well."""
        projection, last = Projection(), []
        for number, (previous, closes) in enumerate(((None, False), (True, True), (True, False))):
            bot = Bot(run=f"run-{number}")
            opened = bot.event("flashmm.stream", NOW, mark="open", previous_run=last[-1] if previous else None)
            marks = [opened]
            if closes:
                kind = "flashmm.stream"
                marks.append(bot.event(kind, NOW, mark="close", kind=kind, high_water=2, previous_run=None))
            item = only(projection.project(bot.events(NOW, *marks)), "completeness")
            last.append(opened.run)
            assert item["unclosed_runs"] == (0 if previous is None else 1)

    def test_a_closed_run_waits_for_what_is_missing(self):
        """What it lost on the way and comes after its end is counted as what was missing."""
        bot, projection = Bot(), Projection()
        fills, kind = [fill_of(bot) for _ in range(3)], "flashmm.stream"
        marks = [bot.event(kind, NOW, mark="close", kind="flashmm.fill", high_water=3, previous_run=None)]
        marks += [bot.event(kind, NOW, mark="close", kind=kind, high_water=2, previous_run=None)]
        item = only(projection.project(bot.events(NOW, fills[0], fills[2], *marks)), "completeness")
        assert (item["received"], item["expected"]) == (4, 5)
        item = only(projection.project(bot.events(NOW, fills[1])), "completeness")
        assert (item["received"], item["expected"], item["unclosed_runs"]) == (5, 5, 0)

    def test_an_events_cost_does_not_grow_with_the_runs(self):
        """With thousands of runs under way an event takes no longer than with one."""
        few, many = Projection(), Projection()
        for number in range(_completeness.RUNS_MAX):
            bot = Bot(run=f"run-{number}")
            many.project(bot.events(NOW, fill_of(bot)))

        def cpu_s(projection):
            bot = Bot(run="last")
            batches = [bot.events(NOW, fill_of(bot)) for _ in range(500)]
            began = time.process_time()
            for batch in batches:
                projection.project(batch)
            return time.process_time() - began

        assert min(cpu_s(many) for _ in range(3)) < 5 * min(cpu_s(few) for _ in range(3))

    def test_late_arrivals_fill_the_hole(self):
        """What comes late is counted when it comes."""
        bot, projection = Bot(), Projection()
        events = [fill_of(bot) for _ in range(3)]
        projection.project(bot.events(NOW, events[0], events[2]))
        assert only(projection.project(bot.events(NOW, events[1])), "completeness")["missing"] == 0

    def test_joining_in_the_middle(self):
        """Of a run that was there before us, only what follows is expected."""
        bot = Bot()
        bot.lose("flashmm.fill", 1_000)
        item = only(Projection().project(bot.events(NOW, fill_of(bot))), "completeness")
        assert item["expected"] == 1

    def test_ratio_is_rounded_down(self):
        """One missing of ten million is not 1."""
        assert _completeness._ratio(9_999_999, 10_000_000) == "0.999999"


class TestModels:
    """Predictions and what came of them."""

    def said(self, bot, kind, number, value):
        more = {"horizon_ns": SECOND} if kind == "prediction" else {}
        fields = {"venue": "v", "symbol": "S", "model": "m", "prediction_id": number, "value": value}
        return bot.event(f"flashmm.{kind}", NOW, **fields, **more)

    def test_hit_rate(self):
        """Direction right in two of three judged; an outcome of zero and one without a prediction don't count."""
        bot = Bot()
        pairs = [("1", 0.5, 2.0), ("2", -0.5, 1.0), ("3", -1.0, -0.1), ("4", 1.0, 0.0)]
        events = [self.said(bot, "prediction", number, said) for number, said, _ in pairs]
        events += [self.said(bot, "outcome", number, truth) for number, _, truth in pairs]
        events.append(self.said(bot, "outcome", "unheard-of", 1.0))
        item = Projection().project(bot.events(NOW, *events))["model"][-1]
        assert (item["hit_rate"], item["judged"], item["source"]) == ("0.666667", 3, "judged")

    @pytest.mark.parametrize("nothing", [0.0, -0.0, math.nan, None])
    def test_no_direction_is_no_hit(self, nothing):
        """A model that says nothing is not right where the price falls."""
        bot, projection = Bot(), Projection()
        events = [self.said(bot, "prediction", str(number), nothing) for number in range(10)]
        events += [self.said(bot, "outcome", str(number), -1.0) for number in range(10)]
        assert "model" not in projection.project(bot.events(NOW, *events))

    def test_reported_accuracy(self):
        """The bot's own gauge is shown as reported."""
        labels = {"flashmm_model": "m", "flashmm_symbol": "S"}
        item = only(
            Projection().project(Bot().points(NOW, [("flashmm_model_accuracy_ratio", 0.5625, labels)])), "model"
        )
        assert (item["accuracy"], item["source"], item["model"]) == ("0.5625", "reported", "m")


class TestBounds:
    """Whatever is remembered has a limit; what was silent longest goes first, and is counted."""

    @pytest.fixture
    def registry(self):
        return CollectorRegistry()

    @pytest.fixture
    def projection(self, registry):
        return Projection(registry)

    @pytest.fixture
    def forgotten(self, registry):
        """How many of a kind are gone."""
        return lambda kind: registry.get_sample_value("flashmm_stream_forgotten_total", {"kind": kind})

    def test_series(self, projection, forgotten):
        """Children forked by the thousand take no bot's place: not one's that goes on, not a new one's."""
        steady, runs = Bot("steady"), _gauges.SERIES_MAX // 4
        for number in range(runs):
            at = NOW + number * SECOND
            projection.project(steady.pnl(at, number, 0, 0, 0))
            projection.project(Bot(run=f"child/{number}").pnl(at, 1, 0, 0, 0))
        assert forgotten("series") == 4
        last = NOW + runs * SECOND
        assert only(projection.project(steady.pnl(last, 7, 0, 0, 0)), "pnl")["realized"] == "7"
        assert only(projection.project(Bot("new").pnl(last, 5, 0, 0, 0)), "pnl")["realized"] == "5"
        assert forgotten("series") == 8

    def test_a_series_gone_takes_its_figure_along(self, projection):
        """A position that nobody has told for longest is no longer there; others of the bot's are."""
        bot, symbols = Bot(), _gauges.SERIES_MAX + 1
        for number in range(symbols):
            labels = MARKET | {"flashmm_symbol": f"S{number}"}
            projection.project(bot.points(NOW, [("flashmm_inventory_position", 1.0, labels)]))
            if number == 0:
                projection.project(bot.points(NOW, [("flashmm_inventory_utilization_ratio", 0.5, labels)]))
        again = [("flashmm_inventory_position", 2.0, MARKET | {"flashmm_symbol": f"S{at}"}) for at in (0, 2)]
        first, second = projection.project(bot.points(NOW, again))["inventory"]
        assert ("utilization" in first, first["position"], second["position"]) == (False, "2", "2")

    def test_open_orders(self, projection, forgotten):
        """Stages whose order never ends."""
        bot, count = Bot(), _latency.OPEN_MAX + 1
        placed = [bot.placement(f"o{number}", "S", "buy", NOW, {"decide": 5}) for number in range(count)]
        projection.project(bot.spans(NOW, [stage for stage, _ in placed]))
        items = projection.project(bot.spans(NOW, [root for _, root in placed[:2]]))["orders"]
        assert [item["stages_us"] for item in items] == [{}, {"decide": 5.0}]
        assert forgotten("open orders") == 1

    def test_latencies(self, projection, forgotten):
        """Symbols without end, as a bot that trades options has."""
        bot, count = Bot(), _latency.MARKETS_MAX + 1

        def trade(number):
            return bot.spans(NOW + SECOND, bot.placement(f"o{number}", f"S{number}", "buy", NOW, {"decide": 5})[1:])

        for number in range(count):
            projection.project(trade(number))
        assert forgotten("latencies") == 1
        items = projection.project(replace(trade(0), received_ns=NOW + 2 * SECOND))["latency"]
        assert [item["orders"] for item in items if item["symbol"] == "S0"] == [1]

    def test_predictions(self, projection, forgotten):
        """Predictions that no outcome follows."""
        bot, count = Bot(), _models.OPEN_MAX + 1
        said = [TestModels().said(bot, "prediction", str(number), 1.0) for number in range(count)]
        projection.project(bot.events(NOW, *said))
        came = [TestModels().said(bot, "outcome", str(number), 1.0) for number in (0, 1)]
        item = only(projection.project(bot.events(NOW, *came)), "model")
        assert (item["judged"], item["outcomes"], forgotten("predictions")) == (1, 2, 1)

    def test_models(self, projection, forgotten):
        """Models without end: one that was forgotten begins anew."""
        bot, count = Bot(), _models.MODELS_MAX + 1
        for number in (*range(count), 0):
            fields = {"venue": "v", "symbol": "S", "model": f"m{number}", "prediction_id": "1"}
            said = bot.event("flashmm.prediction", NOW, **fields, horizon_ns=1, value=1.0)
            came = bot.event("flashmm.outcome", NOW, **fields, value=1.0)
            item = only(projection.project(bot.events(NOW, said, came)), "model")
        assert (item["model"], item["predictions"], forgotten("models")) == ("m0", 1, 2)

    def test_runs(self, projection, forgotten):
        """Runs that never end: what was counted of them stays counted."""
        count = _completeness.RUNS_MAX + 1
        for number in range(count):
            bot = Bot(run=f"run-{number}")
            item = only(projection.project(bot.events(NOW, fill_of(bot))), "completeness")
        assert (item["received"], item["expected"], forgotten("runs")) == (count, count, 1)

    def test_closed_runs_take_no_room(self, projection, forgotten):
        """A run that ended whole is not kept."""
        for number in range(_completeness.RUNS_MAX + 1):
            bot, kind = Bot(run=f"run-{number}"), "flashmm.stream"
            closed = bot.event(kind, NOW, mark="close", kind=kind, high_water=1, previous_run=None)
            projection.project(bot.events(NOW, closed))
        assert forgotten("runs") == 0

    def test_spreads(self, projection, forgotten):
        """Markets without end: one that goes on stays."""
        bot = Bot()
        for number in range(_spreads.MARKETS_MAX):
            for symbol in ("steady", f"S{number}"):
                fields = spread_fields(Decimal(50_000), Decimal(3), Decimal(5), Decimal(2), symbol=symbol)
                event = bot.event("flashmm.spread.sample", NOW + number, **fields)
                items = projection.project(bot.events(NOW, event))["spread"]
                if symbol == "steady":
                    assert items[0]["mean"]["seconds"] == str(number + 1)
        assert forgotten("spreads") == 1


class TestBots:
    """Who is there."""

    def test_announced_once_a_run(self):
        """A bot is announced when it is new, and again with a new run."""
        projection = Projection()
        item = only(projection.project(Bot().hello(NOW)), "bots")
        assert (item["bot"], item["demo"], item["environment"]) == ("maker-1", True, "demo")
        assert "bots" not in projection.project(Bot().hello(NOW))
        assert only(projection.project(Bot(run="run-2").hello(NOW)), "bots")["run"] == "run-2"

    def test_a_probe_is_none(self):
        """What `flashmm doctor` sends is nobody's."""
        told = Bot().hello(NOW)
        probes = [replace(each, attributes={**each.attributes, "service.name": "doctor"}) for each in told.resources]
        assert "bots" not in Projection().project(replace(told, resources=probes))

    def test_production_is_no_demo(self):
        """Only the environment `demo` is a demo."""
        assert only(Projection().project(Bot(environment="production").hello(NOW)), "bots")["demo"] is False


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_double_reads_back(value):
    """The text of a double has no exponent and is the same double again."""
    text = _text.from_float(value)
    assert text is not None and "e" not in text and float(text) == value


class TestTap:
    """The tap: publishes on the hub's loop, and never throws."""

    async def test_from_any_thread(self):
        """A batch tapped on another thread is published on the loop."""
        hub = Hub("e", CollectorRegistry())
        ready = asyncio.Event()
        session = hub.join(ready.set)
        hub.receive(session, '{"type":"subscribe","streams":["pnl"]}')
        session.take()
        ready.clear()
        tap = LiveTap(hub, asyncio.get_running_loop(), CollectorRegistry())
        thread = threading.Thread(target=tap, args=(Bot().pnl(NOW, 1, 2, 3, 4),))
        thread.start()
        await ready.wait()
        thread.join()
        frame = session.take()
        assert frame is not None and b'"net":"10"' in frame

    async def test_replays_what_was_stored(self):
        """Stored events give the same items as when they arrived, and no completeness."""
        bot = Bot()
        fills = [fill_of(bot), fill_of(bot, mid=None, side="sell")]
        head = ("time_ns", "run", "seq", "bot", "account", "trace_id", "span_id")
        columns = {name: np.array([getattr(fill, name) for fill in fills], object) for name in head}
        columns |= {name: np.array([fill.fields[name] for fill in fills], object) for name in fills[0].fields}
        columns["time_ns"] = columns["time_ns"].astype(np.int64)
        table = EventTable("flashmm.fill", Window(0, NOW), columns, Completeness(2, 2))
        hub = Hub("e", CollectorRegistry())
        tap = LiveTap(hub, asyncio.get_running_loop(), CollectorRegistry())
        tap.replay(table)
        arrived = Projection().project(bot.events(NOW, *fills))["trades"]
        assert tap.projection.replay(table) == {"trades": arrived}
        assert hub.position("trades").offset == 2 and hub.position("completeness").offset == 0

    async def test_a_broken_batch_is_counted(self, caplog):
        """A batch that cannot be projected is logged and counted; the next one is shown."""
        hub, registry = Hub("e", CollectorRegistry()), CollectorRegistry()
        tap = LiveTap(hub, asyncio.get_running_loop(), registry)
        bot = Bot()
        tap(bot.events(NOW, bot.event("flashmm.prediction", NOW)))
        assert registry.get_sample_value("flashmm_stream_projection_failures_total") == 1
        assert "could not be shown" in caplog.text
        tap(bot.pnl(NOW, 1, 2, 3, 4))
        assert hub.position("pnl").offset == 1
