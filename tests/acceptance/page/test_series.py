"""The page's series: bounded, whole over their range, in the browser they run in."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
NOW = 1_700_000_000
DAY = 86_400
HOURS_8 = 8 * 3_600


async def run(visit, port, script):
    """The value of a function's body that has the page's own classes."""
    await visit.page.goto(f"http://127.0.0.1:{port}/")
    return await visit.page.evaluate(
        f"""async () => {{
            const {{ Series, stepOf }} = await import("/static/js/series.js");
            const {{ State }} = await import("/static/js/state.js");
            {script}
        }}"""
    )


def live(range_s, seconds):
    """A chart of a range with its history, and so many seconds of P&L after it, a point a second, at 0, 1, 2 …"""
    return f"""
        const state = new State();
        state.rangeS = {range_s};
        const item = (at, net) => ({{ bot: "b", time_ms: ({NOW} + at) * 1000, net: String(net) }});
        const tell = (at, net) => state.apply("pnl", [item(at, net)], false, 0);
        tell(0, 0);
        const series = state.seriesOf("pnl", {{ bot: "b" }});
        const history = [];
        for (let at = -{range_s}; at < 0; at += stepOf({range_s})) history.push([{NOW} + at, ["1"]]);
        series.rebase(history);
        for (let at = 1; at <= {seconds}; at += 1) tell(at, at);
    """


@pytest.mark.parametrize("range_s", [6 * 3_600, DAY])
async def test_a_long_range_stays_whole(port, visit, range_s):
    """After eight hours of live points a chart still covers its range, no two points further apart than two steps."""
    script = (
        live(range_s, HOURS_8)
        + f"""
        const shown = series.times.filter((time) => time >= {NOW + HOURS_8 - range_s});
        const apart = shown.slice(1).map((time, place) => time - shown[place]);
        return [series.length, shown.at(-1) - shown[0], Math.max(...apart), Math.max(...apart.slice(-9_000))];
    """
    )
    points, covered, widest, widest_lately = await run(visit, port, script)
    step = range_s // 600
    assert points <= 20_000 and covered >= range_s - 2 * step
    assert widest <= 2 * step and widest_lately == 1


async def test_thinned_points_are_of_what_was_told(port, visit):
    """Each time keeps its value, and a break between two runs stays one."""
    script = (
        live(DAY, 15_000)
        + f"""
        series.breakOff();
        for (let at = 15_100; at <= {HOURS_8}; at += 1) tell(at, at);
        const points = series.times.map((time, place) => [time, series.texts[0][place]]);
        const told = points.filter(([time]) => time >= {NOW});
        const lone = told.filter(([, text]) => text === null).map(([time]) => Math.floor(time) - {NOW});
        return [told.filter(([time, text]) => text !== null && Number(text) !== time - {NOW}), lone];
    """
    )
    wrong, breaks = await run(visit, port, script)
    assert wrong == [] and breaks == [15_000]


async def test_it_is_bounded_whatever_comes(port, visit):
    """Values that come and go, ten times a second, for hours."""
    flapping = """
        const state = new State();
        for (let at = 0; at < 100_000; at += 1) {
            state.apply("pnl", [{ bot: "b", time_ms: at * 100, net: at % 2 ? "1" : null }], false, 0);
            if (at % 3 === 0) state.seriesOf("pnl", { bot: "b" }).breakOff();
        }
        return state.seriesOf("pnl", { bot: "b" }).length;
    """
    assert 10_000 <= await run(visit, port, flapping) <= 20_001


async def test_another_range_has_a_history_of_its_own(port, visit):
    """What was thinned gives way to a finer history, and what is live stays."""
    script = (
        live(DAY, HOURS_8)
        + """
        const from = series.liveFrom;
        series.rebase([[from - 2, ["7"]], [from - 1, ["8"]], [from, ["9"]]]);
        const times = series.times.map((time) => time - from);
        return [series.texts[0].slice(0, 3), times.slice(0, 3), times.at(-1)];
    """
    )
    texts, times, last = await run(visit, port, script)
    assert texts[:2] == ["7", "8"] and times == [-2, -1, 0] and texts[2] not in ("7", "8", "9")
    assert last >= 9_000


async def test_the_words_are_of_the_range(port, visit):
    """The least and the greatest of a chart in words are those from its beginning on."""
    script = """
        const series = new Series(["net"]);
        ["9", "-9", "2", null, "1", "3"].forEach((net, at) => series.push(at, [net]));
        return [series.extent(0, 2), series.extent(0, 0), series.extent(0, 7)];
    """
    assert await run(visit, port, script) == [["1", "3"], ["-9", "9"], [None, None]]
