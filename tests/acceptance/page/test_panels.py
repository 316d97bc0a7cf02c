"""Panels of the boards, in a browser: each by itself, however often its curves are others."""

import time

import pytest
from playwright.async_api import expect
from tests.acceptance.page.batches import SECOND, Bot
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
PANEL = """{
    type: "timeseries", title: "Realized", description: "By bot.", gridPos: { w: 12 },
    fieldConfig: { defaults: { unit: "short" } },
    targets: [{ expr: "flashmm_pnl_realized", legendFormat: "{{flashmm_bot}}" }],
}"""


async def test_one_plot_whatever_came_before(site, port, visit):
    """After the set of curves has changed and changed again, a new size draws one plot, not each of the past ones."""
    await visit.page.goto(f"http://127.0.0.1:{port}/boards/flashmm-viewer")
    await visit.page.wait_for_function("'uPlot' in window")
    await visit.page.evaluate(
        f"""import("/static/boards/panels.js").then(({{ made }}) => {{
            window.panel = made({PANEL});
            document.getElementById("panels").replaceChildren(panel.element);
        }})"""
    )
    now = time.time_ns()
    for number in range(3):
        site.feed(Bot(f"bot-{number}").pnl(now - (10 + number) * SECOND, 1, 0, 0, 0))
        await visit.page.evaluate("panel.refresh({}, 900)")
        await expect(visit.page.locator(".keys li")).to_have_count(number + 1)
    plots = visit.page.locator("#panels .uplot")
    for width in (700, 900):
        await visit.page.set_viewport_size({"width": width, "height": 700})
        chart = "panel.element.querySelector('.chart')"
        shown = f"{chart}.querySelector('.uplot')?.offsetWidth === {chart}.clientWidth"
        await until(lambda shown=shown: visit.page.evaluate(shown))
        await expect(plots).to_have_count(1)


async def test_a_destroyed_chart_hears_no_click(port, visit):
    """One click picks one dot, though other charts were in that box before."""
    await visit.page.goto(f"http://127.0.0.1:{port}/boards/flashmm-viewer")
    await visit.page.wait_for_function("'uPlot' in window")
    picked = await visit.page.evaluate(
        """import("/static/js/chart.js").then(async ({ TimeChart }) => {
            const box = document.getElementById("panels").appendChild(document.createElement("div"));
            box.className = "chart";
            const picked = [];
            let chart = null;
            for (const name of ["a", "b", "c"]) {
                const onPick = (trace) => picked.push(name + trace);
                chart?.destroy();
                chart = new TimeChart(box, { lines: [{ colour: "--s0" }], onPick });
                chart.draw([[1, 2, 3], [1, 2, 3]], [0, 4], "three");
                chart.dots = [{ at: 2, value: 2, trace: "t" }];
            }
            await new Promise(requestAnimationFrame);
            const { left, top } = chart.plot.over.getBoundingClientRect();
            const at = { clientX: left + chart.plot.valToPos(2, "x"), clientY: top + chart.plot.valToPos(2, "y") };
            box.dispatchEvent(new MouseEvent("click", at));
            return picked;
        })"""
    )
    assert picked == ["ct"]


async def test_a_query_that_fails_is_its_panels_alone(site, port, visit):
    """The panel says so and keeps what it showed; those after it are drawn, and it is again when it can be."""
    refused = {"status": "error", "error": "too many reads"}
    money = "**/api/v1/query?query=*flashmm_pnl*"
    await visit.page.route(money, lambda route: route.fulfill(status=503, json=refused))
    await visit.page.set_viewport_size({"width": 1440, "height": 6_000})
    await visit.page.clock.install()
    site.feed(Bot().pnl(time.time_ns() - SECOND, 1, 0, 0, 0))
    await visit.page.goto(f"http://127.0.0.1:{port}/boards/flashmm-viewer")
    every = visit.page.locator("#panels > section")
    await expect(every.first).to_contain_text("This could not be read just now: too many reads")
    await expect(every.filter(has_text="P&L over time").locator(".uplot")).to_have_count(1)
    await expect(visit.page.locator("#panels .trouble:not([hidden])")).to_have_count(1)
    await expect(visit.at("trouble")).to_be_hidden()
    await visit.page.unroute(money)
    await visit.page.clock.run_for(6_000)
    await expect(every.first.locator(".figure b")).to_have_text("1")
    await expect(every.first.locator(".trouble")).to_be_hidden()
