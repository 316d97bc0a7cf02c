"""What the page knows: its own modules, in the browser they run in, fed with items as the stream sends them."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
AT = {"bot": "maker", "account": "main", "venue": "binance", "symbol": "BTCUSDT", "run": "r1"}


async def knows(visit, port, applied, expression):
    """The value of an expression over a `state` that took in (stream, items, snapshot), one after another."""
    await visit.page.goto(f"http://127.0.0.1:{port}/")
    return await visit.page.evaluate(
        f"""(applied) => import("/static/js/state.js").then(({{ State }}) => {{
            const state = new State();
            for (const [stream, items, snapshot, nowMs] of applied) state.apply(stream, items, snapshot, nowMs);
            return {expression};
        }})""",
        [(*each, 0)[:4] for each in applied],
    )


def told(order_id, time_ms, state, **more):
    return {**AT, "type": "transition", "order_id": order_id, "time_ms": time_ms, "state": state, **more}


class TestOrders:
    """An order is one of a bot, an account, a market and a run."""

    @pytest.mark.parametrize("differing", AT)
    async def test_an_id_of_another_is_another_order(self, port, visit, differing):
        """Two bots may both call an order 1, and a bot may in each of its runs, accounts and markets."""
        other = told("1", 9_000, "pending", **{differing: "another"})
        rows = "[...state.orders.values()].map((order) => [order.time_ms, order.state])"
        got = await knows(visit, port, [("orders", [told("1", 1_000, "filled"), other], False)], rows)
        assert got == [[1_000, "filled"], [9_000, "pending"]]

    async def test_one_order(self, port, visit):
        """Its transitions and its placement make one row, at the time and place of the first."""
        items = [told("1", 1_000, "pending"), told("2", 1_001, "pending")]
        items += [{**AT, "type": "placement", "order_id": "1", "time_ms": 999, "outcome": "acked", "duration_us": 7}]
        items += [told("1", 2_000, "filled")]
        rows = "[...state.orders.values()].map((order) => [order.time_ms, order.state, order.duration_us ?? null])"
        got = await knows(visit, port, [("orders", items, False)], rows)
        assert got == [[1_000, "filled", 7], [1_001, "pending", None]]


class TestModels:
    """Each model of a symbol has figures of its own."""

    async def test_models_of_a_symbol_stay_apart(self, port, visit):
        """One's accuracy and hit rate make one item, another's another; models are known by symbol."""
        said = [{**AT, "time_ms": 1_000, "model": "fast", "source": "reported", "accuracy": "0.70"}]
        said += [{**AT, "time_ms": 2_000, "model": "slow", "source": "judged", "hit_rate": "0.40"}]
        said += [{**AT, "time_ms": 3_000, "model": "fast", "source": "judged", "hit_rate": "0.60"}]
        figures = """["fast", "slow"].map((model) => {
            const at = { bot: "maker", account: "main", symbol: "BTCUSDT", model };
            const { accuracy = null, hit_rate } = state.item("model", at);
            return [accuracy, hit_rate, state.seriesOf("model", at).length];
        })"""
        models = "[...state.owners.get('maker\\nmain').models.get('BTCUSDT')]"
        got = await knows(visit, port, [("model", said, False)], f"[{figures}, {models}]")
        assert got == [[["0.70", "0.60", 2], [None, "0.40", 1]], ["fast", "slow"]]


class TestOwners:
    """The bots that can be chosen: those heard last."""

    async def test_the_longest_silent_give_way(self, port, visit):
        """Of more than two hundred bots the newest are there, and how many are not is known."""
        bots = [{"bot": f"b{number}", "account": "", "run": "r", "time_ms": number} for number in range(250)]
        applied = [
            ("bots", bots[:200], True),
            ("pnl", [{**bots[0], "net": "1"}], False, 5_000),
            ("bots", bots[200:], True),
        ]
        owners = "[...state.owners.values()].map((owner) => owner.bot)"
        got = await knows(visit, port, applied, f"[{owners}, state.forgotten, state.heard.size]")
        assert got == [["b0", *(f"b{number}" for number in range(51, 250))], 50, 200]


class TestTrades:
    """The fills kept for the tape."""

    async def test_a_snapshot_of_known_fills_adds_none(self, port, visit):
        """After a loss the server sends the last ones again: each counts once, those that are new follow."""
        fills = [{**AT, "order_id": "1", "fill_id": f"f{n}", "time_ns": str(n)} for n in range(4)]
        applied = [("trades", fills[:3], False), ("trades", fills[1:], True)]
        got = await knows(visit, port, applied, "[...state.trades.values()].map((trade) => trade.fill_id)")
        assert got == ["f0", "f1", "f2", "f3"]
