"""The product is started again on the data of a bot that is silent now: a page shows its last figures, as such."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.acceptance.page.conftest import chromium
from tests.acceptance.test_boards_page import window
from tests.product import Product, running_product

from flashmm_instrumentation import setup

__all__ = ["chromium"]
pytestmark = pytest.mark.browser


def trade(product: Product, realized: str) -> None:
    """One run of a bot, from its beginning to its end."""
    address = f"http://{product.otlp_grpc}"
    with setup("maker-1", "main", endpoint=address, system_metrics=False, set_global=False) as bot:
        market = bot.market("v", "S", tick="0.1", lot="0.001", base="B", quote="Q")
        market.book(100, 1, 101, 1)
        bot.pnl("USDT", realized, "-0.25", "-0.5")
        market.inventory("0.75", 3)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """A second start; two runs ended before it."""
    with running_product(tmp_path / "data") as first:
        trade(first, "7")
        trade(first, "2")
    with running_product(tmp_path / "data") as second:
        yield second


@pytest.fixture
def page(chromium: Path, product: Product) -> Iterator[Page]:
    """The live page, opened after the second start."""
    with window(chromium, 1440, 900) as (opened, complaints):
        opened.goto(product.http)
        yield opened
        assert complaints == []


def test_the_last_figures_are_shown_and_said_to_be_old(page: Page) -> None:
    """The last run's P&L, not the one before; the position; the curve; and since when nothing came."""
    for name, value in {"pnl-net": "1.25", "pnl-realized": "2", "position": "0.75"}.items():
        page.wait_for_selector(f'#{name}[value="{value}"]', state="attached")
    expect(page.locator("#stale-text")).to_contain_text("No data from maker-1 since", use_inner_text=True)
    page.wait_for_function("flashmm.state.seriesOf('pnl', flashmm.board.selection).texts[0].includes('1.25')")
