"""Every figure that the page shows equals the simulator's books, or a second derivation from what was stored."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.acceptance.conftest import run_demo
from tests.acceptance.page.conftest import ARGUMENTS, chromium
from tests.product import Product, running_product
from tests.waiting import settles

from flashmm_instrumentation.semconv.attributes import Outcome

__all__ = ["chromium"]
pytestmark = pytest.mark.browser
SECONDS = 30


@dataclass(frozen=True, slots=True)
class Shown:
    """A page on which a demo has ended, and what the demo wrote down."""

    page: Page
    books: dict[str, Any]
    fills: list[dict[str, Any]]
    product: Product

    @property
    def values(self) -> dict[str, str]:
        """By element id, the exact value that it shows now."""
        return self.page.eval_on_selector_all("main data", _VALUES)

    @property
    def texts(self) -> dict[str, str]:
        """By element id, how it is written."""
        return self.page.eval_on_selector_all("main data, main .unit[id], #completeness-text", _TEXTS)

    @property
    def tape(self) -> list[str]:
        """Each fill's row."""
        return self.page.locator("#tape tr").all_inner_texts()

    def decimal(self, name: str) -> Decimal:
        """A figure as the decimal that it is."""
        return Decimal(self.values[name])


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, chromium) -> Iterator[Shown]:
    """A page that was open while a demo ran, to its end; its last figures may still be on their way."""
    folder = tmp_path_factory.mktemp("shown")
    with running_product(folder / "data") as product, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(product.http)
        run_demo(product, "--duration", str(SECONDS), "--books", str(folder / "books.json"), "--seed", "3")
        books = json.loads((folder / "books.json").read_text())
        fills = [json.loads(line) for line in (folder / "books.json.fills").read_text().splitlines()]
        expect(page.locator("main data[value='']")).to_have_count(0, timeout=60_000)
        yield Shown(page, books, fills, product)
        browser.close()


_VALUES = "all => Object.fromEntries(all.filter((each) => each.id).map((each) => [each.id, each.value]))"
_TEXTS = "all => Object.fromEntries(all.map((each) => [each.id, each.innerText]))"


@settles
def test_no_figure_is_left_out(shown: Shown) -> None:
    """Each figure of the page is filled, and one of those that this module compares."""
    assert set(shown.values) == _COMPARED
    assert [name for name, value in shown.values.items() if value == ""] == []


@pytest.mark.parametrize("part", ["realized", "unrealized", "fees", "funding"])
@settles
def test_parts_of_the_pnl(shown: Shown, part: str) -> None:
    """Each part is the books' amount, as the double that a metric carries."""
    assert float(shown.values[f"pnl-{part}"]) == float(shown.books[part])


@settles
def test_net_and_volume(shown: Shown) -> None:
    """Net is the sum of the parts; the volume is the fills'; their ratio is in basis points."""
    parts = [shown.decimal(f"pnl-{part}") for part in ("realized", "unrealized", "fees", "funding")]
    assert shown.decimal("pnl-net") == sum(parts)
    traded = sum(Decimal(fill["price"]) * Decimal(fill["quantity"]) for fill in shown.fills)
    assert shown.decimal("notional") == pytest.approx(traded, rel=Decimal("1e-12"))
    assert shown.decimal("net-bps") == pytest.approx(sum(parts) / traded * 10_000, abs=Decimal("0.0001"))
    assert shown.texts["pnl-currency"] == shown.texts["notional-unit"] == shown.books["currency"]


@settles
def test_position_and_orders(shown: Shown) -> None:
    """Inventory, orders, rejections, fills and who made them."""
    (symbol,) = shown.books["symbols"]
    assert float(shown.values["position"]) == float(shown.books["symbols"][symbol]["position"])
    counted = shown.books["orders"]
    rejected = counted.get("rejected", 0)
    assert int(shown.texts["rejected"]) == rejected
    assert int(shown.texts["orders-total"]) == sum(counted.get(outcome.value, 0) for outcome in Outcome)
    makers = _columns(shown, "flashmm.fill")["liquidity"].count("maker")
    assert int(shown.values["maker-share"]) == makers and int(shown.values["fills"]) == len(shown.fills)


@settles
def test_the_tape(shown: Shown) -> None:
    """Every fill of the books is a row, the newest first, with its price and quantity."""
    assert len(shown.tape) == len(shown.fills)
    for row, fill in zip(shown.tape, reversed(shown.fills), strict=True):
        cells = row.replace("\u202f", "").split("\t")
        assert fill["side"] in cells[1]
        assert (Decimal(cells[2]), Decimal(cells[3])) == (Decimal(fill["quantity"]), Decimal(fill["price"]))


def _columns(shown: Shown, kind: str) -> dict[str, list[Any]]:
    answer = httpx.get(f"{shown.product.http}/api/events/{kind}", params={"start": "1h", "limit": 10_000}, timeout=30)
    return answer.raise_for_status().json()["columns"]


@settles
def test_spreads_and_shares(shown: Shown) -> None:
    """Means over the run, added up again from the ledger's exact integrals."""
    samples = _columns(shown, "flashmm.spread.sample")

    def total(name: str) -> Decimal:
        return sum((Decimal(value) for value in samples[name] if value is not None), Decimal(0))

    own = total("own_spread_integral") / total("mid_integral")
    market = total("market_spread_integral") / total("mid_integral")
    for name, fraction in {"own": own, "market": market, "difference": market - own}.items():
        assert shown.decimal(f"spread-{name}") == round(fraction * 10_000, 4)
    shares = {
        "uptime": ("two_sided_ns", "duration_ns"),
        "at-best": ("at_best_ns", "two_sided_ns"),
        "tick-bound": ("one_tick_ns", "valid_ns"),
    }
    for name, (part, whole) in shares.items():
        assert shown.decimal(name) == round(total(part) / total(whole), 6)


@settles
def test_prices(shown: Shown) -> None:
    """The last sample's best prices, and their middle."""
    samples = _columns(shown, "flashmm.spread.sample")
    bid, ask = (Decimal(samples[name][-1]) for name in ("bid", "ask"))
    assert (shown.decimal("best-bid"), shown.decimal("best-ask")) == (bid, ask)
    assert shown.decimal("mid") == (bid + ask) / 2


@settles
def test_gauges(shown: Shown) -> None:
    """What the bot computes itself is shown as the last sample says: its model's accuracy, its share of the limit."""
    gauges = {"accuracy": "flashmm_model_accuracy_ratio", "utilization": "flashmm_inventory_utilization_ratio"}
    for name, metric in gauges.items():
        answer = httpx.get(f"{shown.product.http}/api/v1/query", params={"query": metric}, timeout=30).json()
        (series,) = answer["data"]["result"]
        assert float(shown.values[name]) == float(series["value"][1])


@settles
def test_latency(shown: Shown) -> None:
    """Quantiles of all placements, worked out again from the orders that the store has."""
    listed = httpx.get(f"{shown.product.http}/api/orders", params={"start": "1h", "limit": 1000}, timeout=30).json()
    taken = sorted(order["duration_ns"] / 1_000 for order in listed["orders"])
    assert len(taken) == int(shown.texts["orders-total"])
    for name, share in {"latency-p50": 0.5, "latency-p99": 0.99}.items():
        place = (len(taken) - 1) * share
        below, above = taken[int(place)], taken[min(int(place) + 1, len(taken) - 1)]
        assert float(shown.values[name]) == pytest.approx(below + (above - below) * (place - int(place)), abs=0.2)


@settles
def test_nothing_is_missing(shown: Shown) -> None:
    """The page says that its data is complete."""
    assert shown.texts["completeness-text"].startswith("Data complete")


_COMPARED = {
    *(f"pnl-{part}" for part in ("net", "realized", "unrealized", "fees", "funding")),
    *("net-bps", "notional", "position", "utilization", "fills", "maker-share", "orders-total", "rejected"),
    *("spread-difference", "spread-own", "spread-market", "uptime", "at-best", "tick-bound"),
    *("mid", "best-bid", "best-ask", "accuracy", "latency-p50", "latency-p99"),
}
