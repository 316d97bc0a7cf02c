"""The boards without Grafana: the same JSON, drawn in a browser from the embedded engine."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.acceptance.conftest import Session
from tests.acceptance.page.conftest import ARGUMENTS, chromium
from tests.boards import boards
from tests.integration.orchestration.test_logs import record, send
from tests.product import running_product
from tests.waiting import settles

__all__ = ["chromium"]
pytestmark = pytest.mark.browser

# A panel is drawn once it has a figure, a curve, a table or cells.
_DRAWN = "#panels > section:has(.figure b, .uplot canvas, table td, .states i, canvas[aria-label], .life .chip)"


@contextmanager
def window(chromium, width: int, height: int) -> Iterator[tuple[Page, list[str]]]:
    """A window of that size, and everything that its page complained about."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        complaints: list[str] = []
        page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, complaints
        browser.close()


def test_every_board_is_drawn(session: Session, chromium) -> None:
    """Each role's board has all its panels; those that read a bot's telemetry show it; nothing complains."""
    with window(chromium, 1440, 6000) as (page, complaints):
        for _, board in boards():
            every = len(board["panels"])
            wanted = {"flashmm-admin": 21, "flashmm-public": 1}.get(board["uid"], every)
            page.goto(f"{session.product.http}/boards/{board['uid']}")
            page.locator(_DRAWN).nth(wanted - 1).wait_for(state="attached", timeout=120_000)
            expect(page.locator("#panels > section")).to_have_count(len(board["panels"]))
            expect(page.locator("#title")).to_have_text(board["title"])
            expect(page.locator("#trouble, .trouble:not([hidden])").filter(visible=True)).to_have_count(0)
        assert complaints == []


def test_boards_are_listed(session: Session, chromium) -> None:
    """/boards names every board, whose it is and what it shows; each leads there, and the live page leads here."""
    with window(chromium, 1200, 700) as (page, complaints):
        page.goto(f"{session.product.http}/")
        page.click(".top >> text=Boards")
        shown = page.locator("#list a")
        expect(shown).to_have_count(len(list(boards())))
        for place, (_, board) in enumerate(sorted(boards(), key=lambda each: _order(each[1]["uid"]))):
            expect(shown.nth(place)).to_contain_text(board["title"])
            expect(shown.nth(place)).to_contain_text(board["description"])
            expect(shown.nth(place)).to_have_attribute("href", f"/boards/{board['uid']}")
        assert complaints == []


def _order(uid: str) -> int:
    return ["admin", "trader", "risk", "viewer", "public"].index(uid.removeprefix("flashmm-"))


def test_no_such_board(session: Session, chromium) -> None:
    """An address of no board is answered 404 with those that there are."""
    with window(chromium, 1200, 700) as (page, _):
        answer = page.goto(f"{session.product.http}/boards/<b>trader%2F")
        assert answer and answer.status == 404
        page.wait_for_selector("#trouble:has-text('There is no board “<b>trader/”')")
        expect(page.locator("#list a")).to_have_count(5)


def test_a_curve_is_read_at_the_cursor(session: Session, chromium) -> None:
    """Pointing at a curve shows when that was and the values of then."""
    with window(chromium, 1200, 900) as (page, complaints):
        page.goto(f"{session.product.http}/boards/flashmm-viewer")
        _point_at(page)
        page.mouse.move(5, 5)
        page.wait_for_selector(".keys li:has-text('at ')", state="detached")
        assert complaints == []


@settles
def _point_at(page: Page) -> None:
    """At the first curve's end. The panel may still be moving, as others above it are filled."""
    over = page.locator("#panels .u-over").first
    over.wait_for()
    box = over.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 40)
    assert page.locator(".keys li:has-text('at ')").first.is_visible()


def test_a_bot_can_be_chosen(session: Session, chromium) -> None:
    """The variables offer what the store knows; choosing one asks for that alone."""
    with window(chromium, 1200, 700) as (page, complaints):
        page.goto(f"{session.product.http}/boards/flashmm-viewer")
        expect(page.locator("#bot option")).to_have_text(["All", "demo-maker"])
        expect(page.locator("#symbol option")).to_have_text(["All", "BTCUSDT"])
        with page.expect_request(lambda request: "demo-maker" in request.url):
            page.select_option("#bot", label="demo-maker")
        assert complaints == []


def test_a_phone_stacks_panels(session: Session, chromium) -> None:
    """On a narrow screen each panel is as wide as the screen, and nothing scrolls sideways."""
    with window(chromium, 390, 800) as (page, complaints):
        page.goto(f"{session.product.http}/boards/flashmm-trader")
        page.wait_for_selector("#panels .figure b")
        widths = page.eval_on_selector_all("#panels > section", "all => all.map(each => each.offsetWidth)")
        assert min(widths) > 350
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert complaints == []


def test_a_range_stays_in_the_address(session: Session, chromium) -> None:
    """A longer range asks for that much, and is kept over a reload and on the way to another board."""
    with window(chromium, 1200, 700) as (page, complaints):
        page.goto(f"{session.product.http}/boards/flashmm-viewer")
        page.wait_for_selector("#panels .figure b")
        with page.expect_request(lambda asked: "query_range" in asked.url and "step=72" in asked.url):
            page.click("#ranges button:has-text('6 h')")
        page.reload()
        page.wait_for_selector("#ranges button[aria-pressed=true]:has-text('6 h')")
        page.wait_for_selector("#boards a[data-uid][href*='seconds=21600']")
        assert complaints == []


@pytest.mark.parametrize("uid", ["flashmm-trader", "flashmm-admin"])
def test_a_board_begins_with_its_data(session: Session, chromium, uid: str) -> None:
    """A range that reaches before the oldest data is drawn from there on, also where a constant has no beginning."""
    with window(chromium, 1440, 6000) as (page, complaints):
        page.goto(f"{session.product.http}/boards/{uid}?seconds=21600")
        every = page.locator("#panels .chart[aria-label]:has(canvas)")
        expect(every.nth(6)).to_be_visible(timeout=60_000)
        expect(page.locator("#panels .chart[aria-label*='last 6 h']:has(canvas)")).to_have_count(0)
        expect(every.first).to_have_attribute("aria-label", re.compile(r", last \d+ (s|min)\. "))
        assert complaints == []


def test_what_has_no_data_comes_last(session: Session, chromium) -> None:
    """Panels of servers that only the whole stack has stand below all others."""
    with window(chromium, 1440, 6000) as (page, complaints):
        page.goto(f"{session.product.http}/boards/flashmm-admin")
        _empty_ones_are_last(page)
        assert complaints == []


@settles
def _empty_ones_are_last(page: Page) -> None:
    where = "all => all.map(each => each.offsetTop)"
    empty = page.eval_on_selector_all("#panels > section:has(.nothing:not([hidden]))", where)
    others = page.eval_on_selector_all("#panels > section:not(:has(.nothing:not([hidden])))", where)
    assert len(empty) >= 3
    assert min(empty) >= max(others)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (4.56e-5, "46 µs"), (0.0789, "78.9 ms"), (90, "90 s"), (-1.28, "\u22121.28 s"), (864_000, "10 d")],
)
def test_times_have_the_unit_that_fits(session: Session, chromium, seconds: float, told: str) -> None:
    """None is nothing, a retention's are days."""
    with window(chromium, 600, 600) as (page, _):
        page.goto(f"{session.product.http}/boards")
        ask = "number => import('/static/boards/value.js').then(({ written }) => written(number, 's'))"
        assert page.evaluate(ask, seconds) == told


def test_a_dot_leads_to_its_order(session: Session, chromium) -> None:
    """The slowest orders behind a latency curve are links to the order on the live page."""
    with window(chromium, 1440, 3000) as (page, complaints):
        page.goto(f"{session.product.http}/boards/flashmm-trader?seconds=3600")
        href = page.locator(".slowest a").first.get_attribute("href", timeout=120_000)
        page.goto(f"{session.product.http}{href}")
        title = page.locator("#order-title")
        expect(title).to_have_text(re.compile("^Order "))
        expect(page.locator("#order-subtitle")).to_have_text(re.compile(" · demo-maker$"))
        order = title.inner_text()
        _follow_the_trace(page, order)
        page.reload()
        expect(title).to_have_text(re.compile("^Trace "))
        page.get_by_role("link", name=order.replace("Order", "order")).click()
        expect(title).to_have_text(order)
        page.keyboard.press("Escape")
        expect(page).to_have_url(f"{session.product.http}/")
        page.go_back()
        expect(page).to_have_url(re.compile("/boards/flashmm-trader"))
        assert complaints == []


def _follow_the_trace(page: Page, order: str) -> None:
    """From an order to its trace, with its log lines; the address says both."""
    page.locator("#order-body code a").click()
    expect(page.locator("#order-title")).to_have_text(re.compile("^Trace [0-9a-f]{32}$"))
    expect(page.locator("#order-body")).to_contain_text("Log lines")
    trace = page.locator("#order-title").inner_text().removeprefix("Trace ")
    expect(page).to_have_url(re.compile(f"/\\?order={order.removeprefix('Order ')}&trace={trace}$"))


@pytest.mark.parametrize(("share", "told"), [(0.0, "0 %"), (1.23e-5, "0.0012 %"), (0.5, "50 %"), (0.12345, "12.3 %")])
def test_little_of_a_limit_is_not_nothing(session: Session, chromium, share: float, told: str) -> None:
    """A queue that begins to fill is a number, however large its limit."""
    with window(chromium, 600, 600) as (page, _):
        page.goto(f"{session.product.http}/boards")
        ask = "share => import('/static/boards/value.js').then(({ written }) => written(share, 'percentunit'))"
        assert page.evaluate(ask, share) == told


def test_log_lines_are_those_of_the_chosen_bot(session: Session, chromium) -> None:
    """Time, severity, text and service of each, the latest first, as text; one with a trace leads to it."""
    now, trace = time.time_ns(), "ab" * 16
    send(session.product, "shy", record("whispered", now, severity=5))
    send(session.product, "loud", record("<b>shouted</b>", now + 1, severity=17, trace=trace))
    with window(chromium, 1440, 6000) as (page, complaints):
        page.goto(f"{session.product.http}/boards/flashmm-trader?seconds=3600")
        lines = page.locator("#panels section:has(.life)")
        expect(lines).to_contain_text("whispered shy")
        expect(lines).to_contain_text("no answer for order")
        expect(lines.locator(".chip").first).to_have_text("error")
        expect(lines.locator(".chip").nth(1)).to_have_text("debug")
        expect(lines.locator(".life > :nth-child(-n + 3)")).to_have_text(
            [re.compile(r"\d\d:\d\d:\d\d$"), "error", "<b>shouted</b> loud trace"]
        )
        expect(lines.locator("a")).to_have_attribute("href", f"/?trace={trace}")
        page.select_option("#bot", label="demo-maker")
        expect(lines).not_to_contain_text("whispered")
        expect(lines).to_contain_text("no answer for order")
        assert complaints == []


def test_no_log_lines_say_where_they_may_be(chromium, tmp_path: Path) -> None:
    """Without a line in the range the panel says that a Collector's go to Loki."""
    with running_product(tmp_path) as product, window(chromium, 1440, 6000) as (page, complaints):
        page.goto(f"{product.http}/boards/flashmm-trader")
        expect(page.locator("#panels > section").last).to_contain_text("go on to its Loki, and are read in Grafana")
        assert complaints == []
