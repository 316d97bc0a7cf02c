"""A browser, and the page's server in miniature."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect
from tests.acceptance.page.site import Site, serving

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def chromium() -> Path:
    """The browser; where there is none the test is skipped, unless real parts are required."""
    if not CHROMIUM.exists() and os.environ.get("FLASHMM_REQUIRE_REAL") != "1":
        pytest.skip("chromium is not installed")
    return CHROMIUM


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> Site:
    """Hub, tap and API, in memory."""
    return Site()


@pytest_asyncio.fixture(loop_scope="module")
async def port(site: Site) -> AsyncIterator[int]:
    """Where the site answers."""
    async with serving(site.app()) as port:
        yield port


class Visit:
    """A page opened, and everything it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on(
            "console", lambda message: message.type in ("error", "warning") and self.complaints.append(message.text)
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def open(self, port: int, query: str = "") -> "Visit":
        """Load the page and wait until it is live."""
        await self.page.goto(f"http://127.0.0.1:{port}/{query}")
        await self.page.wait_for_selector('#connection[data-state="live"]')
        return self

    async def value(self, name: str, expected: str) -> None:
        """Wait until a figure holds exactly this value."""
        await self.page.wait_for_selector(f'#{name}[value="{expected}"]', state="attached")

    def at(self, name: str) -> Locator:
        """The element of this id."""
        return self.page.locator(f"#{name}")

    async def text(self, name: str, expected: str) -> None:
        """Wait until an element shows exactly this."""
        exactly = re.compile(f"^{re.escape(expected)}$")  # a string would be compared with all spaces alike
        await expect(self.at(name)).to_have_text(exactly, use_inner_text=True)

    async def says(self, selector: str, *parts: str | re.Pattern[str]) -> None:
        """Wait until the text of the one element there has each of the parts."""
        for part in parts:
            among = part if isinstance(part, re.Pattern) else re.compile(re.escape(part))
            await expect(self.page.locator(selector)).to_contain_text(among, use_inner_text=True)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """A window of a desk's size, in the dark theme, in Tokyo."""
    window = {"width": 1440, "height": 900}
    context = await browser.new_context(viewport=window, color_scheme="dark", timezone_id="Asia/Tokyo")
    yield Visit(await context.new_page())
    await context.close()
