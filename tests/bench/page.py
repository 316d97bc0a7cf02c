"""From nothing to the first live number: `flashmm up --demo`, a browser, on a desk and on a slow phone."""

import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from tests.acceptance.page.conftest import ARGUMENTS, CHROMIUM
from tests.product import Product, running_product

RUNS: Final = 5
PROFILES: Final = {"desk, 1440 px": (1440, 900, 1), "phone, 390 px, CPU 4 times slower": (390, 844, 4)}
_OBSERVE: Final = """
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) window.longest = Math.max(window.longest ?? 0, each.duration);
}).observe({ type: "longtask", buffered: true });
"""
_FIRST_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit. Times are from navigation, in milliseconds; kilobytes as they went over the wire."""

    first_paint_ms: float
    first_number_ms: float
    longest_task_ms: float
    transferred_kb: float


def main() -> None:
    """Print medians."""
    starts = [_start() for _ in range(RUNS)]
    ready, number = (statistics.median(each) for each in zip(*starts, strict=True))
    print(f"median of {RUNS}, empty data folder each time")
    print(f"{'flashmm up --demo, to HTTP ready':<44}{ready:>8.2f} s")
    print(f"{'the same, to the first live number':<44}{number:>8.2f} s")
    with _demo() as product:
        for name, profile in PROFILES.items():
            _print_profile(name, [_visit(product, *profile) for _ in range(RUNS)])


def _print_profile(name: str, visits: list[Visit]) -> None:
    print(name)
    for field in fields(Visit):
        median = statistics.median(getattr(visit, field.name) for visit in visits)
        what, _, unit = field.name.rpartition("_")
        print(f"  {what.replace('_', ' '):<42}{median:>8.0f} {'kB' if unit == 'kb' else unit}")


def _start() -> tuple[float, float]:
    """Seconds from the command to HTTP, and to a figure on an open page."""
    with _browser() as browser:
        page = browser.new_page()
        begin = time.perf_counter()
        with _demo() as product:
            ready_s = time.perf_counter() - begin
            page.goto(product.http)
            page.wait_for_selector('#pnl-net:not([value=""])', timeout=60_000)
            return ready_s, time.perf_counter() - begin


def _visit(product: Product, width: int, height: int, slowdown: int) -> Visit:
    with _browser() as browser:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.add_init_script(_OBSERVE)
        wire = _Wire(page, slowdown)
        page.goto(product.http)
        page.wait_for_selector('#pnl-net:not([value=""])', timeout=60_000)
        number = page.evaluate("performance.now()")
        page.wait_for_selector("#pnl-chart canvas", timeout=60_000)
        return Visit(page.evaluate(_FIRST_PAINT), number, page.evaluate("window.longest ?? 0"), wire.bytes / 1000)


class _Wire:
    """Counts what arrives, compressed as it is; slows the processor down."""

    def __init__(self, page: Page, slowdown: int) -> None:
        session: CDPSession = page.context.new_cdp_session(page)
        self.bytes = 0
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")
        session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})

    def _finished(self, event: dict[str, float]) -> None:
        self.bytes += int(event["encodedDataLength"])


@contextmanager
def _demo() -> Generator[Product]:
    with tempfile.TemporaryDirectory() as folder, running_product(Path(folder), "--demo") as product:
        yield product


@contextmanager
def _browser() -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
