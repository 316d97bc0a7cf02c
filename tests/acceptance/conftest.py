"""The product with the demo, once for a module."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright import async_api, sync_api
from tests.product import Product, running_product

SECONDS = 25

# As patient as everything else that waits for a page, where the machine is slow.
for _expect in (async_api.expect, sync_api.expect):
    _expect.set_options(timeout=30_000)


@dataclass(frozen=True, slots=True)
class Session:
    """A demo that has ended, its books, and the product that took in what it sent."""

    product: Product
    books: dict[str, Any]
    fills: list[dict[str, Any]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A short run of the demo on the simulated market, to its end."""
    folder = tmp_path_factory.mktemp("demo")
    with running_product(folder / "data") as product:
        books = folder / "books.json"
        run_demo(product, "--duration", str(SECONDS), "--books", str(books), "--seed", "3", "--loss", "0.2")
        fills = [json.loads(line) for line in (folder / "books.json.fills").read_text().splitlines()]
        yield Session(product, json.loads(books.read_text()), fills)


def run_demo(product: Product, *arguments: str) -> None:
    """The demo against a product, until it ends by itself."""
    subprocess.run(
        [sys.executable, "-m", "flashmm_demo", "--endpoint", f"http://{product.otlp_grpc}", *arguments],
        env=os.environ | {"OTEL_METRIC_EXPORT_INTERVAL": "500"},
        check=True,
        timeout=300,
    )
