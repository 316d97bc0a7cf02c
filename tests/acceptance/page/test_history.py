"""Curves from history: nothing is drawn that nobody told, and a long range of little is drawn in full."""

import time
from itertools import pairwise

import pytest
from tests.acceptance.page.batches import SECOND, Bot
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

MARKET = {"flashmm_venue": "binance", "flashmm_symbol": "BTCUSDT"}
SPREAD = "flashmm.state.seriesOf('spread', flashmm.board.selection)"
PNL = "flashmm.state.seriesOf('pnl', flashmm.board.selection)"


async def test_nothing_is_drawn_while_a_bot_is_away(site, port, visit):
    """Its last values are held by a lookback for minutes: they are not what it would have told."""
    bot, now = Bot(), time.time_ns() // SECOND * SECOND
    for ago in (*range(200, 150, -1), *range(60, 0, -1)):
        site.history.add(bot.pnl(now - ago * SECOND, 0.5, 0, 0, 0))
        site.history.add(bot.points(now - ago * SECOND, [("flashmm_inventory_position", 3, MARKET)]))
    site.feed(bot.pnl(now, 0.5, 0, 0, 0))
    site.feed(bot.points(now, [("flashmm_inventory_position", 3, MARKET)]))
    await visit.open(port)
    for stream in ("pnl", "inventory"):
        series = f"flashmm.state.seriesOf('{stream}', flashmm.board.selection)"
        await until(lambda series=series: visit.page.evaluate(f"{series}.length > 90"))
        drawn = await visit.page.evaluate(f"{series}.times.map((time, place) => [time, {series}.texts[0][place]])")
        known = [time for time, text in drawn if text is not None]
        apart = [later - time for time, later in pairwise(known)]
        assert 80 < max(apart) < 91 and sorted(apart)[-2] <= 2
        assert sum(text is None for _, text in drawn) == 1


async def test_a_long_range_of_little_data_is_drawn_in_full(site, port, visit):
    """Asked for in steps of a day's range, two minutes would be one point."""
    bot, now = Bot(), time.time_ns() // SECOND * SECOND
    for ago in range(120, 0, -1):
        site.history.add(bot.pnl(now - ago * SECOND, 0.25, 0, 0, 0))
    site.feed(bot.pnl(now, 0.25, 0, 0, 0))
    await visit.open(port)
    await visit.page.click("#ranges button:has-text('24 h')")
    await until(lambda: visit.page.evaluate(f"{PNL}.length > 110"))


async def test_long_steps_show_means(site, port, visit):
    """Half of the seconds quoted is quoting: the sample that a step falls on does not stand for the whole of it."""
    bot, now = Bot(), time.time_ns() // SECOND * SECOND
    names = ("flashmm_quote_spread_ratio", "flashmm_market_spread_ratio", "flashmm_quote_uptime_ratio")
    for ago in range(21_600, 0, -10):
        odd = ago // 10 % 2
        values = (0.0002, 0.0003 if odd else 0.0005, odd)
        told = zip(names, values, (MARKET,) * 3, strict=True)
        site.history.add(bot.points(now - ago * SECOND, list(told)))
    site.feed(bot.points(now, [("flashmm_inventory_position", 3, MARKET)]))
    await visit.open(port)
    await visit.page.click("#ranges button:has-text('6 h')")
    await until(lambda: visit.page.evaluate(f"{SPREAD}.length > 500"))
    ours, markets = await visit.page.evaluate(f"{SPREAD}.values.slice(0, 2)")
    assert set(ours[5:-5]) == {2}
    assert all(3.5 < each < 4.5 for each in markets[5:-5])


async def test_a_days_curve_is_whole(site, port, visit):
    """Steps of minutes are no pauses, and neither is the last of them before what comes live."""
    bot, now = Bot(), time.time_ns() // SECOND * SECOND
    for ago in range(86_400, 0, -60):
        site.history.add(bot.pnl(now - ago * SECOND, 0.25, 0, 0, 0))
    site.feed(bot.pnl(now, 0.25, 0, 0, 0))
    await visit.open(port)
    await visit.page.click("#ranges button:has-text('24 h')")
    await until(lambda: visit.page.evaluate(f"{PNL}.length > 500"))
    site.feed(bot.pnl(now + SECOND, 0.5, 0, 0, 0))
    await visit.value("pnl-net", "0.5")
    assert None not in await visit.page.evaluate(f"{PNL}.texts[0]")
