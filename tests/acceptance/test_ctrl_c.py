"""Ctrl-C: the product ends what it began, and says so once."""

import signal
from pathlib import Path

import httpx
from tests.product import Product, running_product
from tests.waiting import until


async def test_ctrl_c_ends_it_with_a_word(tmp_path: Path) -> None:
    """Exit code 0 and one line on standard error, with the demo amid its trading; a second Ctrl-C changes nothing."""
    told = tmp_path / "stderr"
    with told.open("w") as stderr, running_product(tmp_path / "data", "--demo", stderr=stderr) as product:
        await until(lambda: _has_traded(product), 60)
        product.process.send_signal(signal.SIGINT)
        product.process.send_signal(signal.SIGINT)
        assert product.process.wait(60) == 0
    assert told.read_text() == "flashmm: ending; what was received is kept\n"


def _has_traded(product: Product) -> bool:
    answer = httpx.get(f"{product.http}/api/v1/query", params={"query": "sum(flashmm_orders_total)"}, timeout=30)
    return bool(answer.json()["data"]["result"])
