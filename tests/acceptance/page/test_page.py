"""The live page in a real browser: what was fed is what is shown."""

import re
import time
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from playwright.async_api import expect
from tests.acceptance.page.batches import MILLISECOND, SECOND, Bot, spread_fields
from tests.acceptance.page.simulation import Simulation
from tests.acceptance.page.site import Site, serving
from tests.acceptance.page.wire import wired
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
MARKET = {"flashmm_venue": "binance", "flashmm_symbol": "BTCUSDT"}
STAGES = {"receive": 10, "decide": 100, "risk_check": 20, "sign": 150, "submit": 50, "ack": 1_670}


def fill(bot, number, now, **more):
    fields = {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "fill_id": f"f{number}",
        "order_id": f"o{number}",
        "side": "buy",
        "price": Decimal("61234.50"),
        "quantity": Decimal("0.010"),
        "liquidity": "maker",
        "fee": Decimal("-0.0061"),
        "fee_currency": "USDT",
        "mid": Decimal("61235.00"),
    }
    return bot.event("flashmm.fill", now, **(fields | more))


def order(bot, order_id, now, state, **more):
    fields = {"venue": "binance", "symbol": "BTCUSDT", "order_id": order_id, "side": "sell", "state": state}
    fields |= {"price": Decimal("61240.0"), "quantity": Decimal("0.004")}
    return bot.event("flashmm.order", now, **(fields | more))


def feed_everything(site, bot, now):
    """One of each, with values that binary fractions would spoil."""
    instrument = {"venue": "binance", "symbol": "BTCUSDT", "tick": Decimal("0.1"), "lot": Decimal("0.001")}
    instrument |= {"multiplier": Decimal(1), "inverse": False, "base": "BTC", "quote": "USDT", "settle": "USDT"}
    spread = spread_fields(Decimal("61235.0"), Decimal(5), Decimal(8), Decimal(4), one_tick_ns=SECOND * 3 // 4)
    site.feed(bot.events(now, bot.event("flashmm.instrument", now, **instrument)))
    site.feed(bot.pnl(now, 1234567.1, -0.2, -0.3, 0.1))
    site.feed(bot.events(now, bot.event("flashmm.spread.sample", now, **spread)))
    rows = [
        ("flashmm_inventory_position", -0.127, MARKET),
        ("flashmm_inventory_utilization_ratio", 0.508, MARKET),
        ("flashmm_fills_total", 4.0, MARKET | {"flashmm_side": "buy", "flashmm_liquidity": "maker"}),
        ("flashmm_orders_total", 1200.0, MARKET | {"flashmm_side": "buy", "flashmm_order_outcome": "acked"}),
        ("flashmm_model_accuracy_ratio", 0.5625, {"flashmm_model": "ridge", "flashmm_symbol": "BTCUSDT"}),
    ]
    site.feed(bot.points(now, rows))
    site.feed(bot.spans(now, bot.placement("o-1", "BTCUSDT", "sell", now, STAGES)))
    later = now + 700 * MILLISECOND
    site.feed(bot.events(now, order(bot, "o-1", now, "pending"), order(bot, "o-1", now + 2 * MILLISECOND, "acked")))
    site.feed(bot.events(now, fill(bot, 1, later, order_id="o-1", side="sell", price=Decimal("61240.0"))))
    site.feed(bot.events(now, order(bot, "o-1", later, "filled", filled_quantity=Decimal("0.004"))))


async def opened(visit, port):
    """The page with all of `feed_everything` chosen: from now on no row is made anew."""
    await visit.open(port)
    await visit.value("pnl-net", "1234566.7")


async def test_values_equal_what_was_fed(site, port, visit):
    """Every figure holds the exact decimals that were fed, and shows them rounded, grouped and with a true minus."""
    await visit.open(port)
    feed_everything(site, Bot(), time.time_ns())
    await visit.value("pnl-net", "1234566.7")
    await visit.text("pnl-net", "+1\u202f234\u202f566.70")
    for part, value in {"realized": "1234567.1", "unrealized": "-0.2", "fees": "-0.3", "funding": "0.1"}.items():
        await visit.value(f"pnl-{part}", value)
    await visit.value("position", "-0.127")
    await visit.text("position", "\u22120.127")
    await visit.text("position-unit", "BTC")
    await visit.value("spread-own", "0.8165")
    await visit.value("spread-market", "1.3064")
    await visit.value("spread-difference", "0.4899")
    shown = {"spread-label": "Tighter than market", "tick-bound": "75.0", "fills": "4", "orders-total": "1\u202f200"}
    shown |= {"latency-p50": "2.00", "latency-p50-unit": "ms", "mid": "61\u202f235.0"}
    for name, text in (shown | {"completeness-text": "Data complete"}).items():
        await visit.text(name, text)
    await visit.value("accuracy", "0.5625")
    await visit.says("#tape tr", "61\u202f240.0", "0.010", "sell")
    await expect(visit.at("demo")).to_be_visible()
    await expect(visit.page).to_have_title(re.compile("^\\+1\u202f234\u202f566\\.70 USDT · maker-1$"))
    assert visit.complaints == []


async def test_history_and_live_make_one_curve(site, port, visit):
    """A page opened later draws what PromQL knows, live values go on from there, exact sums throughout."""
    bot, now = Bot(), time.time_ns() // SECOND * SECOND
    for ago in range(300, 0, -1):
        site.feed(bot.pnl(now - ago * SECOND, 0.1 * ago, 0.2, 0, 0))
    await visit.open(port)
    drawn = "flashmm.state.seriesOf('pnl', flashmm.board.selection)"
    await until(lambda: visit.page.evaluate(f"{drawn}.length > 100"))
    site.feed(bot.pnl(now + SECOND, 1, 0.2, 0, 0))
    await visit.value("pnl-net", "1.2")
    texts = await visit.page.evaluate(f"{drawn}.texts[0]")
    assert texts[-1] == "1.2" and all(text is None or len(text) < 20 for text in texts)
    await expect(visit.page.locator("#pnl-chart canvas")).to_have_count(1)
    assert all("flashmm_bot" in query for query in site.history.queries)


@pytest.mark.parametrize("live", [True, False], ids=["live", "history"])
async def test_a_restart_is_no_loss(site, port, visit, live):
    """Each run's P&L begins anew: the curve breaks there and holds nothing of the run before."""
    now = time.time_ns() // SECOND * SECOND
    runs = [Bot(run=uuid7_at(now - ago * SECOND)) for ago in (60, 30, 0)]
    feed = site.feed if live else site.history.add
    for bot, first, last, realized in ((runs[0], 60, 40, 0.5), (runs[1], 27, 1, -0.25)):
        for ago in range(first, last - 1, -1):
            at = now - ago * SECOND
            feed(bot.points(at, [("target_info", 1, {"flashmm_run": bot.run})]))
            feed(bot.pnl(at, realized, 0, 0, 0))
    feed(runs[2].points(now, [("target_info", 1, {"flashmm_run": runs[2].run})]))
    await visit.open(port)
    site.feed(runs[2].pnl(now + SECOND, 0.125, 0, 0, 0))
    await visit.value("pnl-net", "0.125")
    texts = "flashmm.state.seriesOf('pnl', flashmm.board.selection).texts[0]"
    await until(lambda: visit.page.evaluate(f"{texts}.includes('0.5')"))
    drawn = await visit.page.evaluate(texts)
    assert [text for text, _ in groupby(drawn)] == ["0.5", None, "-0.25", None, "0.125"]


@pytest.mark.parametrize("live", [True, False], ids=["live", "history"])
async def test_no_line_of_the_market_leads_from_run_to_run(site, port, visit, live):
    """Between two runs nobody saw the market, however short the pause was."""
    now = time.time_ns() // SECOND * SECOND
    for bot, market, first, last in (
        (Bot(run=uuid7_at(now - 60 * SECOND)), 4, 60, 40),
        (Bot(run=uuid7_at(now - 30 * SECOND)), 8, 29, 1),
    ):
        told = spread_fields(Decimal(40_000), Decimal(2), Decimal(market), Decimal(2))
        for ago in range(first, last - 1, -1):
            at = now - ago * SECOND
            if live:
                site.feed(bot.events(at, bot.event("flashmm.spread.sample", at, **told)))
            else:
                site.history.add(bot.points(at, [("target_info", 1, {"flashmm_run": bot.run})]))
                labels = {"flashmm_venue": "binance", "flashmm_symbol": "BTCUSDT"}
                site.history.add(bot.points(at, [("flashmm_market_spread_ratio", market / 40_000, labels)]))
        site.feed(bot.events(now, bot.event("flashmm.spread.sample", now - last * SECOND, **told)))
    await visit.open(port)
    texts = "flashmm.state.seriesOf('spread', flashmm.board.selection).texts[1].map((text) => text && Number(text))"
    await until(lambda: visit.page.evaluate(f"{texts}.filter((value) => value === 1).length > 10"))
    drawn = await visit.page.evaluate(texts)
    assert [value for value, _ in groupby(drawn)] == [1, None, 2]


def uuid7_at(time_ns):
    """A run's id that began then."""
    digits = f"{time_ns // MILLISECOND:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


async def test_nothing_is_polled(site, port, visit):
    """Once loaded, the page asks for nothing over HTTP: what changes comes by WebSocket."""
    feed_everything(site, Bot(), time.time_ns())
    await visit.open(port)
    await visit.value("pnl-net", "1234566.7")
    await until(
        lambda: visit.page.evaluate(
            "[flashmm.board.histories].every((each) => !each.wanted.size && !each.asked.size)"
        )
    )
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url))
    bot = Bot()
    for number in range(1, 6):
        site.feed(bot.pnl(time.time_ns() + number * SECOND, number, 0, 0, 0))
        await visit.value("pnl-net", str(number))
    assert asked == []


async def test_resumes_after_a_lost_connection(site, visit):
    """A fill made while the connection was down is shown after it, once, and no gap is drawn."""
    bot, now = Bot(), time.time_ns()
    async with serving(site.app()) as port:
        await visit.open(port)
        site.feed(bot.events(now, fill(bot, 1, now)))
        await visit.page.wait_for_selector("#tape tr")
        await until(lambda: len(site.history.queries) == 2)  # what is on its way when the server goes would fail
    await visit.page.wait_for_selector('#connection:not([data-state="live"])')
    await visit.text("connection-text", "Reconnecting")
    site.feed(bot.events(now, fill(bot, 2, now), fill(bot, 3, now)))
    async with serving(site.app(), port):
        await visit.page.wait_for_selector('#connection[data-state="live"]')
        await expect(visit.page.locator("#tape tr")).to_have_count(3)
        gaps = site.registry.get_sample_value("flashmm_stream_gaps_total", {"stream": "trades", "reason": "history"})
        assert gaps is None
        assert visit.complaints == []


async def test_a_cut_wire_is_noticed_and_mended(site, port, visit):
    """Where nothing gets through and nobody says so, the page does within five seconds; after it, all is there."""
    bot, now = Bot(), time.time_ns()
    await visit.page.clock.install()
    async with wired(port) as (wire, near):
        await visit.open(near)
        site.feed(bot.pnl(now, 1, 0, 0, 0))
        await visit.value("pnl-net", "1")
        wire.cut()
        await visit.page.clock.run_for(5_000)
        await visit.text("connection-text", "Reconnecting")
        await visit.page.wait_for_selector("#stale:has-text('No connection to the server since')")
        site.feed(bot.pnl(now + SECOND, 2, 0, 0, 0))
        site.feed(bot.events(now, fill(bot, 1, now)))
        wire.mend()
        await visit.value("pnl-net", "2")
        await visit.page.wait_for_selector("#tape tr")
        await visit.page.wait_for_selector("#stale", state="hidden")
        assert visit.complaints == []


async def test_a_quiet_bot_is_asked_after_not_given_up(port, visit):
    """A connection on which nothing happens is asked for its life, stays, and is the same one."""
    await visit.page.clock.install(time=0)
    await visit.page.clock.pause_at(1_000)
    await visit.open(port)
    socket = "flashmm.stream.socket"
    await visit.page.evaluate(
        f"""window.first = {socket}; window.sent = [];
        first.send = (text) => {{ sent.push(text); WebSocket.prototype.send.call(first, text) }}; 0"""
    )
    for rounds in range(1, 4):
        await visit.page.clock.run_for(2_000)
        answered = f"sent.length >= {rounds} && flashmm.stream.asked === 0"
        await until(lambda answered=answered: visit.page.evaluate(answered))
    assert set(await visit.page.evaluate("sent")) == {'{"type":"ping"}'}
    assert await visit.page.evaluate(f"window.first === {socket}")
    await expect(visit.at("connection")).to_have_attribute("data-state", "live")


async def test_history_is_asked_for_until_it_is_there(site, port, visit):
    """A chart whose history fails says so beside it, whatever becomes of the others, and asks again by itself."""
    failing = {"flashmm_pnl_realized", "flashmm_inventory_position"}

    async def answer(route):
        if any(name in route.request.url for name in failing):
            await route.fulfill(status=503, json={"status": "error", "error": "too many reads"})
        else:
            await route.continue_()

    await visit.page.route("**/api/v1/query_range*", answer)
    feed_everything(site, Bot(), time.time_ns())
    await visit.open(port)
    for chart in ("pnl", "inventory"):
        await visit.says(f"#{chart}-history", "Earlier values could not be loaded (too many reads).")
    for chart in ("spread", "model"):
        await expect(visit.at(f"{chart}-history")).to_be_hidden()
    failing.discard("flashmm_inventory_position")
    await expect(visit.at("inventory-history")).to_be_hidden()
    await expect(visit.at("pnl-history")).to_be_visible()
    failing.clear()
    await expect(visit.at("pnl-history")).to_be_hidden()


async def test_each_model_has_its_own_figures(site, port, visit):
    """Where several models predict a symbol one is chosen; figures and history are of that one alone."""
    bot, now = Bot(), time.time_ns()
    feed_everything(site, bot, now)
    labels = {"flashmm_model": "forest", "flashmm_symbol": "BTCUSDT"}
    site.feed(bot.points(now, [("flashmm_model_accuracy_ratio", 0.75, labels)]))
    await visit.open(port)
    await visit.value("accuracy", "0.5625")
    await visit.page.select_option("#model", "forest")
    await visit.value("accuracy", "0.75")
    await expect(visit.page).to_have_url(re.compile("model=forest"))
    await until(lambda: any("forest" in query for query in site.history.queries))
    asked = [query for query in site.history.queries if "flashmm_model_accuracy" in query]
    assert all(("forest" in query) != ("ridge" in query) for query in asked)


async def test_other_server_means_history_again(site, visit):
    """After a restart with another epoch the page asks PromQL for what it missed."""
    bot = Bot()
    async with serving(site.app()) as port:
        await visit.open(port)
        site.feed(bot.pnl(time.time_ns(), 1, 0, 0, 0))
        await visit.value("pnl-net", "1")
    after = Site(epoch="epoch-2")
    after.feed(bot.pnl(time.time_ns(), 2, 0, 0, 0))
    async with serving(after.app(), port):
        await visit.value("pnl-net", "2")
        last = "flashmm.state.seriesOf('pnl', flashmm.board.selection).texts[0].at(-1)"
        await until(lambda: visit.page.evaluate(f"{last} === '2'"))
        await until(lambda: any("flashmm_pnl" in query for query in after.history.queries))


async def test_order_click_through(site, port, visit):
    """An order's line opens its placement as a waterfall and its later life, and closes by keyboard."""
    now = time.time_ns()
    feed_everything(site, Bot(), now)
    await opened(visit, port)
    await visit.page.focus('[data-order="o-1"] button')
    await visit.page.keyboard.press("Enter")
    await visit.page.wait_for_selector("#order-dialog .waterfall")
    await visit.says("#order-dialog", "Order o-1", "sell 0.004 BTCUSDT at 61\u202f240.0")
    stages = {"receive": "10.0 µs", "risk check": "20.0 µs", "ack": "1.67 ms", "tick to ack": "2.00 ms"}
    for stage, shown in stages.items():
        await visit.says("#order-dialog", re.compile(rf"{stage}\s+{re.escape(shown)}"))
    lines = (re.compile(r"\+2\.00 ms\s+acked"), re.compile(r"\+700 ms\s+filled\s+0\.004 filled"))
    await visit.says("#order-dialog", *lines, "0.010 at 61\u202f240.0, maker, fee \u22120.0061 USDT")
    await visit.page.keyboard.press("Escape")
    await expect(visit.at("order-dialog")).to_be_hidden()
    assert visit.complaints == []


async def test_a_fill_leads_to_its_order_by_keyboard(site, port, visit):
    """Each fill of the tape is a button too."""
    feed_everything(site, Bot(), time.time_ns())
    await opened(visit, port)
    await visit.page.focus("#tape button")
    await visit.page.keyboard.press("Enter")
    await visit.page.wait_for_selector("#order-dialog .waterfall")
    await visit.text("order-title", "Order o-1")


async def test_a_rejected_order_says_why(site, port, visit):
    """A rejection shows its reason in the list, and its time as the time to the rejection, no padded zeros."""
    bot, now = Bot(), time.time_ns()
    feed_everything(site, bot, now)
    site.feed(bot.spans(now, bot.placement("o-2", "BTCUSDT", "sell", now, STAGES, "rejected")))
    padded = {"reason": "would_take", "price": Decimal("61240.000000000000000000"), "quantity": Decimal("0.0040000")}
    site.feed(bot.events(now, order(bot, "o-2", now, "rejected", **padded)))
    await visit.open(port)
    await visit.page.wait_for_selector('[data-order="o-2"] .why:has-text("would take")')
    await visit.page.click('[data-order="o-2"] button')
    await visit.page.wait_for_selector("#order-dialog .waterfall")
    await visit.says("#order-dialog", "tick to rejection", "sell 0.004 BTCUSDT at 61\u202f240.0")
    text = await visit.page.inner_text("#order-dialog")
    assert "tick to ack" not in text and "0000" not in text.partition("Trace")[0]
    assert visit.complaints == []


async def test_an_expiry_is_no_failure(site, port, visit):
    """A quote that expires is drawn like one that was cancelled, a rejection as what went wrong."""
    bot, now = Bot(), time.time_ns()
    feed_everything(site, bot, now)
    states = ("expired", "cancelled", "rejected")
    site.feed(bot.events(now, *(order(bot, state, now, state) for state in states)))
    await visit.open(port)
    chips = [f'[data-order="{state}"] .chip[data-state="{state}"]' for state in states]
    for chip in chips:
        await visit.page.wait_for_selector(chip)
    drawn = "chips.map((each) => document.querySelector(each)).map((each) => each && getComputedStyle(each).color)"
    compared = f"(chips) => {{ const [a, b, c] = {drawn}; return Boolean(a && a === b && c && b !== c); }}"
    await until(lambda: visit.page.evaluate(compared, chips))


async def test_why_it_does_not_quote(site, port, visit):
    """In a control arm the page says so, for how long, and draws no spread of ours; the market's goes on."""
    bot, now = Bot(), time.time_ns()
    quoted = spread_fields(Decimal(40_000), Decimal(2), Decimal(4), Decimal(2))
    gone = dict.fromkeys(("own_spread_integral", "market_spread_integral", "mid_integral"))
    known = {"market_spread_integral_valid": Decimal(4) * SECOND, "mid_integral_known": Decimal(40_000) * SECOND}
    silent = spread_fields(Decimal(40_000), Decimal(1), Decimal(1), Decimal(1), two_sided_ns=0) | gone | known
    arm = {"experiment": "quoting", "assignment_id": "7-1", "arm": "off", "start_ns": now - 12 * SECOND}
    assigned = {"venue": "binance", "symbol": "BTCUSDT", **arm, "planned_end_ns": now + 300 * SECOND}
    site.feed(bot.events(now, bot.event("flashmm.spread.sample", now - SECOND, **quoted)))
    site.feed(bot.events(now, bot.event("flashmm.assignment", now - 12 * SECOND, **assigned)))
    site.feed(bot.events(now, bot.event("flashmm.spread.sample", now, **silent)))
    await visit.open(port)
    await visit.page.wait_for_selector('#quoting[data-state="pause"]')
    await visit.text("quoting-text", "Not quoting, control arm")
    await visit.says("#quoting-why", re.compile(r"^now off for \d\d s, control arm$"))
    await visit.says("#arm", "Experiment “quoting”: arm off")
    await visit.text("spread-difference", "0.500")
    await visit.text("uptime", "50.0")
    last = "flashmm.state.seriesOf('spread', flashmm.board.selection).texts.map((column) => column.at(-1))"
    await until(lambda: visit.page.evaluate(f"JSON.stringify({last}.slice(0, 2)) === '[null,\"1.0000\"]'"))


async def test_the_address_names_an_open_order(site, port, visit):
    """Whatever its id is made of, beside what else it says, until it is closed; back leads away from the page."""
    bot, now, odd = Bot(), time.time_ns(), "a&b=?/#é"
    site.feed(bot.spans(now, bot.placement(odd, "BTCUSDT", "sell", now, STAGES)))
    site.feed(bot.events(now, order(bot, odd, now, "acked"), fill(bot, 1, now, order_id=odd)))
    await visit.page.goto("about:blank")
    await visit.open(port, "?bot=maker-1")
    await visit.page.click("#tape tr")
    await expect(visit.page).to_have_url(f"http://127.0.0.1:{port}/?{urlencode({'bot': 'maker-1', 'order': odd})}")
    await visit.page.reload()
    await visit.says("#order-title", odd)
    await visit.page.keyboard.press("Escape")
    await expect(visit.page).to_have_url(f"http://127.0.0.1:{port}/?bot=maker-1")
    await visit.page.go_back()
    await expect(visit.page).to_have_url("about:blank")


async def test_an_order_in_the_address_opens(site, port, visit):
    """An address with an order in it opens that order."""
    feed_everything(site, Bot(), time.time_ns())
    await visit.open(port, "?order=o-1")
    await visit.page.wait_for_selector("#order-dialog .waterfall")
    await visit.says("#order-title", "Order o-1")


async def test_a_chart_as_a_table(site, port, visit):
    """Each chart's numbers can be read as a table, by keyboard."""
    feed_everything(site, Bot(), time.time_ns())
    await visit.open(port)
    await visit.value("spread-market", "1.3064")
    await visit.page.focus("#spread-numbers summary")
    await visit.page.keyboard.press("Enter")
    await visit.page.wait_for_selector("#spread-numbers td:has-text('1.31')")


async def test_a_chart_in_words(site, port, visit):
    """The words beside a chart are of its range: what was before that is neither its least nor its greatest."""
    bot, now = Bot(), time.time_ns()
    for ago_s, net in ((2_000, 99), (400, 2), (5, 1)):
        site.feed(bot.pnl(now - ago_s * SECOND, net, 0, 0, 0))
    await visit.open(port)
    label = re.compile(r", last 15 min\. Between 1 and 2\. Now: ")
    await expect(visit.at("pnl-chart")).to_have_attribute("aria-label", label)


async def test_unknown_order_says_so(site, port, visit):
    """An order that the store no longer has is answered in words."""
    feed_everything(site, Bot(), time.time_ns())
    await visit.open(port)
    await visit.page.wait_for_selector('[data-order="o-1"]')
    site.orders.clear()
    await visit.page.click('[data-order="o-1"] button')
    await visit.page.wait_for_selector("#order-dialog .nothing:has-text('not in the store')")


HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


async def test_markup_in_data_stays_text(site, port, visit):
    """Markup in symbol, order id, reason, bot and currency is shown as it is, and does nothing."""
    bot, now = Bot(bot=HOSTILE, account=HOSTILE), time.time_ns()
    named = {"symbol": HOSTILE, "venue": HOSTILE}
    placed = bot.placement(HOSTILE, HOSTILE, "buy", now, STAGES)
    site.feed(bot.pnl(now, 1, 2, 3, 4, HOSTILE))
    site.feed(bot.spans(now, placed))
    site.feed(bot.events(now, order(bot, HOSTILE, now, HOSTILE, reason=HOSTILE, **named)))
    site.feed(bot.events(now, fill(bot, HOSTILE, now, order_id=HOSTILE, fee_currency=HOSTILE, side=HOSTILE, **named)))
    await visit.open(port)
    await visit.page.select_option("#market", f"{HOSTILE}\n{HOSTILE}")
    await visit.page.click("#orders button")
    await visit.page.wait_for_selector("#order-dialog .life")
    await visit.says("#order-dialog", HOSTILE)
    assert await visit.page.evaluate("window.pwned") is None
    assert await visit.page.locator("img[src=x]").count() == 0


ODD_IDS = {
    "path": ("../..", "../.."),
    "escapes": ("%2F%00?x=1#y&amp;", "%2F%00?x=1#y&amp;"),
    "line feed": ("a\nb", "a b"),
    "control": ("a\x07b", "a\ufffdb"),
    "turned": ("a\u202egnp.exe", "a\ufffdgnp.exe"),
    "blank": (" ", ""),
    "arabic": ("\u0645\u0631\u062d\u0628\u0627", "\u0645\u0631\u062d\u0628\u0627"),
    "emoji": ("\U0001f680", "\U0001f680"),
    "long": ("x" * 2_000, "x" * 2_000),
}


@pytest.mark.parametrize(("order_id", "shown"), ODD_IDS.values(), ids=ODD_IDS)
async def test_any_order_id_opens(site, port, visit, order_id, shown):
    """From the tape and by its address, on a phone too; nothing unseen turns or hides what stands beside it."""
    bot, now = Bot(), time.time_ns()
    site.feed(bot.spans(now, bot.placement(order_id, "BTCUSDT", "sell", now, STAGES)))
    site.feed(bot.events(now, order(bot, order_id, now, "acked"), fill(bot, 1, now, order_id=order_id)))
    await visit.page.set_viewport_size({"width": 390, "height": 844})
    await visit.open(port, f"?{urlencode({'order': order_id})}")
    await visit.page.wait_for_selector("#order-dialog .waterfall")
    await visit.says("#order-title", re.compile(rf"^Order\s*{re.escape(shown)}\s*$"))
    await visit.page.keyboard.press("Escape")
    await visit.page.click("#tape tr")
    await visit.page.wait_for_selector("#order-dialog[open] .waterfall")
    assert await visit.page.evaluate("document.documentElement.scrollWidth") == 390
    dialog = "document.getElementById('order-dialog')"
    assert await visit.page.evaluate(f"{dialog}.scrollWidth - {dialog}.clientWidth") == 0
    assert visit.complaints == []


async def test_an_id_used_again_has_its_placements_apart(site, port, visit):
    """Each with its own time, and each whole."""
    bot, now = Bot(), time.time_ns()
    feed_everything(site, bot, now)
    again = bot.placement("o-1", "BTCUSDT", "sell", now + SECOND, STAGES)
    site.feed(bot.spans(now, [replace(span, trace_id=b"another placement"[:16]) for span in again]))
    await visit.open(port, "?order=o-1")
    await expect(visit.page.locator("#order-dialog .waterfall")).to_have_count(2)
    await expect(visit.page.locator("#order-dialog .waterfall >> nth=0 >> .whole")).to_have_count(1)


async def test_garbage_frames_are_ignored_and_told(site, port, visit):
    """Frames that make no sense are counted on the page; those that do go on being shown."""
    await visit.page.route_web_socket("**/stream", _spoil)
    await visit.page.goto(f"http://127.0.0.1:{port}/")
    await visit.page.wait_for_selector("#foot-ignored:has-text('could not be read')")
    site.feed(Bot().pnl(time.time_ns(), 5, 0, 0, 0))
    await visit.value("pnl-net", "5")
    assert visit.complaints == []


def _spoil(route):
    """Between the page and the server: everything through, and garbage besides."""
    server = route.connect_to_server()
    route.on_message(server.send)

    def forward(message):
        for garbage in (
            "nonsense",
            "null",
            "[]",
            '{"type":"data"}',
            '{"type":"data","stream":"pnl","epoch":"e","offset":1,"items":7}',
        ):
            route.send(garbage)
        route.send(
            '{"type":"data","stream":"pnl","epoch":"epoch-1","offset":0,"items":[null,{"bot":"maker-1","account":"main","currency":"USDT","net":"1e5"}]}'
        )
        route.send(message)

    server.on_message(forward)


async def test_a_new_runs_orders_are_rows_of_their_own(site, port, visit):
    """A run that counts its orders from one again does not change those of the run before; the new one is first."""
    before, now = Bot(run="r1"), time.time_ns()
    for number in (1, 2):
        site.feed(before.events(now, order(before, str(number), now + number * SECOND, "filled")))
    await visit.open(port)
    await visit.page.wait_for_selector("#orders tr:nth-child(2)")
    after = Bot(run="r2")
    site.feed(after.spans(now, after.placement("1", "BTCUSDT", "sell", now + 90 * SECOND, STAGES, "rejected")))
    chips = visit.page.locator("#orders .chip")
    await expect(chips).to_have_text(["rejected", "filled", "filled"])
    await expect(visit.page.locator("#orders tr td:nth-child(2)")).to_have_text(["1", "2", "1"])


async def test_a_new_runs_fills_are_shown_though_their_ids_are_known(site, port, visit):
    """A run that counts its fills from one again does not vanish behind the fills of the run before."""
    before, now = Bot(run="r1"), time.time_ns()
    site.feed(before.events(now, *(fill(before, number, now + number) for number in range(1, 4))))
    await visit.open(port)
    await visit.page.wait_for_selector("#tape tr:nth-child(3)")
    after, later = Bot(run="r2"), now + 5 * SECOND
    site.feed(after.events(later, fill(after, 1, later, price=Decimal("61300.00"))))
    await visit.page.wait_for_selector("#tape tr:nth-child(4)")
    await visit.says("#tape tr:first-child", "61\u202f300")


OWN = Bot("first-bot", environment="", run="own-1")


class TestStates:
    """What the page says when there is nothing, or nothing new, to show."""

    async def test_empty(self, port, visit):
        """Without a bot it says where to point one."""
        await visit.open(port)
        await visit.says("#empty", "127.0.0.1:4317")
        await expect(visit.at("board")).to_be_hidden()

    async def test_stale(self, site, port, visit):
        """A bot that fell silent is named, with the age of its figures."""
        await visit.page.clock.install()
        await visit.open(port)
        site.feed(Bot().pnl(time.time_ns(), 1, 0, 0, 0))
        await visit.value("pnl-net", "1")
        await visit.page.clock.run_for(40_000)
        await visit.page.wait_for_selector("#stale:has-text('No data from maker-1 since')")

    async def test_an_own_bot_takes_the_place_of_one_that_stopped(self, site, port, visit):
        """Where nobody has chosen, the page goes on with a bot that begins after the one shown fell silent."""
        await self._silent(site, port, visit)
        site.feed(OWN.pnl(time.time_ns(), 2, 0, 0, 0))
        await visit.value("pnl-net", "2")
        await expect(visit.at("bot")).to_have_value("first-bot\nmain")
        await expect(visit.at("stale")).to_be_hidden()
        await expect(visit.at("demo")).to_be_hidden()
        assert "bot=" not in visit.page.url

    async def test_a_chosen_bot_stays_and_the_live_one_is_a_click_away(self, site, port, visit):
        """By its address a silent bot is still shown; what says that it is silent leads to the one that sends."""
        await self._silent(site, port, visit, "?bot=maker-1&account=main")
        await expect(visit.at("stale-other")).to_be_hidden()
        site.feed(OWN.pnl(time.time_ns(), 2, 0, 0, 0))
        await expect(visit.at("stale-other")).to_have_text("Show first-bot, which is sending")
        await visit.value("pnl-net", "1")
        await visit.page.click("#stale-other")
        await visit.value("pnl-net", "2")
        await expect(visit.page).to_have_url(re.compile("bot=first-bot"))

    async def test_a_bot_that_nobody_has_heard_is_said_so(self, site, port, visit):
        """What an address names is not quietly another's; it is shown as soon as it is heard."""
        site.feed(Bot().pnl(time.time_ns(), 1, 0, 0, 0))
        await visit.open(port, "?bot=first-bot")
        await visit.value("pnl-net", "1")
        await visit.says("#missing", "No bot first-bot has been heard", "this is maker-1 · main")
        site.feed(OWN.pnl(time.time_ns(), 2, 0, 0, 0))
        await visit.value("pnl-net", "2")
        await expect(visit.at("missing")).to_be_hidden()

    async def test_a_silent_bot_was_quoting(self, site, port, visit):
        """Nobody knows whether it still does: the time it quoted ends with its last word."""
        await visit.page.clock.install()
        await visit.open(port)
        bot, now = Bot(), time.time_ns()
        quoted = spread_fields(Decimal(40_000), Decimal(2), Decimal(4), Decimal(2))
        silent = spread_fields(Decimal(40_000), Decimal(1), Decimal(1), Decimal(1), two_sided_ns=0)
        for ago, told in ((20, silent), (10, quoted), (0, quoted)):
            site.feed(bot.events(now, bot.event("flashmm.spread.sample", now - ago * SECOND, **told)))
        await visit.text("quoting-text", "Quoting")
        await visit.page.clock.run_for(40_000)
        await visit.text("quoting-text", "Was quoting")
        await visit.says("#quoting-why", re.compile(r"^was quoting for (19|2\d) s$"))

    async def test_a_bot_beside_it_takes_no_ones_place(self, site, port, visit):
        """Not from a live bot, nor, when it falls silent, by having been there all along; it is offered then."""
        await visit.page.clock.install()
        await visit.open(port)
        shown = Bot()
        site.feed(shown.pnl(time.time_ns(), 1, 0, 0, 0))
        await visit.value("pnl-net", "1")
        site.feed(OWN.pnl(time.time_ns(), 2, 0, 0, 0))
        await expect(visit.page.locator("#bot option")).to_have_count(2)
        site.feed(shown.pnl(time.time_ns(), 3, 0, 0, 0))
        await visit.value("pnl-net", "3")
        await visit.page.clock.run_for(40_000)
        site.feed(OWN.pnl(time.time_ns(), 4, 0, 0, 0))
        await expect(visit.at("stale-other")).to_have_text("Show first-bot, which is sending")
        await visit.value("pnl-net", "3")

    async def test_a_page_opened_later_shows_the_bot_heard_last(self, site, port, visit):
        """Of two that have stopped, the one that stopped last."""
        now = time.time_ns()
        for bot, net, ago_s in ((Bot(), 1, 900), (OWN, 2, 800), (Bot(run="run-2"), 3, 700), (OWN, 4, 600)):
            site.feed(bot.pnl(now - ago_s * SECOND, net, 0, 0, 0))
        await visit.open(port)
        await visit.value("pnl-net", "4")
        await visit.says("#stale", "No data from first-bot", "10 min")

    async def _silent(self, site, port, visit, query=""):
        await visit.page.clock.install()
        await visit.open(port, query)
        site.feed(Bot().pnl(time.time_ns(), 1, 0, 0, 0))
        await visit.value("pnl-net", "1")
        await visit.page.clock.run_for(40_000)
        await visit.says("#stale", "No data from maker-1")

    async def test_incomplete(self, site, port, visit):
        """Missing events show as a share, never hidden."""
        await visit.open(port)
        bot, now = Bot(), time.time_ns()
        first = fill(bot, 1, now)
        bot.lose("flashmm.fill", 6)
        site.feed(bot.events(now, first, fill(bot, 2, now)))
        await visit.page.wait_for_selector("#completeness:has-text('Data 25.00 % complete')")

    async def test_retention(self, site, port, visit):
        """Where size cut retention short, the page says so."""
        site.retention = {"shortened": True, "days": 12, "target_days": 30}
        await visit.open(port)
        await visit.page.wait_for_selector("#retention:has-text('12 days instead of 30')")

    async def test_production_is_no_demo(self, site, port, visit):
        """The demo banner is the demo's alone."""
        site.feed(Bot(environment="production").hello(time.time_ns()))
        await visit.open(port)
        await visit.page.wait_for_selector("#board")
        await expect(visit.at("demo")).to_be_hidden()


@pytest.mark.usefixtures("running")
class TestLooks:
    """Themes, sizes, choices."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def running(self, site):
        """A site with some minutes of two bots."""
        now = time.time_ns() // SECOND * SECOND
        bots = [Simulation(Bot(run="r1")), Simulation(Bot("maker-2", "alt", "production", "r2"), "ETHUSDT", 2_600.0)]
        for at in range(now - 120 * SECOND, now, SECOND):
            for bot in bots:
                for batch in bot.second(at):
                    site.feed(batch)
        return site

    @pytest.mark.parametrize("width", [390, 768, 1440])
    @pytest.mark.parametrize("scheme", ["dark", "light"])
    async def test_fits(self, browser, port, width, scheme):
        """Nothing scrolls sideways, charts are drawn, the background is the theme's."""
        page = await browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        await page.goto(f"http://127.0.0.1:{port}/")
        await page.wait_for_selector("#model-chart canvas")
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"dark": "rgb(9, 11, 14)", "light": "rgb(244, 244, 241)"}[scheme]

    async def test_theme_is_remembered(self, port, visit):
        """The button changes the theme, and it stays after a reload."""
        await visit.open(port)
        await visit.page.click("#theme")
        await visit.page.reload()
        assert await visit.page.evaluate("document.documentElement.dataset.theme") == "light"

    async def test_zone_is_stated_and_changes(self, port, visit):
        """Times are UTC until asked otherwise, and the page says which they are."""
        await visit.open(port)
        fill = await visit.page.get_attribute("#tape tr", "title")
        its_time = visit.page.locator(f'#tape tr[title="{fill}"] td').first
        before = await its_time.inner_text()
        await visit.text("zone-name", "UTC")
        await visit.page.click("#zone")
        await visit.text("foot-zone", "Asia/Tokyo")
        in_tokyo = f"{(int(before[:2]) + 9) % 24:02}{before[2:]}"
        await expect(its_time).to_have_text(in_tokyo)

    async def test_selector(self, port, visit):
        """Another bot's figures come when it is chosen; the address remembers it, the demo banner goes."""
        await visit.open(port)
        await visit.page.wait_for_selector("#tape tr")
        await visit.page.select_option("#bot", "maker-2\nalt")
        await visit.page.wait_for_selector('#orders [data-order^="maker-2"]')
        await expect(visit.page).to_have_url(re.compile("bot=maker-2"))
        await expect(visit.at("demo")).to_be_hidden()
        await visit.page.reload()
        await visit.page.wait_for_selector('#orders [data-order^="maker-2"]')
        assert visit.complaints == []

    async def test_usable_within_a_second(self, port, visit):
        """All of the page's own work up to its first figures takes less than a second."""
        session = await visit.page.context.new_cdp_session(visit.page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        await visit.open(port)
        await visit.page.wait_for_selector('#pnl-net:not([value=""])')
        measured = {each["name"]: each["value"] for each in (await session.send("Performance.getMetrics"))["metrics"]}
        assert measured["TaskDuration"] < 1.0

    async def test_accessible_names(self, port, visit):
        """Landmarks, names of controls and of pictures, and table headers are there."""
        await visit.open(port)
        await visit.page.wait_for_selector("#pnl-chart canvas")
        await expect(visit.at("pnl-chart")).to_have_attribute("aria-label", re.compile("Net profit and loss"))
        named = """[...document.querySelectorAll('button, select, [role=img]')].every((each) =>
            each.closest('[hidden]') || each.innerText.trim() || each.ariaLabel || each.labels?.length || each.title
        )"""
        await until(lambda: visit.page.evaluate(named))
        await expect(visit.page.locator("main, header.top, footer")).to_have_count(3)
